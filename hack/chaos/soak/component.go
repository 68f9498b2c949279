package soak

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const definition = "admissionrules.pullsecrets.internal"

// applyComponent applies what kustomize/components/admission brings into the cluster, as it stands.
func (s *soak) applyComponent(ctx context.Context) error {
	for _, file := range []string{"crd.yaml", "policy.yaml", "binding.yaml", "pods-policy.yaml", "pods-binding.yaml"} {
		text, err := os.ReadFile(filepath.Join(s.root, "kustomize", "components", "admission", file))
		if err != nil {
			return err
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(document, &u.Object); err != nil {
				return err
			}
			resource := map[string]schema.GroupVersionResource{
				"CustomResourceDefinition": api.Definitions, "MutatingAdmissionPolicy": api.AdmissionPolicies,
				"MutatingAdmissionPolicyBinding": api.AdmissionBindings,
			}[u.GetKind()]
			err := until(ctx, time.Minute, func() (bool, error) { // one that is still going is a conflict
				_, err := s.client.Resource(resource).Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
				return err == nil, err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// removeComponent deletes it, the definition last.
func (s *soak) removeComponent(ctx context.Context) error {
	for _, o := range []struct {
		resource schema.GroupVersionResource
		name     string
	}{
		{api.AdmissionBindings, "pullsecrets"}, {api.AdmissionBindings, "pullsecrets-pods"},
		{api.AdmissionPolicies, "pullsecrets"}, {api.AdmissionPolicies, "pullsecrets-pods"}, {api.Definitions, definition},
	} {
		err := s.client.Resource(o.resource).Delete(ctx, o.name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return until(ctx, time.Minute, func() (bool, error) {
		u, err := s.get(ctx, api.Definitions, key{name: definition})
		return u == nil, err
	})
}
