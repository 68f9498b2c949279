package activation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// restored has a backup bring back the account of a namespace with names in its list and ledger.
func (w *world) restored(namespace string, names ...string) {
	w.caches.Accounts.Add(&cluster.ServiceAccount{
		Meta:        cluster.Meta{Namespace: namespace, Name: "default", UID: types.UID("restored-" + namespace), ResourceVersion: w.next()},
		PullSecrets: names, HasLedger: true, Ledger: w.Cluster.Installation().Ledger(namespace, names),
	})
}

// copied puts a copy of ours into a namespace, as an earlier rule made it.
func (w *world) copied(namespace, name string) {
	if w.caches.Copies[name] == nil {
		w.caches.Copies[name] = state.NewFilling([]string{name}, nil).Copies[name]
	}
	w.caches.Copies[name].Add(&cluster.Secret{
		Meta: cluster.Meta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), ResourceVersion: w.next()},
		Type: cluster.TypeDockerConfigJSON, Applied: true, OwnsData: true,
		Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Source: "pullsecrets/hub", For: "pullsecrets/" + namespace},
	})
}

// listed is the list of a namespace's account.
func (w *world) listed(namespace string) []string {
	accounts, _ := w.Cluster.Accounts(namespace)
	return accounts[0].PullSecrets
}

// TestNamesInLedgersAreTrackedUntilTheirCopiesAreGone, be it that a backup brings them back, or that the status is lost.
func TestNamesInLedgersAreTrackedUntilTheirCopiesAreGone(t *testing.T) {
	for _, c := range []struct {
		why    string
		before bool // they are there before the controller starts
	}{{"the status is lost", true}, {"a backup is restored", false}} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, Options{})
				w.edit(onePolicy)
				restore := func() {
					w.restored("team-00", "old", "regcred")
					w.copied("team-00", "old")
				}
				w.idle = true
				if c.before {
					restore()
				}
				w.run()
				if !c.before {
					w.idle = false
					w.settle()
					restore()
					w.work("team-00")
					if got := w.listed("team-00"); !slices.Contains(got, "old") {
						t.Errorf("before anybody looked for its copy, the list is %q", got)
					}
					w.idle = true
					w.settle()
				}
				if got := w.names(); !slices.Equal(got, []string{"old", "regcred"}) {
					t.Errorf("the names %q are in use", got)
				}
				w.idle = false
				w.settle()
				if got := w.listed("team-00"); w.copies("old") != 0 || !slices.Equal(got, []string{"regcred"}) {
					t.Errorf("%d copies are left, and the list is %q", w.copies("old"), got)
				}
				w.rest(w.StatusInterval)
				if got := w.names(); !slices.Equal(got, []string{"regcred"}) || !w.Cluster.CopiesUnknown("old") {
					t.Errorf("the names %q are in use", got)
				}
			})
		})
	}
}

// TestANameOfALedgerThatMayNotBeReadStays, and is no problem: anybody may write into his ledger.
func TestANameOfALedgerThatMayNotBeReadStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{})
		w.edit(onePolicy)
		w.run()
		caches := w.caches
		caches.Forbidden = func(of kube.Target) bool { return of.Name == "theirs" }
		w.Cluster.Fill(caches)
		w.restored("team-00", "theirs")
		w.requeue()
		w.settle()
		if got := w.listed("team-00"); !slices.Equal(got, []string{"theirs", "regcred"}) || slices.Contains(w.names(), "theirs") {
			t.Errorf("the list is %q, the names %q are in use", got, w.names())
		}
		w.isSaid("forbidden", "Ready", "in force")
		w.copied("team-00", "theirs")
		w.Cluster.Fill(w.caches) // the roles permit it by now
		w.settle()
		if got := w.listed("team-00"); !slices.Equal(got, []string{"regcred"}) || w.copies("theirs") > 0 {
			t.Errorf("the list is %q, and there are %d copies", got, w.copies("theirs"))
		}
	})
}

