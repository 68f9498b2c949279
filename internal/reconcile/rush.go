package reconcile

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// steadyWorkers are those that work at any time. All others make a roll-out faster (docs/performance.md), but with
	// more requests on their way each takes longer, also that of a new namespace: while something is urgent, they do
	// only that. One that waits for work already does one more, and so may one that is called and comes too late.
	steadyWorkers = 8
	// rushLasts is longer than the cluster takes to make the default account of a new namespace, which is the next thing
	// that is urgent.
	rushLasts = 250 * time.Millisecond
)

// rush is the time in which something is urgent: from when it was noticed until nothing was for a while.
type rush struct {
	until atomic.Pointer[time.Time] // nil: nothing ever was
	slow  atomic.Int32              // workers that a namespace holds up; then nobody begins to rest, or the roll-out would wait for those
}

func (r *rush) begin() {
	until := time.Now().Add(rushLasts)
	r.until.Store(&until)
}

// rest waits until something urgent waits, nothing is urgent any more, or every hand is needed. wake has it look whether
// something urgent does. It returns false if ctx ended before.
func (r *rush) rest(ctx context.Context, urgent func() bool, wake <-chan struct{}) bool {
	for {
		until := r.until.Load()
		if until == nil || time.Until(*until) <= 0 || r.slow.Load() > 0 || urgent() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-wake:
		case <-time.After(time.Until(*until)):
		}
	}
}
