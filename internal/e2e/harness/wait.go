package harness

import (
	"testing"
	"time"
)

// Patient is how long a condition may take before it counts as never.
const Patient = 30 * time.Second

// Eventually waits for a condition. It is the only thing that waits.
func Eventually(t *testing.T, within time.Duration, what string, condition func() error) {
	t.Helper()
	var err error
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); <-tick.C {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %s: %v", within, what, err)
}

// Eventually waits for a condition as long as the cluster's tests are patient.
func (c *Cluster) Eventually(what string, condition func() error) {
	c.T.Helper()
	Eventually(c.T, c.Patience, what, condition)
}

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
