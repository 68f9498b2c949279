package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
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
		ns := w.namespaces[0]
		have := w.observe(w.policy, ns, false)
		state := have.Copies["reg"]
		state.Insisted = true
		have.Copies["reg"] = state
		if got := find(decide(w.policy, w.inputs(w.policy, ns), have), plan.KindSecret, "reg"); got.Verb != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Verb, got.Reason, c.want)
		}
	}
}

func TestWhoInsistedLongAgoDoesNotInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFights()
		drift := plan.Action{Verb: plan.Update, Kind: plan.KindSecret, Name: "reg", Reason: plan.Drifted, Restores: true,
			Owners: []cluster.Owner{{Manager: "kubectl-edit"}}}
		contest(t, f, drift, freeRepairs)
		if !f.insisted(kube.KeyOf("a", drift), time.Now()) {
			t.Error("three times in a row is no insisting")
		}
		time.Sleep(fightOver + time.Second)
		if f.insisted(kube.KeyOf("a", drift), time.Now()) {
			t.Error("it insists for ever")
		}
	})
}
