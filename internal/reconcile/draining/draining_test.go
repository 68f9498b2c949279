package draining

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestAMapIsOneOfGos after any setting and deleting, through many sizes.
func TestAMapIsOneOfGos(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var m Map[int]
		want := map[string]int{}
		for range 20 {
			deletes := random.IntN(10)
			for range 1000 {
				key := fmt.Sprint(random.IntN(5000))
				if random.IntN(10) < deletes {
					m.Delete(key)
					delete(want, key)
				} else {
					value := random.Int()
					m.Set(key, value)
					want[key] = value
				}
				got, ok := m.Get(key)
				if value, there := want[key]; got != value || ok != there || m.Has(key) != there || m.Len() != len(want) {
					t.Fatalf("seed %d: %s has %d, %t of %d, want %d, %t of %d", seed, key, got, ok, m.Len(), value, there, len(want))
				}
			}
			if !maps.Equal(maps.Collect(m.All()), want) {
				t.Fatalf("seed %d: it differs from Go's", seed)
			}
		}
	}
}

// TestAMapGivesMemoryBack while it empties, and not only at the end.
func TestAMapGivesMemoryBack(t *testing.T) {
	const all, left = 100_000, 1000
	var m Map[[8]int]
	for i := range all {
		m.Set(fmt.Sprint(i), [8]int{})
	}
	full := heap()
	for i := range all - left {
		m.Delete(fmt.Sprint(i))
	}
	if now := heap(); m.Len() != left || now > full/4 {
		t.Errorf("%d of %d keys are left, in %d of %d bytes", m.Len(), all, now, full)
	}
	runtime.KeepAlive(&m)
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
