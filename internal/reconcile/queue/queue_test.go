package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hands runs a queue of some slots whose namespaces hang until they are let go.
type hands struct {
	*Queue
	mu   sync.Mutex
	on   map[string]chan error
	done func()
}

func newHands(t *testing.T, slots int) *hands {
	h := &hands{Queue: New(slots), on: map[string]chan error{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Run(ctx, func(ctx context.Context, namespace string, _ bool) (time.Duration, error) {
			end := make(chan error, 1)
			h.mu.Lock()
			h.on[namespace] = end
			h.mu.Unlock()
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case err := <-end:
				return 0, err
			}
		})
	}()
	h.done = func() {
		cancel()
		h.ShutDown()
		<-ended
	}
	return h
}

// working returns how many namespaces are worked on.
func (h *hands) working() int {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.on)
}

// end ends the work on a namespace that is worked on.
func (h *hands) end(namespace string, err error) {
	h.mu.Lock()
	end := h.on[namespace]
	delete(h.on, namespace)
	h.mu.Unlock()
	end <- err
	synctest.Wait()
}

func (h *hands) addBulk(n int) {
	for i := range n {
		h.Add(fmt.Sprintf("bulk-%02d", i))
	}
}

func (h *hands) want(t *testing.T, why string, n int) {
	t.Helper()
	if got := h.working(); got != n {
		t.Errorf("%s: %d are worked on, want %d", why, got, n)
	}
}

// TestARollOutLeavesSlotsToWhatIsUrgent for as long as something is.
func TestARollOutLeavesSlotsToWhatIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHands(t, 20)
		defer h.done()
		h.AddUrgent("new")
		h.want(t, "nothing else waits", 1)
		h.addBulk(30)
		h.want(t, "while it is urgent", bulkSlots+1)
		h.AddUrgent("newer")
		h.want(t, "what is urgent waits for nobody", bulkSlots+2)
		h.end("newer", nil)
		h.want(t, "its slot is not for bulk", bulkSlots+1)
		time.Sleep(urgentWindow)
		h.want(t, "nothing is urgent any more", 20)
		h.AddUrgent("newest")
		h.want(t, "all slots are taken", 20)
		h.end("bulk-00", nil)
		h.want(t, "the first free slot is for it", 20)
		if h.Len() != 33-2-20 {
			t.Errorf("%d wait", h.Len())
		}
	})
}

// TestANamespaceThatHangsGivesItsSlotBack up to a bound.
func TestANamespaceThatHangsGivesItsSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHands(t, 2)
		defer h.done()
		h.addBulk(30)
		for round := range 8 {
			h.want(t, fmt.Sprintf("after %d seconds", round), min(2+2*round, 2+overflowFactor*2))
			time.Sleep(slotTime)
		}
		for _, ends := range []string{"bulk-00", "bulk-09", "bulk-10"} {
			h.end(ends, nil)
			h.want(t, "for each that ends, another one begins", 2+overflowFactor*2)
		}
	})
}

// TestWhatIsUrgentLeavesSlotsToARollOut however much of it there is, as long as not all slots are taken.
func TestWhatIsUrgentLeavesSlotsToARollOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHands(t, 20)
		defer h.done()
		for i := range 30 {
			h.AddUrgent(fmt.Sprintf("new-%02d", i))
		}
		h.addBulk(30)
		h.want(t, "all slots are for what is urgent", 20)
		for i := range 12 {
			h.end(fmt.Sprintf("new-%02d", i), nil)
		}
		h.want(t, "two slots are free", 20)
		for i := range 6 {
			h.end(fmt.Sprintf("new-%02d", 12+i), nil)
		}
		h.want(t, "a roll-out takes its share", 12+bulkSlots)
		h.end("new-18", nil)
		h.want(t, "and no more", 11+bulkSlots)
	})
}

