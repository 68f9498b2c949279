package queue

import (
	"sync"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/draining"
)

// lanes is a workqueue.Queue of two first-in first-out lanes. The workqueue calls its methods one at a time, but
// for mark, which callers use before they add.
type lanes struct {
	mu            sync.Mutex
	urgent        map[string]bool         // marked, not yet in a lane
	in            draining.Map[*[]string] // the lane that each waiting item is served from
	served        map[string]bool         // came from the first lane, nobody asked yet
	first, second []string                // second may still hold items that were moved to first
	inARow        int                     // how many were taken from the first lane while others waited
	full          bool                    // the second lane has all the slots that it may have while something is urgent
	wake          func()                  // something entered the first lane
}

// mostInARow is how many items the first lane is served in a row while others wait: without an end to it, who comes in a storm
// of new namespaces would hold up everybody else for as long as that lasts.
const mostInARow = 7

func newLanes(wake func()) *lanes {
	return &lanes{wake: wake, urgent: map[string]bool{}, served: map[string]bool{}}
}

// mark has the item that is added next go to the first lane.
func (l *lanes) mark(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urgent[item] = true
}

// Touch is told of an item that waits already and was added again.
func (l *lanes) Touch(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.urgent[item] && l.serves(&l.second, item) {
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
	l.in.Set(item, lane)
	*lane = append(*lane, item)
	if lane == &l.first {
		l.wake()
	}
}

// Len is the number of items that wait.
func (l *lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.in.Len()
}

// Pop takes the next item; the workqueue calls it only when there is one.
func (l *lanes) Pop() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.next()
	for {
		item := (*lane)[0]
		*lane = (*lane)[1:]
		if l.serves(lane, item) {
			l.in.Delete(item)
			if lane == &l.first {
				l.served[item] = true
			}
			return item
		}
	}
}

// serves reports whether an item waits, and is served from a lane.
func (l *lanes) serves(lane *[]string, item string) bool {
	from, waits := l.in.Get(item)
	return waits && from == lane
}

// next is the lane that is served now: the first one, and the second where that is empty, or was served long enough.
func (l *lanes) next() *[]string {
	for len(l.second) > 0 && !l.serves(&l.second, l.second[0]) {
		l.second = l.second[1:] // it was moved
	}
	switch {
	case len(l.second) == 0:
		l.inARow = 0
		return &l.first
	case len(l.first) == 0, l.inARow >= mostInARow && !l.full:
		l.inARow = 0
		return &l.second
	default:
		l.inARow++
		return &l.first
	}
}

// fill says whether the second lane has all the slots that it may have while something is urgent.
func (l *lanes) fill(full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = full
}

// wasUrgent reports once whether an item that was popped was urgent.
func (l *lanes) wasUrgent(item string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.served[item]
	delete(l.served, item)
	return was
}

// urgentWaits reports whether something urgent waits.
func (l *lanes) urgentWaits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.first) > 0
}
