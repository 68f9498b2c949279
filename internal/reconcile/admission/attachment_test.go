package admission

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const podsRule = "- {name: hub, secrets: [{source: {name: hub}, name: reg}], attach: pods}\n"

var names = map[policy.Attached]string{policy.ToPods: "pods", policy.ToAccounts: "accounts", policy.Undecided: "undecided"}

// is holds who gives out the names of the rule hub, and what its parameter serves, against what they have to be.
func (w *world) is(why, attached, serves string) {
	w.t.Helper()
	if got := names[w.Attached(w.policy.Rules[0])]; got != attached {
		w.t.Errorf("%s: the names are given out by %s, want %s", why, got, attached)
	}
	pods, accounts := servedBy(w.cluster.Parameters()["hub"])
	got := ""
	for text, is := range map[string]bool{"accounts": accounts, "pods": pods} {
		if is {
			got = strings.TrimSpace(got + " " + text)
		}
	}
	parts := strings.Fields(got)
	slices.Sort(parts)
	if got := strings.Join(parts, " "); got != serves {
		w.t.Errorf("%s: the parameter serves %s, want %s", why, got, serves)
	}
}

// until publishes for as long as there is something to wait for, at most for a while, as the activator does.
func (w *world) until(longest time.Duration) {
	for end := time.Now().Add(longest); time.Now().Before(end); {
		wait := w.Publish(w.t.Context(), w.policy)
		if wait == 0 {
			synctest.Wait()
			if w.changed.Swap(0) == 0 {
				return
			}
			continue
		}
		time.Sleep(wait)
	}
}

func podsWorld(t *testing.T, rules string) *world {
	w := newWorld(t, rules)
	for _, ns := range []string{"team-a", "team-b"} {
		w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: ns}})
	}
	w.caches.Accounts.Add(&cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "team-a", Name: "default"}, Ledger: "pullsecrets/team-a: reg"})
	w.caches.Accounts.Add(&cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "team-b", Name: "default"}})
	return w
}

// A new rule has never been on accounts, so its names never get there.
func TestANewRuleAttachesToPodsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.is("nothing is published", "undecided", "")
		w.until(time.Second)
		w.is("published, and other API servers may be behind, while an account has a name to lose", "undecided", "pods")
		w.until(2 * settle)
		w.is("published", "pods", "pods")
		if !slices.Equal(w.requeued, []string{"team-a"}) {
			t.Errorf("those with names to lose are decided again: %v", w.requeued)
		}
		questions := w.questions
		w.until(time.Second)
		if w.questions != questions {
			t.Error("what is seen is asked again at once")
		}
		w.requeued = nil
		time.Sleep(askAgain + time.Second)
		if w.until(time.Second); w.questions != questions+1 || len(w.requeued) > 0 {
			t.Errorf("asked %d times after a while, and decided again: %v", w.questions-questions, w.requeued)
		}
	})
}

// A rule with prune: false leaves a record without names when it moves to pods, and that goes too.
func TestARecordWithoutNamesIsDecidedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.caches.Accounts.Add(&cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "team-b", Name: "default"}, Ledger: "pullsecrets/team-b:"})
		w.until(time.Second + 2*settle)
		w.is("published", "pods", "pods")
		if slices.Sort(w.requeued); !slices.Equal(w.requeued, []string{"team-a", "team-b"}) {
			t.Errorf("decided again: %v", w.requeued)
		}
	})
}

