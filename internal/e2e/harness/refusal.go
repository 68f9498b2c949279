package harness

import (
	"encoding/base64"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Canary is a password that must not be seen anywhere but in a Secret.
const Canary = "cAnArY-7fe1"

// DenyAndEcho has the API server refuse copies in a namespace with a message that holds the whole credential.
func (s *Sandbox) DenyAndEcho(ns string) {
	s.T.Helper()
	group := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1"}
	policy := api.Object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", s.Name("deny"))
	policy.Object["spec"] = map[string]any{
		"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
			"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"secrets"},
		}}},
		"validations": []any{map[string]any{
			"expression":        "false",
			"messageExpression": `"no: " + string(object.data[".dockerconfigjson"])`,
		}},
	}
	binding := api.Object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "", s.Name("deny"))
	binding.Object["spec"] = map[string]any{
		"policyName": s.Name("deny"), "validationActions": []any{"Deny"},
		"matchResources": map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"deny": s.Name("x")}}},
	}
	for resource, u := range map[string]*unstructured.Unstructured{"validatingadmissionpolicies": policy, "validatingadmissionpolicybindings": binding} {
		client := s.Client.Resource(group.GroupVersion().WithResource(resource))
		_, err := client.Create(s.Ctx, u, metav1.CreateOptions{})
		Must(s.T, err)
		s.T.Cleanup(func() { _ = client.Delete(s.Ctx, u.GetName(), metav1.DeleteOptions{}) })
	}
	s.Eventually("the API server refuses and echoes", func() error {
		u := api.Secret(ns, "probe", api.Credential("probe.example", Canary))
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Create(s.Ctx, u, metav1.CreateOptions{DryRun: []string{"All"}})
		if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			return fmt.Errorf("it does not: %v", err)
		}
		if !strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte(api.Credential("probe.example", Canary)))) {
			return fmt.Errorf("it does not echo: %v", err)
		}
		return nil
	})
}
