package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// laggard is one copy in an API server, with a cache that is behind it and handlers that are behind the cache.
type laggard struct {
	*OwnWrites
	r       *rand.Rand
	history []cluster.Object // what there was at each version; nil for nothing
	cached  int              // the version that the cache is at
	events  []watch.Event    // that were not handled yet
	ours    int              // the version that we wrote last
	listed  bool             // not all was told as a watch does, change by change
	log     []string
}

func (l *laggard) live() cluster.Object { return l.history[len(l.history)-1] }

// commit has the API server make the next version: an update, or a new object where there is none.
func (l *laggard) commit(remove bool) (o cluster.Object) {
	at := fmt.Sprint(len(l.history))
	switch live := l.live(); {
	case live == nil:
		o = version(types.UID("u"+at), at)
	case !remove:
		o = version(live.GetUID(), at)
	}
	l.history = append(l.history, o)
	return o
}

// follow brings the cache to a version: step by step as by a watch, or at once as by a list.
func (l *laggard) follow(to int) {
	before, after := l.history[l.cached], l.history[to]
	if l.cached = to; after == nil && before != nil && to > 0 {
		before = version(before.GetUID(), fmt.Sprint(to)) // the event of a deletion has its version
	}
	if before != nil || after != nil {
		l.events = append(l.events, watch.Event{Old: before, New: after})
	}
}

func (l *laggard) handle() {
	l.Observe(plan.KindSecret, l.events[0])
	l.events = l.events[1:]
}

// meanwhile is what others and the informer do.
func (l *laggard) meanwhile() {
	for range l.r.IntN(6) {
		switch n := l.r.IntN(8); {
		case n == 0:
			l.commit(l.r.IntN(2) == 0)
			l.log = append(l.log, "others")
		case n < 4 && l.cached < len(l.history)-1:
			l.follow(l.cached + 1)
			l.log = append(l.log, "a watch")
		case n == 4 && l.cached < len(l.history)-1:
			l.follow(len(l.history) - 1)
			l.listed = true
			l.log = append(l.log, "a list")
		case n > 4 && len(l.events) > 0:
			l.handle()
			l.log = append(l.log, "handled")
		}
	}
}

// view is what is decided on, as Cluster.Copies has it.
func (l *laggard) view() cluster.Object {
	cached := l.history[l.cached]
	if l.NoneIn("a") {
		return cached
	}
	return l.Latest(plan.KindSecret, regcred, cached, fmt.Sprint(l.cached))
}

// same reports whether two are the same version, or both nothing.
func same(a, b cluster.Object) bool {
	return a == nil && b == nil || a != nil && b != nil && a.GetResourceVersion() == b.GetResourceVersion()
}

// write writes or deletes the copy as it is taken to be. The API server refuses that where it is another.
func (l *laggard) write() {
	decided, stale := l.view(), apierrors.NewConflict(kube.Secrets.GroupResource(), regcred.Name, nil)
	request := func(remove bool) (o cluster.Object, err error) {
		l.meanwhile()
		if !same(decided, l.live()) {
			l.ours = 0 // what was known is given up
			return nil, stale
		}
		o = l.commit(remove)
		l.ours = len(l.history) - 1
		l.meanwhile()
		return o, nil
	}
	if decided != nil && l.r.IntN(2) == 0 {
		l.log = append(l.log, "we delete")
		_ = l.Delete(plan.KindSecret, decided, func() error {
			_, err := request(true)
			return err
		})
	} else {
		l.log = append(l.log, "we write")
		_ = l.Do(plan.KindSecret, regcred, func() (cluster.Object, error) { return request(false) })
	}
	l.log = append(l.log, "answered")
}

// TestWhatWeWroteIsNeverForgottenTooEarly however far caches and handlers are behind: what is decided on is never older than what
// we wrote last, and nothing is left to remember once a watch has told it all.
func TestWhatWeWroteIsNeverForgottenTooEarly(t *testing.T) {
	for seed := range uint64(20000) {
		l := &laggard{OwnWrites: NewOwnWrites(), r: rand.New(rand.NewPCG(seed, 0)), history: []cluster.Object{nil}}
		for range 6 {
			l.meanwhile()
			l.write()
			for range 3 {
				if wrote, seen := l.history[l.ours], l.view(); l.cached < l.ours && !same(wrote, seen) {
					t.Fatalf("seed %d: we wrote %v, and decide on %v\n%q", seed, wrote, seen, l.log)
				}
				l.meanwhile()
			}
		}
		for l.cached < len(l.history)-1 {
			l.follow(l.cached + 1)
		}
		for len(l.events) > 0 {
			l.handle()
		}
		l.Latest(plan.KindSecret, regcred, l.live(), fmt.Sprint(l.cached))
		if !l.listed && !l.NoneIn("a") {
			t.Fatalf("seed %d: something is left that was shown\n%q", seed, l.log)
		}
	}
}
