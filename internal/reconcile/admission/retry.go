package admission

import "time"

// longestPause is how long the next try waits at most.
const longestPause = 30 * time.Second

// retry is when something that failed is tried again, though nothing changed: ever more seldom, as a permission may be
// missing for long. The zero value is that nothing failed.
type retry struct {
	at   time.Time
	wait time.Duration
}

// failed returns how long to wait.
func (r *retry) failed() time.Duration {
	r.wait = min(max(2*r.wait, writeAgain), longestPause)
	r.at = time.Now().Add(r.wait)
	return r.wait
}

// pending returns whether there is something to try again, and how long to wait until then.
func (r *retry) pending() (wait time.Duration, ok bool) {
	return max(time.Until(r.at), 0), r.wait > 0
}
