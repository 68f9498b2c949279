package prune

import (
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

func copies(n int) plan.Count { return plan.Count{Copies: n} }

func TestWhatIsTooMuchAtOnce(t *testing.T) {
	for _, c := range []struct {
		why       string
		percent   int
		gone, all plan.Count
		want      bool
	}{
		{"a few may always go", 50, copies(10), copies(10), false},
		{"one more may not", 50, copies(11), copies(11), true},
		{"half of many", 50, copies(100), copies(200), false},
		{"more than half", 50, copies(101), copies(200), true},
		{"references count by themselves", 50, plan.Count{Copies: 1, References: 101}, plan.Count{Copies: 1000, References: 200}, true},
		{"none at all", 0, copies(11), copies(100_000), true},
		{"100 percent holds nothing", 100, copies(100_000), copies(100_000), false},
	} {
		if got := NewLimit(c.percent).TooMany(c.gone, c.all); got != c.want {
			t.Errorf("%s: too many is %t", c.why, got)
		}
	}
}

// TestRemovalsCountWithinAWindow has namespaces lose their copies one after another.
func TestRemovalsCountWithinAWindow(t *testing.T) {
	l, now := NewLimit(50), time.Unix(0, 0)
	for _, namespace := range []string{"a", "b", "c"} {
		l.Seen(namespace, copies(20))
	}
	lose := func(namespace string, at time.Duration, want bool) {
		t.Helper()
		if got := l.Allow(copies(20), now.Add(at)); got != want || l.Held() == want {
			t.Errorf("%s after %s: allowed is %t, held is %t", namespace, at, got, l.Held())
		}
		if want {
			l.Seen(namespace, plan.Count{})
		}
	}
	lose("a", 0, true)
	lose("b", 30*time.Second, false) // 40 of 60 within a minute
	l.Accept()
	lose("b", 2*time.Minute, true) // the first is long ago, and this is 20 of 40
	lose("c", 2*time.Minute, false)
	l.Release() // the user confirmed, so all begins anew
	if n := l.Counted(now.Add(2 * time.Minute)); l.Held() || n != (plan.Count{}) {
		t.Errorf("held is %t, %+v count", l.Held(), n)
	}
}

func TestWhatWasNotRemovedDoesNotCount(t *testing.T) {
	l, now := NewLimit(50), time.Unix(0, 0)
	l.Seen("a", copies(100))
	for try := range 20 {
		at := now.Add(time.Duration(try) * time.Second)
		if !l.Allow(copies(30), at) {
			t.Fatalf("try %d is held", try)
		}
		l.Return(copies(30), at)
	}
	if n := l.Counted(now.Add(20 * time.Second)); n != (plan.Count{}) {
		t.Errorf("%+v count, and nothing was removed", n)
	}
	l.Return(copies(1), now) // of what nobody asked for there is nothing to take back
	if !l.Allow(copies(30), now) || l.Counted(now) != copies(30) {
		t.Errorf("%+v count", l.Counted(now))
	}
}

func TestConfirmed(t *testing.T) {
	with := func(value string) *cluster.ConfigMap {
		return &cluster.ConfigMap{Annotations: map[string]string{cluster.AnnotationConfirmPrune: value}}
	}
	for _, c := range []struct {
		why        string
		cm         *cluster.ConfigMap
		hash, used string
		want       bool
	}{
		{"the text that is there", with("sha256:1"), "sha256:1", "", true},
		{"another text", with("sha256:1"), "sha256:2", "", false},
		{"it was used up", with("sha256:1"), "sha256:1", "sha256:1", false},
		{"an earlier one was used up", with("sha256:2"), "sha256:2", "sha256:1", true},
		{"nothing was evaluated", with(""), "", "", false},
		{"there is no ConfigMap", nil, "sha256:1", "", false},
	} {
		if got := Confirmed(c.cm, c.hash, c.used); got != c.want {
			t.Errorf("%s: %t", c.why, got)
		}
	}
}
