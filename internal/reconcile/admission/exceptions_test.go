package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

func TestExceptionsAreThoseOfTheLastDecision(t *testing.T) {
	hub := types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}
	foreign := plan.Action{Kind: plan.KindSecret, Name: "reg", Rule: "one", Source: hub, Reason: plan.ForeignSecret}
	kept := plan.Action{Kind: plan.KindSecret, Name: "reg", Rule: "one", Source: hub, Reason: plan.SourceMissing, Kept: true}
	stays := kept
	stays.Rule = "two"
	inSync := plan.Action{Kind: plan.KindSecret, Name: "reg", Rule: "one", Source: hub, Reason: plan.InSync}
	e := Exceptions{}
	for _, step := range []struct {
		namespace string
		actions   []plan.Action
		changed   bool
	}{
		{"a", []plan.Action{inSync}, false},
		{"a", []plan.Action{foreign}, true},
		{"a", []plan.Action{foreign}, false},
		{"b", []plan.Action{kept}, true},
		{"c", []plan.Action{stays}, true},
		{"d", []plan.Action{kept, foreign}, true},
		{"d", nil, true}, // it is gone
		{"d", nil, false},
	} {
		if changed := e.Add(plan.Plan{Namespace: step.namespace, Actions: step.actions}); changed != step.changed {
			t.Errorf("%s %v: changed is %t", step.namespace, step.actions, changed)
		}
	}
	secret := policy.Secret{Source: hub, Name: "reg"}
	out := admission.Dependencies{Blocked: map[string][]string{}, Retained: map[policy.Secret]admission.Retained{}}
	e.into(out, &policy.Policy{Rules: []*policy.Rule{{Name: "one", Prune: true}, {Name: "two"}}})
	if diff := cmp.Diff(map[string][]string{"reg": {"a"}}, out.Blocked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[policy.Secret]admission.Retained{secret: {Prune: []string{"b"}, Stay: []string{"c"}}}, out.Retained); diff != "" {
		t.Error(diff)
	}
}
