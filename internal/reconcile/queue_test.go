package reconcile

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestARetryOfWhatIsUrgentIsUrgent for the first few tries; after them it waits for its turn like everybody.
func TestARetryOfWhatIsUrgentIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		defer q.ShutDown()
		q.AddUrgent("new")
		for try := range earlyTries + 2 {
			q.Add("rolled-out")
			time.Sleep(retryMost)
			first, urgent, _ := q.Next()
			second, _, _ := q.Next()
			want := "new"
			if try > earlyTries {
				want = "rolled-out"
			}
			if first != want || urgent != (want == "new") {
				t.Errorf("try %d: %s came first, urgent is %t", try, first, urgent)
			}
			q.Done(first)
			q.Done(second)
			q.Retry("new", true)
		}
	})
}
