package apply

import "time"

const (
	// FreeRepairs is how many repairs of one object are made at once.
	FreeRepairs = 3
	firstPause  = time.Second     // how long the next one waits; twice as long each time
	longest     = 5 * time.Minute // and this long at most
	over        = 2 * longest     // without a repair nobody contends any more
)

// pause is how long the next try waits after the nth that was to be spaced, the first of which is the 0th. client-go's
// flowcontrol.Backoff spaces in the same way, but does not tell how long is left, after which the namespace is tried again.
func pause(n int) time.Duration {
	switch {
	case n < 0:
		return 0
	case n < 16:
		return min(longest, firstPause<<n)
	}
	return longest
}

// Backoff spaces the repairs of one thing that somebody reverts: the first FreeRepairs are made at once, the next ones ever
// more seldom. The zero value is that nothing was repaired.
type Backoff struct {
	repairs int
	last    time.Time
}

// Wait is how long the next repair has to wait; 0 is not at all.
func (b *Backoff) Wait(now time.Time) time.Duration {
	return max(0, b.last.Add(pause(b.repairs-FreeRepairs)).Sub(now))
}

// Repaired counts a repair, and returns how many there were without a long pause between them.
func (b *Backoff) Repaired(now time.Time) int {
	if b.Over(now) {
		b.repairs = 0
	}
	b.repairs++
	b.last = now
	return b.repairs
}

// Over reports whether the last repair stands for so long that nobody contends any more.
func (b *Backoff) Over(now time.Time) bool { return now.Sub(b.last) > over }
