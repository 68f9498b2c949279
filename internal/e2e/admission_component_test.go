package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestTheComponentComesAndGoesUnderARunningController(t *testing.T) {
	s := newSandbox(t)
	s.Needs(harness.Mutation)
	s.Admission = true
	s.Source("hub", api.Credential("hub.example", "one"))
	r := s.Start()
	s.Revised("Degraded", harness.OneRule+"  serviceAccounts: {include: [\"*\"]}")
	s.WantStatus("Degraded", "install kustomize/components/admission")
	s.WantList(s.Namespace("alone"), "default", "+reg") // the controller carries on without it
	if lines := r.Lines(`"level":"warn"`, "components/admission"); len(lines) != 1 {
		t.Errorf("it is said %d times:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	s.Eventually("an Event says so", func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if message, _, _ := unstructured.NestedString(e.Object, "message"); strings.Contains(message, "components/admission") {
				return nil
			}
		}
		return errors.New("none does")
	})
	t.Cleanup(s.RemoveComponent)
	for range 2 {
		s.ApplyComponent()
		s.WantRules("hub: reg")
		s.WantStatus("Ready")
		s.WantBorn(s.Namespace(fmt.Sprintf("with-%d", harness.Revisions)), "ci", "reg")
		harness.Revisions++
		s.RemoveComponent()
		s.WantStatus("Degraded", "components/admission")
		s.WantList(s.Namespace(fmt.Sprintf("without-%d", harness.Revisions)), "default", "+reg")
	}
}

// TestAnAPIServerBeforeMutatingPoliciesIsToldOf has the parameters' CRD where nothing acts on them.
func TestAnAPIServerBeforeMutatingPoliciesIsToldOf(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Admission = true
	s.Mutates = func(context.Context) (bool, error) { return false, nil }
	r := s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "AdmissionAbsent", "needs Kubernetes 1.36")
	s.WantList(ns, "default", "+reg")
	s.WantRules()
	if lines := r.Lines("does not know MutatingAdmissionPolicy"); len(lines) != 1 {
		t.Errorf("it is said %d times", len(lines))
	}
	r.Stop()
	s.Mutates = func(context.Context) (bool, error) { return true, nil }
	s.Start()
	s.WantRules("hub: reg")
	s.WantStatus("Ready")
}

func TestPurgeRemovesTheParametersFirst(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	r.Stop()

	s.WantRules("hub: reg")
	born := s.Namespace("born-without-us") // what is installed keeps working
	s.WantList(born, "default", "+reg")
	p, err := s.Purge()
	harness.Must(t, err)
	harness.Must(t, p.Run(s.Ctx))
	s.WantNothingOfOurs(ns, "default")
	s.WantNothingOfOurs(born, "default")
	s.WantNoCopy(ns, "reg")
	if list, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("parameters are left: %v, %v", list, err)
	}
}

// TestTheControllersOwnTokenIsEnoughForAdmission has the controller write and delete parameters under the roles that
// pullsecrets rbac -admission prints, and nothing of the policy or its binding.
func TestTheControllersOwnTokenIsEnoughForAdmission(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Grant(harness.OneRule)
	r := s.Start(harness.WithToken(s.Token()))
	s.Revised("Ready", harness.OneRule)
	s.WantRules("hub: reg")
	s.WantList(ns, "default", "+reg")
	s.Revised("Ready", harness.NoRules)
	s.WantRules()
	s.WantNothingOfOurs(ns, "default")
	if lines := r.Reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}

	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	s.Seen()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
	if out, err := s.Kubectl(manifest, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		t.Fatal(err, out)
	}
	// The API server sorts field managers by the second of their last write, so the first apply in a later second than
	// that of the other managers may move its own.
	s.Eventually("an apply changes nothing", func() error {
		before := s.Get(api.Accounts, ns, "default")
		if err := harness.Appliers["kubectl apply --server-side"](s.Sandbox, ns, manifest); err != nil { // and never again a conflict
			t.Fatal(err)
		}
		if after := s.Get(api.Accounts, ns, "default"); after.GetResourceVersion() != before.GetResourceVersion() {
			return fmt.Errorf("%v became %v", before.Object, after.Object)
		}
		return nil
	})
}
