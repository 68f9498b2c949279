package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestWorkersThatYieldRest while something is urgent, unless that waits, or a namespace holds up a worker.
func TestWorkersThatYieldRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, urgent, wake := rush{}, false, make(chan struct{}, 1)
		waits := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			if !r.rest(t.Context(), func() bool { return urgent }, wake) {
				t.Error("the context has not ended")
			}
			if waited := time.Since(began); waited != want {
				t.Errorf("it rested for %v, want %v", waited, want)
			}
		}
		waits(0)
		r.begin()
		time.Sleep(rushLasts / 2)
		r.begin()
		waits(rushLasts)
		waits(0)
		r.begin()
		r.slow.Add(1)
		waits(0)
		r.slow.Add(-1)
		urgent = true
		waits(0)
		urgent = false
		wake <- struct{}{}
		waits(rushLasts) // somebody else was faster
		r.begin()
		looked := false
		if !r.rest(t.Context(), func() bool {
			if !looked { // it comes just after this look
				wake <- struct{}{}
			}
			defer func() { looked = true }()
			return looked
		}, wake) || time.Until(*r.until.Load()) != rushLasts {
			t.Error("a call between the look and the rest was lost")
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if r.rest(ended, func() bool { return false }, wake) {
			t.Error("it works on after the end")
		}
	})
}

// TestWorkersThatYieldDoWhatIsUrgent, and nothing else.
func TestWorkersThatYieldDoWhatIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := largePolicy(t, 1)
		ins, haves := largeCluster(p, 1, 2, true)
		c := cached(p, ins, haves)
		c.active.Store(p)
		c.rush.begin()
		ctx, cancel := context.WithCancel(t.Context())
		go c.work(ctx, true)
		synctest.Wait()
		began := time.Now()
		c.enqueue(ins[0].Namespace.Name, false)
		c.enqueue(ins[1].Namespace.Name, true)
		synctest.Wait()
		if n := c.queue.Len(); n != 1 || c.queue.Urgent() || time.Since(began) > 0 {
			t.Errorf("%d wait, one of them urgent is %t, %v later; want only what is not urgent, at once", n, c.queue.Urgent(), time.Since(began))
		}
		c.queue.Retry(ins[1].Namespace.Name, true)
		time.Sleep(retryFirst)
		synctest.Wait()
		if n := c.queue.Len(); n != 1 || c.queue.Urgent() {
			t.Errorf("%d wait, one of them urgent is %t; want only what is not urgent: a retry is urgent too", n, c.queue.Urgent())
		}
		cancel()
		c.queue.ShutDown()
	})
}

// TestARollOutYields looks at a worker of each sort while a namespace waits and another one is new.
func TestARollOutYields(t *testing.T) {
	for _, yields := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := largePolicy(t, 1)
			ins, haves := largeCluster(p, 1, 1, true)
			c := cached(p, ins, haves)
			c.active.Store(p)
			c.queue.Add(ins[0].Namespace.Name)
			c.rush.begin()
			ctx, cancel := context.WithCancel(t.Context())
			go c.work(ctx, yields)
			synctest.Wait()
			if rests := c.queue.Len() == 1; rests != yields {
				t.Errorf("a worker that yields is %t: it rests is %t", yields, rests)
			}
			time.Sleep(rushLasts)
			synctest.Wait()
			if c.queue.Len() > 0 {
				t.Error("it still rests although nothing is urgent")
			}
			cancel()
			c.queue.ShutDown()
		})
	}
}

// TestWhatIsUrgent is a namespace or an account that comes while a policy is in force, not one that is read at the start.
func TestWhatIsUrgent(t *testing.T) {
	p := largePolicy(t, 1)
	ins, haves := largeCluster(p, 1, 1, true)
	namespace, account := ins[0].Namespace, &cluster.ServiceAccount{}
	for name, tt := range map[string]struct {
		happens func(c *Controller)
		urgent  bool
	}{
		"a new namespace":            {func(c *Controller) { c.namespaceEvent(event{new: namespace}) }, true},
		"a new account":              {func(c *Controller) { c.accountEvent(event{new: account}) }, true},
		"a namespace that was there": {func(c *Controller) { c.namespaceEvent(event{new: namespace, initial: true}) }, false},
		"a namespace that goes":      {func(c *Controller) { c.namespaceEvent(event{old: namespace}) }, false},
		"an account that changes":    {func(c *Controller) { c.accountEvent(event{old: account, new: account}) }, false},
		"a roll-out":                 {func(c *Controller) { c.enqueueAll() }, false},
	} {
		c := cached(p, ins, haves)
		c.active.Store(p)
		tt.happens(c)
		if urgent := c.rush.until.Load() != nil; urgent != tt.urgent {
			t.Errorf("%s: urgent is %t", name, urgent)
		}
	}
}