// TestNoMoreNamesOfLedgersAreTrackedThanThereIsRoomFor. The rest follows when those are gone.
func TestNoMoreNamesOfLedgersAreTrackedThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{MaxPrune: 100})
		w.edit(onePolicy)
		w.run()
		var many []string
		for i := range maxUntracked + 50 {
			many = append(many, fmt.Sprintf("old-%03d", i))
		}
		w.restored("team-00", many...)
		w.work("team-00")
		w.idle = true
		w.settle()
		if n := len(w.names()); n != 1+maxUntracked || !w.log.has(fmt.Sprintf("more than %d names", maxUntracked)) {
			t.Errorf("%d names are in use", n)
		}
		w.idle = false
		w.settle()
		for range 3 {
			w.rest(w.StatusInterval)
			w.settle()
		}
		if got := w.listed("team-00"); !slices.Equal(got, []string{"regcred"}) || len(w.names()) != 1 {
			t.Errorf("%d names are left in the list, %d are in use", len(got)-1, len(w.names()))
		}
	})
}

// TestNamesAreTrackedOnce, and none where the policy was given with flags: it prunes nothing.
func TestNamesAreTrackedOnce(t *testing.T) {
	woken := 0
	n := trackedNames{o: &Options{}, wake: func() { woken++ }, aside: []string{"looked-for"}}
	n.track(nil)
	n.track([]string{"looked-for"})
	if woken > 0 {
		t.Errorf("woken %d times", woken)
	}
	n.track([]string{"old", "looked-for", "Not A Name"})
	n.track([]string{"old"})
	if woken != 1 || !slices.Equal(n.found, []string{"old"}) {
		t.Errorf("woken %d times, found %q", woken, n.found)
	}
	n = trackedNames{o: &Options{Documents: map[string]string{}}, wake: func() { woken++ }}
	if n.track([]string{"old"}); woken != 1 || len(n.found) > 0 {
		t.Error("a policy of flags tracks names")
	}
}

func TestANameLeavesWhenNothingIsLeftOfIt(t *testing.T) {
	for _, c := range []struct {
		why   string
		there func(w *world)
		stays bool
	}{
		{"nothing", func(*world) {}, false},
		{"a copy of ours", func(w *world) { w.copied("team-00", "old") }, true},
		{"somebody's secret", func(w *world) {
			w.caches.Copies["old"].Add(&cluster.Secret{Meta: cluster.Meta{Namespace: "team-00", Name: "old"}, Type: cluster.TypeDockerConfigJSON})
		}, false},
		{"a ledger", func(w *world) { w.restored("team-00", "old") }, true},
		{"a ledger of a namespace that goes", func(w *world) {
			w.restored("team-00", "old")
			w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: "team-00"}, Terminating: true})
		}, false},
		{"what may not be read", func(w *world) {
			caches := w.caches
			caches.Forbidden = func(of kube.Target) bool { return of.Name == "old" }
			w.Cluster.Fill(caches)
		}, true},
		{"a copy that we wrote and no cache shows yet", func(w *world) {
			_ = w.Cluster.Writes.Do(plan.KindSecret, kube.NameOf(&cluster.Meta{Namespace: "team-00", Name: "old"}), func() (cluster.Object, error) {
				return &cluster.Secret{Meta: cluster.Meta{Namespace: "team-00", Name: "old", UID: "u", ResourceVersion: "7"}}, nil
			})
		}, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, Options{})
				w.caches.Copies["old"] = state.NewFilling([]string{"old"}, nil).Copies["old"]
				p, _ := w.evaluator.parse(map[string]string{"policy.yaml": onePolicy})
				w.Cluster.Fill(w.caches)
				w.Cluster.Ensure(nil, []string{"old", "regcred"})
				w.Activator.names.inUse = []string{"old", "regcred"}
				c.there(w)
				w.Activator.names.dropUnused(p)
				want := []string{"regcred"}
				if c.stays {
					want = []string{"old", "regcred"}
				}
				if got := w.Activator.names.inUse; !slices.Equal(got, want) {
					t.Errorf("in use are %q", got)
				}
			})
		})
	}
}

// TestALineAboutNamesOfLedgersIsBounded: anybody may write them.
func TestALineAboutNamesOfLedgersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, Options{})
		w.edit(onePolicy)
		w.run()
		var many []string
		for i := range maxUntracked {
			many = append(many, strings.Repeat("x", 240)+fmt.Sprint(i))
		}
		w.restored("team-00", many...)
		w.work("team-00")
		w.settle()
		if !w.log.has("have names in their ledgers that no rule has") || !w.log.has(" more names") {
			t.Error("the log does not say it, or says all of it")
		}
	})
}