// On its way from accounts to pods and back a rule has both, until the other one was seen to work.
func TestARuleMovesWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, hubRule)
		w.until(time.Second)
		w.is("on accounts", "accounts", "accounts")
		if w.questions > 0 {
			t.Error("an API server is asked that has nothing to do with pods")
		}
		acts := false
		w.acts = func(string) bool { return acts }
		w.follow(podsRule)
		w.MarkChanged()
		w.until(time.Second)
		w.is("the API server is behind", "accounts", "accounts pods")
		acts = true
		w.until(time.Second)
		w.is("it acts, and other API servers may be behind", "accounts", "accounts pods")
		w.acts = func(string) bool { return !slices.Contains(w.writes, "apply hub") } // on the next version it does not yet
		w.writes = nil
		w.until(2 * settle)
		w.is("accounts are not served any more, and that is not seen yet", "undecided", "pods")
		w.acts = nil
		w.until(time.Second)
		w.is("moved", "pods", "pods")

		w.follow(hubRule)
		w.MarkChanged()
		w.until(settle + time.Second)
		w.is("moving back", "accounts", "accounts pods")
		w.converged = true
		w.until(settle / 2)
		w.is("all accounts have them, and others may be behind", "accounts", "accounts pods")
		w.until(2 * settle)
		w.is("moved back", "accounts", "accounts")
	})
}

// Where the source cannot be used, a parameter adds the name in those namespaces only where the copy is kept. It moves all the same.
func TestARuleMovesBackWhileItsSourceIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.missing["hub"] = true
		w.Note(plan.Plan{Namespace: "team-a", Actions: []plan.Action{
			{Kind: plan.KindSecret, Name: "reg", Rule: "hub", Source: types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}, Reason: plan.SourceMissing, Kept: true},
		}})
		w.until(time.Second + 2*settle)
		w.is("on pods", "pods", "pods")
		w.follow(hubRule)
		w.MarkChanged()
		w.until(settle + time.Second)
		w.is("moving back", "accounts", "accounts pods")
		w.converged = true
		w.until(3 * settle)
		w.is("moved back", "accounts", "accounts")
	})
}

// Only a definite answer has accounts have the names.
func TestItFallsBackOnADefiniteAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.asked = errors.New("no answer")
		w.until(time.Minute)
		w.is("no answer", "undecided", "pods")
		if got := w.Attachment(w.policy); !slices.Equal(got.Undecided, []string{"hub"}) || got.Of(w.policy.Rules[0]) != policy.Undecided {
			t.Errorf("%+v", got)
		}
		w.asked = nil
		w.until(time.Minute)
		w.is("it answers again", "pods", "pods")

		w.acts = func(string) bool { return false }
		time.Sleep(askAgain)
		w.until(seenWithin / 2)
		w.is("the binding is gone, or the answer is of an API server that is behind", "pods", "pods")
		w.until(time.Minute)
		w.is("nothing acts", "accounts", "accounts pods")
		if !slices.Contains(w.requeued, "team-b") {
			t.Errorf("all are decided again: %v", w.requeued)
		}
		if got := w.Attachment(w.policy); !slices.Equal(got.Accounts, []string{"hub"}) || !strings.Contains(got.Why, "pullsecrets-pods and its binding") {
			t.Errorf("%+v", got)
		}
		writes := len(w.writes)
		w.until(time.Minute)
		if len(w.writes) != writes {
			t.Errorf("it goes on writing: %v", w.writes[writes:])
		}

		w.acts = nil
		time.Sleep(askAgain)
		w.until(time.Minute)
		w.is("the component came", "pods", "pods")
		if got := w.Attachment(w.policy); !slices.Equal(got.Pods, []string{"hub"}) || got.Accounts != nil || got.Why != "" {
			t.Errorf("%+v", got)
		}

		absent := w.caches
		absent.Forbidden = func(of kube.Target) bool { return of.Resource == kube.AdmissionRules }
		w.cluster.Fill(absent)
		w.MarkChanged()
		w.until(time.Second)
		if names[w.Attached(w.policy.Rules[0])] != "accounts" {
			t.Error("the component went, and accounts do not get the names")
		}
	})
}

