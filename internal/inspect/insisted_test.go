package inspect

import (
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// TestOnlyWhatIsOthersAloneIsGivenUp has somebody insist, and looks at whose what is there is by then.
func TestOnlyWhatIsOthersAloneIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		rule, managed string
		want          plan.Verb
	}{
		"theirs": {"", `{manager: flux, operation: Apply, fieldsV1: {f:data: {f:.dockerconfigjson: {}}}}`, plan.Release},
		"force":  {"force: true", `{manager: flux, operation: Apply, fieldsV1: {f:data: {f:.dockerconfigjson: {}}}}`, plan.Update},
		"our last repair stands, and the source changed": {"",
			`{manager: pullsecrets, operation: Apply, fieldsV1: {f:data: {f:.dockerconfigjson: {}}}}`, plan.Update},
		"their manifest has our mark": {"",
			`{manager: argocd, operation: Update, fieldsV1: {f:data: {f:.dockerconfigjson: {}}, f:metadata: {f:annotations: {f:pullsecrets/for: {}}}}}`, plan.Update},
		"their manifest has the marks of an earlier version": {"", `{manager: argocd, operation: Update, fieldsV1: {f:data: {f:.dockerconfigjson: {}},
			f:metadata: {f:annotations: {f:pullsecrets/source: {}}, f:labels: {f:app.kubernetes.io/managed-by: {}}}}}`, plan.Update},
		"nobody's, because a backup lost it": {"", "", plan.Update},
	} {
		w := newWorld(t, `
apiVersion: pullsecrets/v1alpha1
kind: Policy
rules: [{name: hub, secrets: [{source: {name: hub}, name: reg}], `+c.rule+`}]
`, `{kind: Namespace, metadata: {name: a}}
---
{kind: Secret, metadata: {name: hub, namespace: pullsecrets}, type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{"auths":{"x":{"username":"u","password":"new"}}}'}}
---
{kind: Secret, metadata: {name: reg, namespace: a, annotations: {pullsecrets/for: pullsecrets/a}, managedFields: [`+c.managed+`]},
 type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{"auths":{"x":{"username":"u","password":"other"}}}'}}`)
		todo, _ := state.Decide(w.view(), w.policy, "a", state.Circumstances{Insisted: func(_, name string) bool { return name == "reg" }})
		if got := todo.Find(plan.KindSecret, "reg"); got.Verb != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Verb, got.Reason, c.want)
		}
	}
}
