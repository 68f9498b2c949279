package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

var (
	admissionRules    = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}
	admissionPolicies = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"}
	admissionBindings = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"}
	definitions       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// newAdmissionSandbox returns a sandbox with the component installed, whose processes run with -admission.
func newAdmissionSandbox(t *testing.T) *sandbox {
	s := newSandbox(t)
	s.component()
	s.admission = true
	return s
}

// component applies kustomize/components/admission, with failurePolicy Fail, because Ignore would hide a mistake, and
// removes it when the test ends.
func (s *sandbox) component() {
	s.t.Helper()
	s.applyComponent()
	s.t.Cleanup(s.removeComponent)
	s.seen()
}

func (s *sandbox) applyComponent() {
	s.t.Helper()
	for _, u := range s.built("../../kustomize/components/admission") {
		resource := map[string]schema.GroupVersionResource{
			"CustomResourceDefinition": definitions, "MutatingAdmissionPolicy": admissionPolicies,
			"MutatingAdmissionPolicyBinding": admissionBindings,
		}[u.GetKind()]
		if u.GetKind() == "MutatingAdmissionPolicy" {
			must(s.t, unstructured.SetNestedField(u.Object, "Fail", "spec", "failurePolicy"))
		}
		s.eventually(u.GetKind()+" is applied", func() error { // one that is still going is a conflict
			_, err := s.client.Resource(resource).Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
			return err
		})
	}
	s.eventually("the parameters can be listed", func() error {
		_, err := s.client.Resource(admissionRules).Namespace(home).List(s.ctx, metav1.ListOptions{})
		return err
	})
}

// removeComponent deletes the component and waits until the API server has forgotten it.
func (s *sandbox) removeComponent() {
	s.t.Helper()
	s.remove(admissionBindings, "pullsecrets")
	s.remove(admissionPolicies, "pullsecrets")
	s.eventually("the admission policy is forgotten", func() error {
		if names := s.born(home, "admission-probe"); len(names) > 0 {
			return fmt.Errorf("a new account still gets %v", names)
		}
		return nil
	})
	s.remove(definitions, "admissionrules.pullsecrets.internal")
	s.eventually("the parameters are gone", func() error {
		if _, err := s.client.Resource(definitions).Get(s.ctx, "admissionrules.pullsecrets.internal", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("they are there, or: %v", err)
		}
		return nil
	})
}

func (s *sandbox) remove(resource schema.GroupVersionResource, name string) {
	s.t.Helper()
	if err := s.client.Resource(resource).Delete(s.ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		s.t.Error(err)
	}
}

// built builds a kustomization with the real kustomize.
func (s *sandbox) built(folder string) (objects []*unstructured.Unstructured) {
	s.t.Helper()
	text, err := exec.Command("kubectl", "kustomize", folder).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		u := &unstructured.Unstructured{}
		must(s.t, yaml.Unmarshal([]byte(doc), &u.Object))
		objects = append(objects, u)
	}
	return objects
}

var probes int

// seen waits until the API server acts on all parameters that were written until now: it sees them in their order.
func (s *sandbox) seen() {
	s.t.Helper()
	probes++
	name := fmt.Sprintf("probe-%d", probes)
	rule := object("pullsecrets.internal/v1alpha1", "AdmissionRule", home, "admission-probe")
	rule.Object["spec"] = map[string]any{
		"namespaces":      map[string]any{"include": "^" + home + "$"},
		"serviceAccounts": map[string]any{"include": "^admission-probe$"},
		"names":           []any{map[string]any{"name": name, "add": true, "ledger": true}},
	}
	_, err := s.client.Resource(admissionRules).Namespace(home).Apply(s.ctx, rule.GetName(), rule, metav1.ApplyOptions{FieldManager: "probe", Force: true})
	must(s.t, err)
	s.eventually("the API server has seen the parameters", func() error {
		if names := s.born(home, "admission-probe"); !slices.Contains(names, name) {
			return fmt.Errorf("a new account gets %v", names)
		}
		return nil
	})
}

// born returns the list with which an account of this name would be born.
func (s *sandbox) born(ns, name string) []string {
	u, err := s.client.Resource(accounts).Namespace(ns).Create(s.ctx, object("v1", "ServiceAccount", ns, name),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return []string{err.Error()}
	}
	return cluster.NewServiceAccount(u).PullSecrets
}