// A rule that can have no parameter is served by accounts, and the others are not affected.
func TestARuleWithoutAParameterIsOnAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule+"- {name: ghcr, secrets: [{source: {name: ghcr}}], attach: pods}\n")
		w.refuse = func(_, name string) error {
			if name == "ghcr" {
				return apierrors.NewForbidden(kube.AdmissionRules.GroupResource(), name, nil)
			}
			return nil
		}
		w.until(time.Minute)
		w.is("the other", "pods", "pods")
		if !slices.Contains(w.requeued, "team-b") {
			t.Errorf("all are decided again: %v", w.requeued)
		}
		if got := names[w.Attached(w.policy.Rules[1])]; got != "accounts" {
			t.Errorf("the refused one: %s", got)
		}
		w.refuse = func(string, string) error { return nil }
		w.until(time.Minute)
		if got := names[w.Attached(w.policy.Rules[1])]; got != "pods" {
			t.Errorf("when it may be written: %s", got)
		}
	})
}

func TestWithoutTheOptionItIsOnAccounts(t *testing.T) {
	w := newWorld(t, podsRule)
	w.Enabled = false
	if names[w.Attached(w.policy.Rules[0])] != "accounts" {
		t.Error("nobody gives out the names")
	}
	if got := w.Attachment(w.policy); len(got.Accounts) != 1 || !strings.Contains(got.Why, "without -admission") {
		t.Errorf("%+v", got)
	}
}

// A parameter that cannot be written is tried again at growing pauses, also in the middle of a move.
func TestAMoveThatCannotBeWrittenIsNotTriedAllTheTime(t *testing.T) {
	for _, to := range []string{podsRule, hubRule} {
		synctest.Test(t, func(t *testing.T) {
			w := podsWorld(t, map[string]string{podsRule: hubRule, hubRule: podsRule}[to])
			w.until(time.Minute)
			w.converged = true
			serveBoth := 0
			w.refuse = func(string, string) error {
				if serveBoth++; serveBoth == 1 {
					return nil
				}
				return errors.New("no")
			}
			w.follow(to)
			w.MarkChanged()
			w.writes = nil
			w.until(5 * time.Minute)
			if n := len(w.writes); n < 3 || n > 20 {
				t.Errorf("to %s: %d writes in five minutes", to, n)
			}
			w.refuse = func(string, string) error { return nil }
			w.until(time.Minute)
			if to == podsRule {
				w.is("moved", "pods", "pods")
			} else {
				w.is("moved back", "accounts", "accounts")
			}
		})
	}
}

// A name that moves to another rule, or a rule that gets another name, is added by the one before it is not by the other.
func TestNamesMoveBetweenRulesWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := func(name string, secrets ...string) string {
			text := "- {name: " + name + ", attach: pods, secrets: ["
			for _, s := range secrets {
				text += "{source: {name: " + s + "}}, "
			}
			return text + "]}\n"
		}
		w := podsWorld(t, rule("a", "one", "two")+rule("b", "three"))
		w.converged = true
		w.until(time.Minute)
		for _, c := range []struct{ why, rules, want string }{
			{"a rule gets another name", rule("c", "one", "two") + rule("b", "three"), "apply c, delete a"},
			{"to a later rule", rule("c", "two") + rule("b", "three", "one"), "apply b, apply c"},
			{"to an earlier rule", rule("c", "two", "one") + rule("b", "three"), "apply c, apply b"},
			{"its rule goes", rule("c", "two", "one", "three"), "apply c, delete b"},
		} {
			w.follow(c.rules)
			w.MarkChanged()
			w.writes = nil
			w.until(time.Minute)
			if got := strings.Join(w.writes, ", "); got != c.want {
				t.Errorf("%s: %s, want %s", c.why, got, c.want)
			}
		}
	})
}

// After a restart nothing is decided anew: what was there is seen, and all API servers act on it for long.
func TestARestartFindsThatPodsHaveTheNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.until(time.Minute)
		w.is("before", "pods", "pods")
		w.Publisher = New(w.Options)
		w.Begin(t.Context(), w.policy, w.NewSurvey())
		w.is("after", "pods", "pods")
	})
}
