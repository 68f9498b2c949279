package inspect

import (
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// holdSome has some objects of a world wait for their finalizers.
func (w *world) holdSome(r *rand.Rand) {
	for _, ns := range w.namespaces {
		ns.Terminating = r.IntN(8) == 0
		for _, sa := range w.accounts[ns.Name] {
			sa.Deleting = r.IntN(3) == 0
		}
		for _, name := range randomNames {
			if s := w.secret(types.NamespacedName{Namespace: ns.Name, Name: name}); s != nil {
				s.Deleting = r.IntN(2) == 0
			}
		}
	}
}

// TestWhatIsBeingDeletedIsRightOrTold holds that nothing asks for what the API forbids, and that no copy that is wanted
// keeps other content without a problem.
func TestWhatIsBeingDeletedIsRightOrTold(t *testing.T) {
	forRandomWorlds(t, func(t *testing.T, r *rand.Rand, w *world) {
		w.holdSome(r)
		for _, ns := range w.namespaces {
			for _, a := range w.plan(ns).Actions {
				live := w.secret(types.NamespacedName{Namespace: ns.Name, Name: a.Name})
				if a.Kind != plan.KindSecret || live == nil || !live.Deleting {
					continue
				}
				if a.Verb == plan.Replace || a.Verb == plan.Delete || a.Verb == plan.Create || a.Verb == plan.Update && w.owner(ns.Name, a.Name) != cluster.Ours {
					t.Errorf("%s of a secret that waits for its finalizers: %s/%s", a.Verb, ns.Name, a.Name)
				}
				if a.Reason == plan.BeingDeleted && a.Rule != "" && !live.SameContent(w.secrets[a.Source].Secret) {
					t.Errorf("other content, and nothing is told: %s/%s", ns.Name, a.Name)
				}
			}
		}
	})
}

// TestExplainSaysWhyANameIsNotAdded holds that the reason is never that all is well.
func TestExplainSaysWhyANameIsNotAdded(t *testing.T) {
	said := map[string]int{}
	forRandomWorlds(t, func(t *testing.T, r *rand.Rand, w *world) {
		w.holdSome(r)
		for _, ns := range w.namespaces {
			e := &explainer{reader: reader{snapshot: w.Snapshot}, namespace: ns.Name}
			for _, account := range e.explain(w.policy, ns).Accounts {
				for _, name := range account.Names {
					if why, missing := strings.CutPrefix(name.Text, "not added: "); missing {
						said[why]++
						if strings.HasPrefix(why, "it is as it should be") || strings.HasPrefix(why, "the controller is about to") {
							t.Errorf("%s/%s, %s: %s", ns.Name, account.Name, name.Name, name.Text)
						}
					}
				}
			}
		}
	})
	for _, why := range []string{"its namespace is being deleted", plan.ForeignSecret.Explain(), plan.DeletionPending.Explain()} {
		if said[why] == 0 {
			t.Errorf("no world has a name that is not added because %s", why)
		}
	}
}
