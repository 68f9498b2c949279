package report

import "time"

// Waits notes that there is work in a namespace.
func (r *Reporter) Waits(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setUnsynced(namespace, true)
}

func (r *Reporter) setUnsynced(namespace string, unsynced bool) {
	if !unsynced {
		r.unsynced.Delete(namespace)
	} else if !r.unsynced.Has(namespace) {
		r.unsynced.Set(namespace, time.Now())
	}
}

// OldestUnsynced is how long the namespace that waits longest has work that failed or was not done yet; 0 when there is none.
func (r *Reporter) OldestUnsynced(now time.Time) (oldest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, since := range r.unsynced.All() {
		oldest = max(oldest, now.Sub(since))
	}
	return oldest
}
