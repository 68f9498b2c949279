package decide

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const (
	// pause is how long the newer pods of a controller are left alone after an eviction. It doubles with each eviction for
	// the same name, because the one before did not help.
	pause    = time.Hour
	maxPause = 24 * time.Hour
	// remembered is how many pods and how many controllers are remembered; of more, the oldest are forgotten.
	remembered = 10_000
)

// History remembers what was evicted, so that no pod is evicted twice and no controller goes in a circle. It is told what time it
// is. Not safe for concurrent use.
type History struct {
	pods        memory[struct{}]
	controllers memory[eviction]
}

// eviction is what was evicted of a controller.
type eviction struct {
	// newest is when the youngest pod of the controller was created that there was by then. Times of pods are the API
	// server's, so its clock alone says which pods are newer.
	newest time.Time
	names  []string // for which pods were evicted
	until  time.Time
	pause  time.Duration
}

// Allows changes a verdict where the pod was evicted before, or is a newer one of a controller whose pods were.
func (h *History) Allows(v Verdict, pod *cluster.Pod, now time.Time) Verdict {
	if !v.Evict() {
		return v
	}
	if _, known := h.pods.get(pod.UID); known {
		return leave(EvictedBefore, "")
	}
	last, known := h.controllers.get(pod.Controller.UID)
	if known && pod.Created.After(last.newest) && now.Before(last.until) {
		return leave(TooSoon, fmt.Sprintf("not before %s", last.until.UTC().Format(time.RFC3339)))
	}
	return v
}

// Evicted notes that a pod was evicted for these names. newest is when the youngest pod of its controller was created.
func (h *History) Evicted(pod *cluster.Pod, names []string, newest, now time.Time) {
	h.pods.put(pod.UID, struct{}{})
	next := eviction{newest: newest, names: names, pause: pause}
	last, known := h.controllers.get(pod.Controller.UID)
	switch older := !pod.Created.After(last.newest); {
	case known && older: // one more of those that there were at the first time
		next.newest, next.pause = last.newest, last.pause
	case known && slices.ContainsFunc(names, func(n string) bool { return slices.Contains(last.names, n) }):
		next.pause = min(2*last.pause, maxPause)
	}
	next.until = now.Add(next.pause)
	h.controllers.put(pod.Controller.UID, next)
}

// memory is a bounded map that forgets what was put in first.
type memory[V any] struct {
	values map[types.UID]V
	order  []types.UID // as they were put in first
}

func (m *memory[V]) get(uid types.UID) (V, bool) {
	v, known := m.values[uid]
	return v, known
}

func (m *memory[V]) put(uid types.UID, value V) {
	if m.values == nil {
		m.values = map[types.UID]V{}
	}
	if _, known := m.values[uid]; !known {
		m.order = append(m.order, uid)
	}
	m.values[uid] = value
	if len(m.order) > remembered {
		delete(m.values, m.order[0])
		m.order = m.order[1:]
	}
}
