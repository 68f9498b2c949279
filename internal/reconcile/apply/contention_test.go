package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// contest tries an action as the controller does, with a write that takes no time: it waits as long as it is told to.
// It returns the waits of the tries that were put off.
func contest(t *testing.T, f *contention, a plan.Action, tries int) (waits []time.Duration) {
	t.Helper()
	for range tries {
		var c *Contested
		_, err := f.repair(kube.KeyOf("a", a), a, func() error { return nil })
		for errors.As(err, &c) {
			waits = append(waits, c.Wait)
			time.Sleep(c.Wait)
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
func (f *contention) recorded() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, all := range f.history {
		n += len(all)
	}
	for _, all := range f.repaired {
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
				if waits := contest(t, c.contention, a, 1); len(waits) > 0 {
					t.Fatalf("run %d waits %v", run, waits)
				}
				if open := c.contention.open("a", time.Now()); len(open) > 0 {
					t.Fatalf("run %d is contested", run)
				}
				time.Sleep(2 * time.Second)
				c.ForgetAccount(&cluster.Meta{Namespace: "a", Name: "ci", UID: uid})
			}
			if n := c.contention.recorded(); n > 0 {
				t.Errorf("%d records are left of accounts that are gone", n)
			}
		})
	}
}

// TestANewAccountThatWasSeenLateNeverWaits has the events of its deletion come after the new one got its names.
func TestANewAccountThatWasSeenLateNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newContention()
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
	for wait := time.Second; wait < longest; wait *= 2 {
		want = append(want, wait)
	}
	want = append(want, longest, longest)
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
				f := newContention()
				waits := contest(t, f, c.a, 1+FreeRepairs+len(want))
				if !slices.Equal(waits, want) {
					t.Errorf("it waits %v, want %v", waits, want)
				}
				if open := f.open("a", time.Now()); len(open) != 1 {
					t.Errorf("%d are told, want 1", len(open))
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

// TestContentionOverCopiesGoesOnUnderAnyUID has each secret that is in the way be a new object.
func TestContentionOverCopiesGoesOnUnderAnyUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newContention()
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

func TestContentionEnds(t *testing.T) {
	for _, c := range []struct {
		why string
		end func(f *contention)
	}{
		{"with its namespace", func(f *contention) { f.forget("a") }},
		{"when nobody undoes it for long", func(f *contention) {
			time.Sleep(over + time.Minute)
			elsewhere := addNames("one", "hub")
			_, _ = f.repair(kube.Key{Kind: elsewhere.Kind, ObjectName: cache.ObjectName{Namespace: "b", Name: "ci"}}, elsewhere, func() error { return nil })
			f.forget("b")
		}},
		{"when we take it back ourselves", func(f *contention) {
			a := addNames("one")
			a.List.Removed = []string{"hub"}
			_, _ = f.repair(kube.KeyOf("a", a), a, func() error { return nil })
			time.Sleep(longest)
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newContention()
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

func TestWhoInsistedLongAgoDoesNotInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newContention()
		drift := plan.Action{Verb: plan.Update, Kind: plan.KindSecret, Name: "reg", Reason: plan.Drifted, Restores: true,
			Owners: []cluster.Owner{{Manager: "kubectl-edit"}}}
		contest(t, f, drift, FreeRepairs)
		if !f.insisted(kube.KeyOf("a", drift), time.Now()) {
			t.Error("three times in a row is no insisting")
		}
		time.Sleep(over + time.Second)
		if f.insisted(kube.KeyOf("a", drift), time.Now()) {
			t.Error("it insists for ever")
		}
	})
}

func TestOtherManagersAreBounded(t *testing.T) {
	owners := slices.Repeat([]cluster.Owner{{Manager: strings.Repeat("m", 128), Operation: "Update"}}, 500)
	if got := (&Contested{owners: owners}).Error(); len(got) > bound.MaxText || !strings.Contains(got, "and 497 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
