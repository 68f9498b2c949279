package soak

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	length = flag.Duration("soak", 0, "how long to soak; 0 is not at all")
	seed   = flag.Uint64("seed", 0, "the seed of the operations; 0 is a random one")
)

// TestSoak soaks for as long as -soak says, but a round at least, and stops at the first difference.
func TestSoak(t *testing.T) {
	if *length == 0 {
		t.Skip("takes long: run make soak")
	}
	if *length < 0 {
		t.Fatalf("-soak %s is no length", *length)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000)
	}
	t.Logf("seed %d, for %s", *seed, *length)
	s := start(t, *seed)
	for end, number := time.Now().Add(*length), 0; number == 0 || time.Now().Before(end); number++ {
		next := s.round
		if number == 0 {
			next = s.settle
		}
		differences, err := next(t.Context(), number)
		if err != nil || len(differences) > 0 {
			t.Fatal(s.failure(number, differences, err))
		}
		t.Log(s.progress(number))
	}
	t.Log(s.figures())
}
