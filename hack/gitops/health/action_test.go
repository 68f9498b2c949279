package health

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases/luahealth"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const (
	confirm  = "confirm-prune"
	withdraw = "withdraw-confirmation"
)

// console is Argo CD's page of the policy, for somebody who may run its actions.
type console struct {
	*harness.Sandbox
	actions *luahealth.Actions
}

func (c *console) policy() *unstructured.Unstructured {
	c.T.Helper()
	return c.Get(api.ConfigMaps, api.Home, policyName)
}

// offers waits until these actions are offered, and no others.
func (c *console) offers(want ...string) {
	c.T.Helper()
	c.Eventually(fmt.Sprintf("Argo CD offers %v", want), func() error {
		got, err := c.actions.Offered(c.policy())
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("it offers %v of %v", got, c.policy().GetAnnotations())
		}
		return err
	})
}

// run does what Argo CD's server does with an action: a merge patch of what the script changed.
func (c *console) run(action, want string) {
	c.T.Helper()
	patch, err := c.actions.Run(action, c.policy())
	harness.Must(c.T, err)
	if string(patch) != want {
		c.T.Fatalf("%s makes the patch %s, want %s", action, patch, want)
	}
	_, err = c.Client.Resource(api.ConfigMaps).Namespace(api.Home).Patch(c.Ctx, policyName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "argocd-server"})
	harness.Must(c.T, err)
}

// TestAHeldPruneIsConfirmedInArgoCD runs the actions of examples/argocd on the policy as the real API server has it, and applies
// what they make of it.
func TestAHeldPruneIsConfirmedInArgoCD(t *testing.T) {
	actions, err := luahealth.ReadActions(argocdFile)
	harness.Must(t, err)
	c := &console{harness.NewSandbox(t), actions}
	c.Source("hub", api.Credential("hub.example", "one"))
	all := c.Fourteen()
	c.Policy(harness.OnlyLabelled, "pullsecrets/revision=1")
	c.offers() // no controller runs yet
	c.Start()
	c.WantStatus("Ready")
	c.offers()

	c.Revised("Degraded", harness.NoRules)
	c.offers(confirm)
	c.WantAll(all, true)
	hash := c.policy().GetAnnotations()["pullsecrets/observed"]
	c.Revised("Invalid", " 7") // what is held is not of this text, so there is nothing to confirm
	c.offers()
	if _, err := actions.Run(confirm, c.policy()); err == nil || !strings.Contains(err.Error(), "no prune is held") {
		t.Errorf("run where it is not offered, it says %v", err)
	}
	c.Revised("Degraded", harness.NoRules)
	c.offers(confirm)

	confirmation := fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, hash)
	c.run(confirm, confirmation)
	c.WantStatus("Ready")
	c.WantAll(all, false)
	c.offers()

	// What is in git has no such annotation. It is applied again, and the confirmation stays: it is somebody else's field.
	c.Revised("Ready", harness.NoRules)
	if got := c.policy().GetAnnotations()["pullsecrets/confirm-prune"]; got != hash {
		t.Errorf("after the next apply the confirmation is %q", got)
	}

	// It was for one prune: that of the same text, after a revert, is held again. The annotation has to go before it counts anew.
	c.Revised("Ready", harness.OnlyLabelled)
	c.WantAll(all, true)
	c.Revised("Degraded", harness.NoRules)
	c.offers(withdraw)
	c.WantAll(all, true)
	c.run(withdraw, `{"metadata":{"annotations":{"pullsecrets/confirm-prune":null}}}`)
	c.offers(confirm)
	// That it was withdrawn has to be seen before it is given again: what is seen of a revision is that or later.
	c.Merge(api.ConfigMaps, api.Home, policyName, `{"metadata":{"annotations":{"pullsecrets/revision":"withdrawn"}}}`)
	c.WantStatus("Degraded")
	c.run(confirm, confirmation)
	c.WantStatus("Ready")
	c.WantAll(all, false)
	c.offers()
}

// TestOtherConfigMapsHaveNoActions tries what Argo CD asks too: every ConfigMap of every Application, whatever a tenant puts there.
func TestOtherConfigMapsHaveNoActions(t *testing.T) {
	actions, err := luahealth.ReadActions(argocdFile)
	harness.Must(t, err)
	held := func(changes ...string) map[string]any {
		all := map[string]any{"pullsecrets/status": "Degraded", "pullsecrets/observed": "sha256:1", "pullsecrets/held-prune": "sha256:1",
			"pullsecrets/message": "too much would be removed at once (PruneHeld)"}
		for i := 0; i < len(changes); i += 2 {
			if all[changes[i]] = changes[i+1]; changes[i+1] == "" {
				delete(all, changes[i])
			}
		}
		return map[string]any{"annotations": all}
	}
	for _, c := range []struct {
		why, namespace, name string
		metadata             map[string]any
		want                 []string
	}{
		{"the policy, with a held prune", "pullsecrets", policyName, held(), []string{confirm}},
		{"an older confirmation", "pullsecrets", policyName, held("pullsecrets/confirm-prune", "sha256:0"), []string{confirm}},
		{"this very confirmation, which was used", "pullsecrets", policyName, held("pullsecrets/confirm-prune", "sha256:1"), []string{withdraw}},
		{"nothing is held", "pullsecrets", policyName, held("pullsecrets/held-prune", ""), nil},
		{"held of another text", "pullsecrets", policyName, held("pullsecrets/observed", "sha256:2"), nil},
		{"all is well", "pullsecrets", policyName, held("pullsecrets/status", "Ready"), nil},
		{"refused", "pullsecrets", policyName, held("pullsecrets/status", "Invalid"), nil},
		{"no annotations", "pullsecrets", policyName, nil, nil},
		{"annotations that are null", "pullsecrets", policyName, map[string]any{"annotations": nil}, nil},
		{"a tenant's of the same name", "shop", policyName, held(), nil},
		{"another one of the namespace", "pullsecrets", "pullsecrets-status", held(), nil},
		{"a tenant's", "shop", "app", held(), nil},
	} {
		if got, err := actions.Offered(configMap(c.namespace, c.name, c.metadata)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: it offers %v, %v; want %v", c.why, got, err, c.want)
		}
	}
}
