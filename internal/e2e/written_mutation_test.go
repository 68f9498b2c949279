package e2e

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// mutation is what the API server does to service accounts or secrets, those with annotations, that are created or
// updated in the namespaces with the label mutate=yes.
type mutation struct {
	name     string
	label    string
	resource schema.GroupVersionResource
	patch    string // an operation of a JSON patch
}

// mutate has the API server change objects: by a policy or, where it is too old, by a webhook. It returns what ends it.
func (s *sandbox) mutate(resource schema.GroupVersionResource, patch string) (end func()) {
	s.T.Helper()
	m := mutation{name: s.Name("mutate-" + resource.Resource), label: s.Name("yes"), resource: resource, patch: patch}
	remove := s.mutateByWebhook
	if s.Serves(harness.Mutation) {
		remove = s.mutateByPolicy
	}
	undo := remove(m)
	ns := s.Namespace("probe", "mutate="+m.label)
	end = func() {
		undo()
		s.Eventually("the API server mutates no more", func() error { return s.mutated(resource, ns, false) })
	}
	s.T.Cleanup(end)
	s.Eventually("the API server mutates", func() error { return s.mutated(resource, ns, true) })
	return end
}

func (m mutation) namespaces() map[string]any {
	return map[string]any{"matchLabels": map[string]any{"mutate": m.label}}
}

func (m mutation) rules() []any {
	return []any{map[string]any{
		"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{m.resource.Resource},
	}}
}

func (m mutation) conditions() []any {
	return []any{map[string]any{"name": "annotated", "expression": "has(object.metadata.annotations)"}}
}

// operations are the JSON patch, with a mark by which the test sees that it was made.
func (m mutation) operations() string {
	return `[{"op": "add", "path": "/metadata/annotations/mutated", "value": "yes"}, ` + m.patch + `]`
}

func (s *sandbox) mutateByPolicy(m mutation) (undo func()) {
	s.T.Helper()
	var operations []map[string]any
	harness.Must(s.T, json.Unmarshal([]byte(m.operations()), &operations))
	var patches []string
	for _, o := range operations {
		patch := fmt.Sprintf("op: %q, path: %q", o["op"], o["path"])
		if value, ok := o["value"]; ok {
			text, err := json.Marshal(value) // a literal in CEL too
			harness.Must(s.T, err)
			patch += ", value: " + string(text)
		}
		patches = append(patches, "JSONPatch{"+patch+"}")
	}
	policy := api.Object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", "", m.name)
	policy.Object["spec"] = map[string]any{
		"reinvocationPolicy": "Never", "failurePolicy": "Fail",
		"matchConstraints": map[string]any{"namespaceSelector": m.namespaces(), "resourceRules": m.rules()},
		"matchConditions":  m.conditions(),
		"mutations": []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{
			"expression": "[" + strings.Join(patches, ", ") + "]",
		}}},
	}
	binding := api.Object("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding", "", m.name)
	binding.Object["spec"] = map[string]any{"policyName": m.name}
	s.Create(api.AdmissionPolicies, policy)
	s.Create(api.AdmissionBindings, binding)
	return func() {
		s.Remove(api.AdmissionBindings, m.name)
		s.Remove(api.AdmissionPolicies, m.name)
	}
}

func (s *sandbox) mutateByWebhook(m mutation) (undo func()) {
	s.T.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct{ Request struct{ UID string } }
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
			"response": map[string]any{"uid": review.Request.UID, "allowed": true, "patchType": "JSONPatch", "patch": []byte(m.operations())}})
	}))
	s.T.Cleanup(server.Close)
	config := api.Object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", m.name)
	config.Object["webhooks"] = []any{map[string]any{
		"name": "mutate.tests.example", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None",
		"reinvocationPolicy": "Never", "failurePolicy": "Fail",
		"namespaceSelector": m.namespaces(), "rules": m.rules(), "matchConditions": m.conditions(),
		"clientConfig": map[string]any{"url": server.URL, "caBundle": base64.StdEncoding.EncodeToString(
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))},
	}}
	s.Create(api.Webhooks, config)
	return func() { s.Remove(api.Webhooks, m.name) }
}

// mutated wants an object that is created to be mutated, or not to be.
func (s *sandbox) mutated(resource schema.GroupVersionResource, ns string, want bool) error {
	u := api.Object("v1", "ServiceAccount", ns, "probe")
	if resource == api.Secrets {
		u = api.Secret(ns, "probe", api.Credential("probe.example", "x"))
	}
	// All that the tests have taken away, or the patch is refused.
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "somebody"})
	u.SetAnnotations(map[string]string{"pullsecrets/added": "x", "pullsecrets/source": "x/x"})
	u.Object["imagePullSecrets"] = []any{map[string]any{"name": "x"}}
	if resource == api.Secrets {
		delete(u.Object, "imagePullSecrets")
	}
	u, err := s.Client.Resource(resource).Namespace(ns).Create(s.Ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	if got := u.GetAnnotations()["mutated"] == "yes"; got != want {
		return fmt.Errorf("mutated is %v", got)
	}
	return nil
}
