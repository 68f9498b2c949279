package admission

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWhatFailsIsTriedMoreSeldom as long as nothing changes.
func TestWhatFailsIsTriedMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r retry
		if _, ok := r.pending(); ok {
			t.Error("nothing failed, and it is to be tried again")
		}
		for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, longestPause, longestPause} {
			if got := r.failed(); got != want {
				t.Errorf("the pause is %s, want %s", got, want)
			}
			if wait, ok := r.pending(); !ok || wait != want {
				t.Errorf("to be tried again: %v, after %s, want %s", ok, wait, want)
			}
			time.Sleep(want)
			if wait, ok := r.pending(); !ok || wait != 0 {
				t.Errorf("after the pause, to be tried again: %v, after %s", ok, wait)
			}
		}
	})
}
