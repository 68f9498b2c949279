package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Component applies kustomize/components/admission, with failurePolicy Fail, because Ignore would hide a mistake, and
// removes it when the test ends. A test that needs it is skipped where the API server is too old.
func (s *Sandbox) Component() {
	s.T.Helper()
	s.Needs(Mutation)
	s.ApplyComponent()
	s.T.Cleanup(s.RemoveComponent)
	s.Seen()
}

// ApplyComponent applies the component with failurePolicy Fail, and waits until the API server serves the parameters. For a
// moment after that it denies what the policies match: it has to list the parameters first, and waits a second for them.
func (s *Sandbox) ApplyComponent() {
	s.T.Helper()
	s.applyComponent("Fail")
}

// ApplyComponentAsShipped applies the component with the failurePolicy that users get, and waits as ApplyComponent does.
func (s *Sandbox) ApplyComponentAsShipped() {
	s.T.Helper()
	s.applyComponent("")
}

// applyComponent leaves the failurePolicy as it is shipped where it is told none.
func (s *Sandbox) applyComponent(failurePolicy string) {
	s.T.Helper()
	for _, u := range Objects(s.T, Kustomize(s.T, "kustomize/components/admission")) {
		resource := map[string]schema.GroupVersionResource{
			"CustomResourceDefinition": api.Definitions, "MutatingAdmissionPolicy": api.AdmissionPolicies,
			"MutatingAdmissionPolicyBinding": api.AdmissionBindings,
		}[u.GetKind()]
		if u.GetKind() == "MutatingAdmissionPolicy" && failurePolicy != "" {
			Must(s.T, unstructured.SetNestedField(u.Object, failurePolicy, "spec", "failurePolicy"))
		}
		s.Eventually(u.GetKind()+" is applied", func() error { // one that is still going is a conflict
			_, err := s.Client.Resource(resource).Apply(s.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
			return err
		})
	}
	s.Eventually("the parameters can be listed", func() error {
		_, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
		return err
	})
}

// RemoveComponent deletes the component and waits until the API server has forgotten it.
func (s *Sandbox) RemoveComponent() {
	s.T.Helper()
	for _, name := range []string{"pullsecrets", "pullsecrets-pods"} {
		s.Remove(api.AdmissionBindings, name)
		s.Remove(api.AdmissionPolicies, name)
	}
	s.Eventually("the admission policies are forgotten", func() error {
		if names := s.Born(api.Home, "admission-probe"); len(names) > 0 {
			return fmt.Errorf("a new account still gets %v", names)
		}
		seen, err := s.ProbePods(s.Client)
		if len(seen) > 0 {
			return fmt.Errorf("it still acts on %v", seen)
		}
		if apierrors.IsNotFound(err) { // the parameters are gone already
			return nil
		}
		return err
	})
	s.Remove(api.Definitions, "admissionrules.pullsecrets.internal")
	s.Eventually("the parameters are gone", func() error {
		if _, err := s.Client.Resource(api.Definitions).Get(s.Ctx, "admissionrules.pullsecrets.internal", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("they are there, or: %v", err)
		}
		return nil
	})
}

var probes int

// Seen waits until the API server acts on all parameters that were written until now: it sees them in their order.
func (s *Sandbox) Seen() {
	s.T.Helper()
	probes++
	name := fmt.Sprintf("probe-%d", probes)
	rule := api.Object("pullsecrets.internal/v1alpha1", "AdmissionRule", api.Home, "admission-probe")
	rule.Object["spec"] = map[string]any{
		"namespaces":      map[string]any{"include": "^" + api.Home + "$"},
		"serviceAccounts": map[string]any{"include": "^admission-probe$"},
		"attach":          []any{"accounts", "pods"},
		"names":           []any{map[string]any{"name": name, "add": true, "ledger": true}},
	}
	rule, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).Apply(s.Ctx, rule.GetName(), rule, metav1.ApplyOptions{FieldManager: "probe", Force: true})
	Must(s.T, err)
	s.Eventually("the API server has seen the parameters", func() error {
		if names := s.Born(api.Home, "admission-probe"); !slices.Contains(names, name) {
			return fmt.Errorf("a new account gets %v", names)
		}
		seen, err := s.ProbePods(s.Client)
		if seen[rule.GetName()] != rule.GetResourceVersion() {
			return fmt.Errorf("for pods it acts on %v, and %s is at %s (%w)", seen, rule.GetName(), rule.GetResourceVersion(), err)
		}
		return nil
	})
}

// ProbePods returns the versions of the parameters that the API server acts on for pods, as it tells a client.
func (s *Sandbox) ProbePods(client dynamic.Interface) (map[string]string, error) {
	u, err := client.Resource(api.AdmissionRules).Namespace(api.Home).Apply(s.Ctx, admission.ProbeName, admission.Probe(api.Home),
		metav1.ApplyOptions{FieldManager: "probe", Force: true, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, err
	}
	return admission.Seen(u.GetAnnotations()[admission.AnnotationSeen]), nil
}

// Born returns the list with which an account of this name would be born.
func (s *Sandbox) Born(ns, name string) []string {
	u, err := s.Client.Resource(api.Accounts).Namespace(ns).Create(s.Ctx, api.Object("v1", "ServiceAccount", ns, name),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return []string{err.Error()}
	}
	return cluster.NewServiceAccount(u).PullSecrets
}

// Promise puts the parameters of rules in place without a controller.
func (s *Sandbox) Promise(rules string) {
	s.T.Helper()
	s.Parameters(s.parsed(rules), admission.Dependencies{Namespace: api.Home})
}

// Parameters puts a policy's parameters in place of those that are there, and returns them.
func (s *Sandbox) Parameters(p *policy.Policy, o admission.Dependencies) *admission.Parameters {
	s.T.Helper()
	Must(s.T, s.Client.Resource(api.AdmissionRules).Namespace(api.Home).DeleteCollection(s.Ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	rules, errs := admission.Rules(p, o)
	if len(errs) > 0 {
		s.T.Fatal(errs)
	}
	specs := map[string]any{}
	for _, u := range rules {
		specs[u.GetName()] = u.Object["spec"]
		_, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).Create(s.Ctx, u, metav1.CreateOptions{})
		Must(s.T, err)
	}
	s.Seen()
	return admission.NewParameters(api.Home, specs)
}

// WantRules waits until these parameters exist, each as RULE: NAMES.
func (s *Sandbox) WantRules(want ...string) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("the parameters are %v", want), func() error {
		list, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		got := []string{}
		for _, u := range list.Items {
			if u.GetName() == "admission-probe" {
				continue
			}
			line := u.GetName() + ":"
			names, _, _ := unstructured.NestedSlice(u.Object, "spec", "names")
			for _, n := range names {
				if n.(map[string]any)["add"] != true { // promised where the copy is
					continue
				}
				line += " " + strings.TrimPrefix(n.(map[string]any)["name"].(string), s.Prefix)
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	s.Seen()
}

// WantBorn waits until an account of this name would be born with these names of the sandbox, in any order.
func (s *Sandbox) WantBorn(ns, account string, want ...string) {
	s.T.Helper()
	expected := []string{}
	for _, short := range want {
		expected = append(expected, s.Name(short))
	}
	slices.Sort(expected)
	s.Eventually(fmt.Sprintf("%s/%s is born with %v", ns, account, expected), func() error {
		if diff := cmp.Diff(expected, append([]string{}, slices.Sorted(slices.Values(s.Born(ns, account)))...)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}