// TestAStormOfWhatIsUrgentDelaysNobodyForLong however long it lasts.
func TestAStormOfWhatIsUrgentDelaysNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHands(t, 4)
		defer h.done()
		for i := range 40 {
			h.AddUrgent(fmt.Sprintf("new-%02d", i))
		}
		h.Add("old")
		h.want(t, "all slots are taken", 4)
		ended := 0
		for ; ended < 30 && h.on["old"] == nil; ended++ {
			h.end(fmt.Sprintf("new-%02d", ended), nil)
		}
		if ended > mostInARow+1 {
			t.Errorf("what is not urgent came after %d others", ended)
		}
		if h.on["old"] == nil || h.Len() == 0 {
			t.Errorf("it came when nothing else waited")
		}
	})
}

// TestWhatHangsLeavesSlotsToAStorm though it has turns, and there are few slots.
func TestWhatHangsLeavesSlotsToAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHands(t, 4)
		defer h.done()
		for i := range 100 {
			h.AddUrgent(fmt.Sprintf("new-%02d", i))
		}
		h.addBulk(8)
		h.want(t, "all slots are taken", 4)
		for i := range 60 { // at once: what hangs has its slot
			if name := fmt.Sprintf("new-%02d", i); h.on[name] == nil {
				t.Fatalf("%s waits for what hangs: %v", name, slices.Sorted(maps.Keys(h.on)))
			}
			h.end(fmt.Sprintf("new-%02d", i), nil)
		}
		if h.on["bulk-00"] == nil || h.on["bulk-01"] == nil {
			t.Error("what is not urgent had no turn")
		}
	})
}

// TestARetryOfWhatIsUrgentIsUrgent for the first few tries; after them it waits for its turn like everybody.
func TestARetryOfWhatIsUrgentIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1)
		defer q.ShutDown()
		q.AddUrgent("new")
		for try := range earlyTries + 2 {
			q.Add("rolled-out")
			time.Sleep(retryMost)
			first, _ := q.Get()
			urgent := q.lanes.wasUrgent(first)
			second, _ := q.Get()
			want := "new"
			if try > earlyTries {
				want = "rolled-out"
			}
			if first != want || urgent != (want == "new") {
				t.Errorf("try %d: %s came first, urgent is %t", try, first, urgent)
			}
			q.Done(first)
			q.Done(second)
			q.settle("new", true, 0, errors.New("no"))
		}
	})
}

func TestWhatIsDoneIsHandedOutAgainWhenItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1)
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		began := time.Now()
		q.Add("a")
		q.Run(ctx, func(context.Context, string, bool) (time.Duration, error) {
			if at = append(at, time.Since(began)); len(at) == 3 {
				cancel()
				q.ShutDown()
			}
			return time.Minute, nil
		})
		if fmt.Sprint(at) != "[0s 1m0s 2m0s]" {
			t.Errorf("handed out after %v", at)
		}
	})
}

// TestWhatMovesToTheFirstLaneIsServedOnce and leaves its place in the second, also when that has its turn.
func TestWhatMovesToTheFirstLaneIsServedOnce(t *testing.T) {
	for _, c := range []struct{ there, moves, want string }{
		{"abc", "c", "cab"},
		{"abc", "a", "abc"},
		{"abc", "ba", "bac"},
		{"abc", "cba", "cba"},
		{"abcdefghijz", "abcdefghij", "abcdefgzhij"},
		{"zabcdefghijy", "abcdefghij", "abcdefgzhijy"},
	} {
		l := newLanes(func() {})
		for _, item := range c.there {
			l.Push(string(item))
		}
		for _, item := range c.moves {
			l.mark(string(item))
			l.Touch(string(item))
		}
		got := ""
		for left := len(c.there); left > 0; left-- {
			if l.Len() != left {
				t.Fatalf("%s, of which %s moved: %d are left after %q", c.there, c.moves, l.Len(), got)
			}
			got += l.Pop()
		}
		if got != c.want {
			t.Errorf("%s, of which %s moved: came as %s, want %s", c.there, c.moves, got, c.want)
		}
	}
}
