package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// contest tries an action as the controller does, with a write that takes no time: it waits as long as it is told to.
// It returns the waits of the tries that were put off.
func contest(t *testing.T, f *fights, a plan.Action, tries int) (waits []time.Duration) {
	t.Helper()
	for range tries {
		var c *contested
		_, err := f.repair(kube.KeyOf("a", a), a, func() error { return nil })
		for errors.As(err, &c) {
			waits = append(waits, c.wait)
			time.Sleep(c.wait)
			_, err = f.repair(kube.KeyOf("a", a), a, func() error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return waits
}

func addNames(uid types.UID, names ...string) plan.Action {
	return plan.Action{
		Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: "ci", UID: uid, Reason: plan.NamesMissing,
		List: &plan.List{Names: names, Added: names, Ledger: names},
	}
}

func makeCopy(verb plan.Verb, reason plan.Reason) plan.Action {
	return plan.Action{Verb: verb, Kind: plan.KindSecret, Name: "reg", Reason: reason, Copy: &plan.Copy{}}
}

// recorded is how many records there are.
func (f *fights) recorded() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, all := range f.deeds {
		n += len(all)
	}
	for _, all := range f.objects {
		n += len(all)
	}
	return n
}

// TestANewAccountEachRunNeverWaits has a job make its account anew every two seconds, as a Helm hook does.
func TestANewAccountEachRunNeverWaits(t *testing.T) {
	for _, restores := range []bool{false, true} { // true: its manifest came from a cluster, with our ledger in it
		synctest.Test(t, func(t *testing.T) {
			c := newWriter()
			for run := range 50 {
				uid := types.UID(fmt.Sprintf("run-%d", run))
				a := addNames(uid, "hub", "ghcr")
				a.Restores = restores
				if waits := contest(t, c.fights, a, 1); len(waits) > 0 {
					t.Fatalf("run %d waits %v", run, waits)
				}
				if open := c.fights.open("a", time.Now()); len(open) > 0 {
					t.Fatalf("run %d is contested", run)
				}
				time.Sleep(2 * time.Second)
				c.accountEvent(event{old: &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "a", Name: "ci", UID: uid}}})
			}
			if n := c.fights.recorded(); n > 0 {
				t.Errorf("%d records are left of accounts that are gone", n)
			}
		})
	}
}

// TestANewAccountThatWasSeenLateNeverWaits has the events of its deletion come after the new one got its names.
func TestANewAccountThatWasSeenLateNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFights()
		for run := range 50 {
			if waits := contest(t, f, addNames(types.UID(fmt.Sprint(run)), "hub"), 1); len(waits) > 0 {
				t.Fatalf("run %d waits %v", run, waits)
			}
			if run > 0 {
				f.gone(kube.KeyOf("a", addNames("")), newObjectID(plan.KindServiceAccount, types.UID(fmt.Sprint(run-1))))
			}
		}
		if n := f.recorded(); n != 1 {
			t.Errorf("%d records, want that of the last account", n)
		}
	})
}

// TestWhatIsUndoneBacksOff has somebody undo each write at once.
func TestWhatIsUndoneBacksOff(t *testing.T) {
	want := []time.Duration{}
	for wait := time.Second; wait < fightMost; wait *= 2 {
		want = append(want, wait)
	}
	want = append(want, fightMost, fightMost)
	for _, c := range []struct {
		why string
		a   plan.Action
	}{
		{"the same account loses its name", addNames("one", "hub")},
		{"our copy is deleted, and made anew by us", makeCopy(plan.Create, plan.Missing)},
		{"a secret of somebody else is made anew, and taken over", makeCopy(plan.Update, plan.TakenOver)},
		{"the same, and the API forbids to update it", makeCopy(plan.Replace, plan.TypeChanged)},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFights()
				waits := contest(t, f, c.a, 1+freeRepairs+len(want))
				if !slices.Equal(waits, want) {
					t.Errorf("it waits %v, want %v", waits, want)
				}
				if open := f.open("a", time.Now()); len(open) != 1 {
					t.Errorf("%d fights are told, want 1", len(open))
				}
				other := c.a
				other.Name = "other"
				if waits := contest(t, f, other, 1); len(waits) > 0 {
					t.Errorf("another object waits %v", waits)
				}
			})
		})
	}
}

// TestAFightOverCopiesGoesOnUnderAnyUID has each secret that is in the way be a new object.
func TestAFightOverCopiesGoesOnUnderAnyUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFights()
		var waits []time.Duration
		for run := range 6 {
			a := makeCopy(plan.Update, plan.TakenOver)
			a.UID = types.UID(fmt.Sprint(run))
			waits = append(waits, contest(t, f, a, 1)...)
		}
		if want := []time.Duration{time.Second, 2 * time.Second}; !slices.Equal(waits, want) {
			t.Errorf("it waits %v, want %v", waits, want)
		}
	})
}

func TestAFightEnds(t *testing.T) {
	for _, c := range []struct {
		why string
		end func(f *fights)
	}{
		{"with its namespace", func(f *fights) { f.forget("a") }},
		{"when nobody undoes it for long", func(f *fights) {
			time.Sleep(fightOver + time.Minute)
			elsewhere := addNames("one", "hub")
			_, _ = f.repair(kube.Key{Kind: elsewhere.Kind, ObjectName: cache.ObjectName{Namespace: "b", Name: "ci"}}, elsewhere, func() error { return nil })
			f.forget("b")
		}},
		{"when we take it back ourselves", func(f *fights) {
			a := addNames("one")
			a.List.Removed = []string{"hub"}
			_, _ = f.repair(kube.KeyOf("a", a), a, func() error { return nil })
			time.Sleep(fightMost)
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFights()
				contest(t, f, addNames("one", "hub"), 8)
				c.end(f)
				if open := f.open("a", time.Now()); len(open) > 0 {
					t.Errorf("it is still told: %v", open[0])
				}
				if waits := contest(t, f, addNames("one", "hub"), 1); len(waits) > 0 {
					t.Errorf("it still waits %v", waits)
				}
			})
		})
	}
}
