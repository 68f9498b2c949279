// Package queue hands namespaces that have to be decided to workers, what is urgent first.
package queue

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 30 * time.Second
	// earlyTries take about two seconds: longer than the API server takes to see that a parameter went.
	earlyTries = 6

	// bulkSlots is how many slots a roll-out may use while something is urgent. More slots make a roll-out faster
	// (docs/performance-log.md), but the API server then answers each request later, also those for a new namespace. Where
	// there are few slots, its turns while something urgent waits leave half of them: one that hangs has its slot for slotTime.
	bulkSlots = 8
	// urgentWindow is how long something counts as urgent after it came: longer than the cluster takes to make the default
	// account of a new namespace, which is the next thing that is urgent.
	urgentWindow = 250 * time.Millisecond
	// slotTime is how long a namespace may take before it gives its slot back. Its writes probably hang, for example in an
	// admission webhook that does not answer; as many such namespaces as there are slots would otherwise stop all others.
	slotTime = time.Second
	// overflowFactor bounds how many are worked on without a slot, per slot, and mostOverflow all of them, unless there are more
	// slots than that.
	overflowFactor, mostOverflow = 4, 64
)

// Queue is the work queue of namespaces, and hands them out. One that is new, or has a new service account, or lost a copy, goes
// before those that only wait for a roll-out: there a pod may be about to start. The others have an eighth of the turns all the same.
type Queue struct {
	workqueue.TypedRateLimitingInterface[string]
	lanes *lanes
	slots int

	changed chan struct{} // a slot is free, or something urgent waits

	mu      sync.Mutex
	working int       // namespaces that are worked on
	slow    int       // those of them that take longer than slotTime
	bulk    int       // the others, if they are not urgent
	urgent  time.Time // when the window ends
}

// New returns an empty queue that hands out as many namespaces at a time as there are workers.
func New(workers int) *Queue {
	q := &Queue{slots: workers, changed: make(chan struct{}, 1)}
	q.lanes = newLanes(q.wake)
	q.TypedRateLimitingInterface = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost),
		workqueue.TypedRateLimitingQueueConfig[string]{
			DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{
				Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Queue: q.lanes}),
			}),
		})
	return q
}

// AddUrgent adds a namespace before all that are not urgent.
func (q *Queue) AddUrgent(namespace string) {
	q.mu.Lock()
	q.urgent = later(q.urgent, time.Now().Add(urgentWindow))
	q.mu.Unlock()
	q.lanes.mark(namespace)
	q.Add(namespace)
}

// AddUrgentAfter is AddUrgent in a while, for what is about to become urgent. If it is added before that, it is worked on then.
func (q *Queue) AddUrgentAfter(namespace string, pause time.Duration) {
	q.mu.Lock()
	q.urgent = later(q.urgent, time.Now().Add(pause+urgentWindow))
	q.mu.Unlock()
	q.lanes.mark(namespace)
	q.AddAfter(namespace, pause)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Early reports whether a namespace was tried only a few times since it succeeded last.
func (q *Queue) Early(namespace string) bool { return q.NumRequeues(namespace) < earlyTries }

// Run hands out namespaces until ctx ends or the queue is shut down, and returns when all are done. reconcile is called for
// one namespace at a time by one goroutine only; again is when to hand it out again although nothing failed, 0 for never.
func (q *Queue) Run(ctx context.Context, reconcile func(ctx context.Context, namespace string, urgent bool) (again time.Duration, err error)) {
	var running sync.WaitGroup
	defer running.Wait()
	work := make(chan handedOut)
	defer close(work)
	for q.waitForTurn(ctx) {
		namespace, shutdown := q.Get()
		if shutdown {
			return
		}
		next := handedOut{namespace, q.take(q.lanes.wasUrgent(namespace))}
		select {
		case work <- next: // a worker has nothing to do
		default:
			running.Go(func() {
				for ok := true; ok; next, ok = <-work {
					q.handle(ctx, next, reconcile)
				}
			})
		}
	}
}

// handedOut is a namespace on its way to a worker.
type handedOut struct {
	namespace string
	slot      *slot
}

func (q *Queue) handle(ctx context.Context, next handedOut, reconcile func(ctx context.Context, namespace string, urgent bool) (again time.Duration, err error)) {
	defer next.slot.release()
	defer q.Done(next.namespace)
	again, err := reconcile(ctx, next.namespace, next.slot.urgent)
	q.settle(next.namespace, next.slot.urgent, again, err)
}

// settle has a namespace handed out again, where that is to be. One that failed and was urgent is urgent again for the first
// few tries.
func (q *Queue) settle(namespace string, urgent bool, again time.Duration, err error) {
	if err == nil {
		q.Forget(namespace)
	} else {
		if urgent && q.Early(namespace) {
			q.lanes.mark(namespace)
		}
		q.AddRateLimited(namespace)
	}
	if again > 0 {
		q.AddAfter(namespace, again)
	}
}

// waitForTurn waits until the next namespace may be handed out. It returns false when ctx ended.
func (q *Queue) waitForTurn(ctx context.Context) bool {
	for ctx.Err() == nil {
		wait, ok := q.turn(time.Now())
		if ok {
			return true
		}
		var window <-chan time.Time
		if wait > 0 {
			window = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-q.changed:
		case <-window:
		}
	}
	return false
}

// turn reports whether the next namespace may be handed out, or how long at most until then; 0 is until something changes.
func (q *Queue) turn(now time.Time) (wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lanes.fill(q.bulk >= min(bulkSlots, (q.slots+1)/2))
	switch window := q.urgent.Sub(now); {
	case q.working-min(q.slow, q.mostWithout()) >= q.slots:
		return 0, false
	case q.bulk < bulkSlots, window <= 0, q.lanes.urgentWaits():
		return 0, true
	default:
		return window, false
	}
}

// mostWithout is how many may be worked on without a slot.
func (q *Queue) mostWithout() int { return min(overflowFactor*q.slots, max(mostOverflow, q.slots)) }

func (q *Queue) wake() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// slot is held by a namespace that is worked on, until that takes long.
type slot struct {
	q     *Queue
	timer *time.Timer

	urgent, slow, ended bool // the last two under the queue's lock
}

func (q *Queue) take(urgent bool) *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &slot{q: q, urgent: urgent}
	q.working++
	q.bulk += s.bulk()
	s.timer = time.AfterFunc(slotTime, s.giveBack)
	return s
}

// bulk is what the slot counts for in Queue.bulk.
func (s *slot) bulk() int {
	if s.urgent || s.slow {
		return 0
	}
	return 1
}

// giveBack gives the slot of a namespace back that takes long; see mostWithout.
func (s *slot) giveBack() {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.ended {
		return
	}
	q.bulk -= s.bulk()
	s.slow = true
	q.slow++
	q.wake()
}

// release ends the work on a namespace.
func (s *slot) release() {
	s.timer.Stop()
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	s.ended = true
	q.working--
	q.bulk -= s.bulk()
	if s.slow {
		q.slow--
	}
	q.wake()
}
