package reconcile

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 30 * time.Second
)

// queue is the work queue of namespaces. One that is new, or has a new service account, goes before those that
// only wait for a roll-out: there a pod may be about to start.
type queue struct {
	workqueue.TypedRateLimitingInterface[string]
	urgent *lanes
}

// newQueue returns an empty queue for a number of workers.
func newQueue(workers int) *queue {
	l := &lanes{wake: make(chan struct{}, workers), urgent: map[string]bool{}, in: map[string]*[]string{}, served: map[string]bool{}}
	return &queue{
		TypedRateLimitingInterface: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost),
			workqueue.TypedRateLimitingQueueConfig[string]{
				DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{
					Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Queue: l}),
				}),
			}),
		urgent: l,
	}
}

// AddUrgent adds a namespace before all that are not urgent.
func (q *queue) AddUrgent(namespace string) {
	q.urgent.mark(namespace)
	q.Add(namespace)
}

// Next waits for the next namespace.
func (q *queue) Next() (namespace string, urgent, shutdown bool) {
	namespace, shutdown = q.Get()
	return namespace, q.urgent.wasUrgent(namespace), shutdown
}

// Retry adds a namespace that failed again, later each time. One that was urgent is urgent again for the first few.
func (q *queue) Retry(namespace string, urgent bool) {
	if urgent && q.NumRequeues(namespace) < earlyTries {
		q.urgent.mark(namespace)
	}
	q.AddRateLimited(namespace)
}

// Urgent reports whether something urgent waits.
func (q *queue) Urgent() bool {
	q.urgent.mu.Lock()
	defer q.urgent.mu.Unlock()
	return len(q.urgent.first) > 0
}

// lanes is a workqueue.Queue of two first-in first-out lanes. The workqueue calls its methods one at a time, but
// for mark, which callers use before they add.
type lanes struct {
	mu            sync.Mutex
	urgent        map[string]bool      // marked, not yet in a lane
	in            map[string]*[]string // the lane that each waiting item is served from
	served        map[string]bool      // came from the first lane, nobody asked yet
	first, second []string             // second may still hold items that were moved to first
	wake          chan struct{}        // calls a worker that rests to what entered the first lane; see rush
}

func (l *lanes) mark(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urgent[item] = true
}

// Touch is told of an item that waits already and was added again.
func (l *lanes) Touch(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.urgent[item] && l.in[item] == &l.second {
		l.enter(item, &l.first)
	}
	delete(l.urgent, item)
}

// Push adds an item.
func (l *lanes) Push(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := &l.second
	if l.urgent[item] {
		lane = &l.first
	}
	delete(l.urgent, item)
	l.enter(item, lane)
}

func (l *lanes) enter(item string, lane *[]string) {
	l.in[item] = lane
	*lane = append(*lane, item)
	if lane == &l.first {
		select {
		case l.wake <- struct{}{}:
		default: // as many as there are workers are called already
		}
	}
}

// Len is the number of items that wait.
func (l *lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.in)
}

// Pop takes the next item; the workqueue calls it only when there is one.
func (l *lanes) Pop() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := &l.first
	if len(l.first) == 0 {
		lane = &l.second
	}
	for {
		item := (*lane)[0]
		*lane = (*lane)[1:]
		if l.in[item] == lane {
			delete(l.in, item)
			if lane == &l.first {
				l.served[item] = true
			}
			return item
		}
	}
}

// wasUrgent reports once whether an item that was popped was urgent.
func (l *lanes) wasUrgent(item string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.served[item]
	delete(l.served, item)
	return was
}
