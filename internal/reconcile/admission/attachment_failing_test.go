package admission

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// An error to the question that is asked from time to time is not the last word.
func TestItGoesOnAskingAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.acts = func(string) bool { return false }
		w.until(time.Minute)
		w.is("nothing acts", "accounts", "accounts pods")
		w.asked = errors.New("timeout")
		time.Sleep(askAgain)
		w.until(5 * time.Second)
		w.asked, w.acts = nil, nil
		for range 20 {
			time.Sleep(askAgain)
			w.until(5 * time.Second)
		}
		w.is("ten minutes later", "pods", "pods")
	})
}

// An error is no answer, so the time that the API server has to act does not begin with it.
func TestTheTimeToActBeginsWithTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.asked = errors.New("timeout")
		w.until(time.Second)
		w.asked = nil
		w.acts = func(string) bool { return false }
		w.until(4 * time.Second)
		if got := names[w.Attached(w.policy.Rules[0])]; got != "undecided" {
			t.Errorf("asked once, and it gives up: %s", got)
		}
	})
}

// That other rules attach to pods for long does not have a rule skip a step.
func TestEachRuleIsServedBothWaysForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ghcrPods := "- {name: ghcr, secrets: [{source: {name: ghcr}}], attach: pods}\n"
		w := podsWorld(t, hubRule+ghcrPods)
		w.until(time.Second)
		time.Sleep(time.Minute)
		w.until(time.Second)
		w.acts = func(string) bool { return false } // e.g. the policy pullsecrets-pods was removed meanwhile, or is behind
		w.follow(podsRule + ghcrPods)
		w.Begin(t.Context(), w.policy, w.NewSurvey())
		w.is("right after it was written", "accounts", "accounts pods")
		w.acts = nil
		began := time.Now()
		for time.Since(began) < settle/2 {
			w.until(50 * time.Millisecond)
			if names[w.Attached(w.policy.Rules[0])] == "pods" {
				t.Errorf("accounts lose the names %s after it was seen first", time.Since(began))
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// Where accounts have names from before there were parameters, other API servers get a while too.
func TestAccountsKeepNamesOfBeforeTheOptionForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule) // accounts have the names from before -admission
		began := time.Now()
		w.until(time.Second)
		if names[w.Attached(w.policy.Rules[0])] == "pods" {
			t.Errorf("accounts lose the names %s after the parameter was written first", time.Since(began))
		}
	})
}

// While a new policy begins, workers go by the old one.
func TestWorkersOfTheOldPolicyKnowWhoIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := podsRule + "- {name: ghcr, secrets: [{source: {name: ghcr}}], attach: pods}\n"
		w := podsWorld(t, rules)
		w.refuse = func(_, name string) error {
			if name == "ghcr" {
				return apierrors.NewForbidden(kube.AdmissionRules.GroupResource(), name, nil)
			}
			return nil
		}
		w.until(time.Minute)
		old := w.policy.Rules[1]
		if got := names[w.Attached(old)]; got != "accounts" {
			t.Errorf("the refused one: %s", got)
		}
		w.follow(rules + "- {name: third, secrets: [{source: {name: ghcr}, name: x}], namespaces: {include: [q]}}\n")
		w.Begin(t.Context(), w.policy, w.NewSurvey())
		if got := names[w.Attached(old)]; got != "accounts" {
			t.Errorf("while workers still go by the old policy: %s", got)
		}
	})
}

// A rule that can have no parameter any more keeps the one that it had until all accounts have the names.
func TestARuleThatBecomesTooLargeKeepsItsParameterForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.until(time.Minute)
		w.is("pods", "pods", "pods")
		rule := "- {name: hub, attach: pods, secrets: [{source: {name: hub}, name: reg}"
		for i := range 130 {
			rule += ", {source: {name: hub}, name: reg" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "}"
		}
		w.follow(rule + "]}\n")
		w.writes = nil
		w.Begin(t.Context(), w.policy, w.NewSurvey())
		if slices.Contains(w.writes, "delete hub") {
			t.Errorf("before any account has the name: %v, converged %t", w.writes, w.converged)
		}
	})
}

// A prune that is held does not make it look all the time.
func TestAHeldPruneKeepsTheParameterOfAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := podsWorld(t, podsRule)
		w.until(time.Minute)
		w.held = true
		w.follow(hubRule)
		w.converged = true
		w.MarkChanged()
		w.writes = nil
		rounds := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); rounds++ {
			wait := w.Publish(t.Context(), w.policy)
			if wait == 0 {
				wait = 5 * time.Second
			}
			time.Sleep(wait)
		}
		if rounds > 50 {
			t.Error("hot")
		}
		w.is("held", "accounts", "pods")
		w.held = false
		w.until(10 * time.Second)
		w.is("released", "accounts", "accounts")
	})
}

// oldCRD is an API server whose definition of the parameters is of an earlier version: it drops the field attach.
type oldCRD struct {
	kube.Client
	world *world
}

func (w *oldCRD) Apply(ctx context.Context, r schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error) {
	w.world.writes = append(w.world.writes, "apply "+obj.GetName())
	out := obj.DeepCopy()
	unstructured.RemoveNestedField(out.Object, "spec", "attach")
	live := w.world.cluster.Parameters()[obj.GetName()]
	out.SetUID(types.UID("uid-" + obj.GetName()))
	out.SetResourceVersion("10")
	if live != nil { // no change
		return out, nil
	}
	w.world.caches.Parameters.Add(cluster.NewAdmissionRule(out))
	return out, nil
}

func TestAComponentThatKnowsNoPodsIsReported(t *testing.T) {
	for _, first := range []string{podsRule, hubRule} {
		synctest.Test(t, func(t *testing.T) {
			w := podsWorld(t, first)
			w.Options.Client = &oldCRD{w, w}
			w.until(time.Second)
			w.follow(podsRule)
			w.MarkChanged()
			w.until(time.Second)
			rounds := 0
			for end := time.Now().Add(time.Minute); time.Now().Before(end); rounds++ {
				wait := w.Publish(t.Context(), w.policy)
				if wait == 0 {
					break
				}
				time.Sleep(wait)
			}
			if rounds > 20 {
				t.Errorf("it looks %d times in a minute", rounds)
			}
			if w.Attachment(w.policy).Why == "" {
				t.Error("a rule that cannot attach to pods is not reported")
			}
		})
	}
}
