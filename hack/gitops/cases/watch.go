package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// quietFor is how long nobody has to have written anything before all are taken to be done. What comes later is not
// lost: it counts for the pass after.
const (
	quietFor = 100 * time.Millisecond
	quietEnd = 500 * time.Millisecond // after the last pass
)

// record is all writes of namespaces, accounts, secrets and ConfigMaps of a story, in their order for each kind.
type record struct {
	mu     sync.Mutex
	events []event
	news   chan struct{}
}

type event struct {
	kind   watch.EventType
	object *unstructured.Unstructured
}

func (e event) String() string {
	return fmt.Sprintf("%s %s %s by %s", e.kind, ID(e.object), e.object.GetResourceVersion(), lastManager(e.object))
}

// record watches until the context ends. Other stories' namespaces are not its business, nor is the controller's own
// record, which it writes when something else happened and up to 5 s later.
func (c *Cluster) record(ctx context.Context, prefix string) *record {
	c.T.Helper()
	r := &record{news: make(chan struct{}, 1)}
	relevant := func(u *unstructured.Unstructured) bool {
		return strings.HasPrefix(u.GetName()+"/"+u.GetNamespace(), prefix) || strings.HasPrefix(u.GetNamespace(), prefix) ||
			u.GetNamespace() == Home && u.GetName() != "pullsecrets-status"
	}
	for _, resource := range []schema.GroupVersionResource{namespaces, accounts, secrets, configMaps} {
		list, err := c.Client.Resource(resource).List(ctx, metav1.ListOptions{})
		must(c.T, err)
		w, err := c.Client.Resource(resource).Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		must(c.T, err)
		go func() {
			for e := range w.ResultChan() {
				if u, ok := e.Object.(*unstructured.Unstructured); ok && relevant(u) {
					r.add(event{kind: e.Type, object: u})
				}
			}
		}()
	}
	return r
}

func (r *record) add(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// since returns what happened after the first n events.
func (r *record) since(n int) []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events[n:])
}

func (r *record) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// quiet waits until nobody has written anything for a while.
func (r *record) quiet(enough time.Duration) error {
	over := time.After(patient)
	for {
		select {
		case <-r.news:
		case <-time.After(enough):
			return nil
		case <-over:
			return fmt.Errorf("somebody still writes after %s", patient)
		}
	}
}

func lastManager(u *unstructured.Unstructured) (name string) {
	var last metav1.Time
	for _, m := range u.GetManagedFields() {
		if m.Time != nil && !m.Time.Before(&last) {
			name, last = m.Manager, *m.Time
		}
	}
	return name
}

// ownersOf names the managers of an account's list.
func ownersOf(u *unstructured.Unstructured) string {
	var names []string
	for _, m := range u.GetManagedFields() {
		if m.FieldsV1 != nil && strings.Contains(string(m.FieldsV1.Raw), `"f:imagePullSecrets"`) {
			names = append(names, m.Manager)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "nobody"
}
