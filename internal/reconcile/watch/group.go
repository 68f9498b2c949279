package watch

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// Options hold for all informers of a process. The functions are called from many goroutines.
type Options struct {
	Client    dynamic.Interface
	ListEvery time.Duration // how often to list what may not be watched; 0 for never, then it counts as forbidden
	ListOnly  bool          // watch nothing, list every ListEvery

	OnState      func()            // an informer became settled, or forbidden
	OnListing    func(kube.Target) // it may be listed, but not watched
	OnPlainLists func(kube.Target) // from now on all are listed and then watched
	// Unobserved returns what this process wrote and no cache has shown yet.
	Unobserved func(kube.Target) []cluster.Object
}

// Group makes informers. They begin with the group, so that what they report to can be made first.
type Group struct {
	Options
	lists   watchLists
	running sync.WaitGroup

	mu      sync.Mutex
	ctx     context.Context // that all end with; nil before Start
	waiting []*Informer     // for Start
}

// NewGroup returns a group without informers.
func NewGroup(options Options) *Group {
	g := &Group{Options: options}
	g.lists.lost = options.OnPlainLists
	return g
}

// Add makes an informer. It begins at once if the group was started.
func (g *Group) Add(spec Spec) *Informer {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := &Informer{Spec: spec, group: g, stop: func() {}}
	if g.ctx == nil {
		g.waiting = append(g.waiting, one)
	} else {
		g.begin(one)
	}
	return one
}

// Start begins all informers. They end with ctx.
func (g *Group) Start(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ctx = ctx
	for _, one := range g.waiting {
		g.begin(one)
	}
	g.waiting = nil
}

func (g *Group) begin(one *Informer) {
	ctx, cancel := context.WithCancel(g.ctx)
	one.mu.Lock()
	one.since, one.stop = time.Now(), cancel
	one.mu.Unlock()
	g.running.Go(func() { one.run(ctx) })
}

// Wait waits until all informers ended, but no longer than patience: one that sleeps until it tries an API server again
// that did not answer sleeps on for up to half a minute, and does no harm.
func (g *Group) Wait(patience time.Duration) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(patience):
	}
}

// Stop ends the informer.
func (w *Informer) Stop() {
	w.mu.RLock()
	defer w.mu.RUnlock()
	w.stop()
}

// Filled returns an informer that is settled and never runs, over a store that the caller fills; nil is one that is forbidden.
// It is for tests.
func Filled(what kube.Target, store *Objects) *Informer {
	return &Informer{
		Spec: Spec{Target: what}, group: NewGroup(Options{}), store: store, synced: store != nil, denied: store == nil, stop: func() {},
	}
}
