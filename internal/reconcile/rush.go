package reconcile

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// steadyWorkers are those that work at any time. All others make a roll-out faster (docs/performance.md), but with
	// more requests on their way each takes longer, also that of a new namespace: while something is urgent, they rest.
	// One that waits for work already does one more.
	steadyWorkers = 16
	// rushLasts is longer than the cluster takes to make the default account of a new namespace, which is the next thing
	// that is urgent.
	rushLasts = 250 * time.Millisecond
)

// rush is the time in which something is urgent: from when it was noticed until nothing was for a while.
type rush struct {
	until atomic.Pointer[time.Time] // nil: nothing ever was
	slow  atomic.Int32              // workers that a namespace holds up; then nobody rests, or what is urgent has to wait for those
}

func (r *rush) begin() {
	until := time.Now().Add(rushLasts)
	r.until.Store(&until)
}

// pass waits until nothing is urgent, or every hand is needed, and returns false if ctx ended before.
func (r *rush) pass(ctx context.Context) bool {
	for {
		until := r.until.Load()
		if until == nil || time.Until(*until) <= 0 || r.slow.Load() > 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(*until)):
		}
	}
}
