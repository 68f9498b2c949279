package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Kubectl runs the real one against the test's cluster.
func (c *Cluster) Kubectl(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", args...)
	// It keeps what an API server offers by its address, and an earlier one of another version may have had this port.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+filepath.Join(filepath.Dir(c.Kubeconfig), "kubectl-cache"))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Appliers are the ways in which people's tools apply a service account without force. Each has to go on working after
// our last entry went: an owner of the list that is left behind makes it fail for ever.
var Appliers = map[string]func(s *Sandbox, ns, manifest string) error{
	"kubectl apply --server-side": func(s *Sandbox, _, manifest string) error {
		out, err := s.Kubectl(manifest, "apply", "--server-side", "-f", "-")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	},
	"kubectl apply": func(s *Sandbox, _, manifest string) error {
		out, err := s.Kubectl(manifest, "apply", "-f", "-")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	},
	"Helm 4": func(s *Sandbox, ns, manifest string) error {
		_, err := s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "app", types.ApplyPatchType, []byte(manifest),
			metav1.PatchOptions{FieldManager: "helm", Force: new(false)})
		return err
	},
}

// Apply applies manifests. Unknown fields are errors.
func (s *Sandbox) Apply(manifests string) {
	s.T.Helper()
	if out, err := s.Kubectl(manifests, "apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"); err != nil {
		s.T.Fatalf("%v\n%s", err, out)
	}
}

// ApplyUntilEnd applies manifests in an empty cluster, compares, and takes them away again.
func (s *Sandbox) ApplyUntilEnd(manifests string) {
	s.T.Helper()
	s.T.Cleanup(func() { s.Withdraw(manifests) })
	s.Apply(manifests)
	if out, err := s.Kubectl(manifests, "diff", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		s.T.Errorf("what was applied is not what is there: %v\n%s", err, out)
	}
}

// Withdraw deletes what was applied. The controller's namespace stays, because all tests use it, without its labels.
func (s *Sandbox) Withdraw(manifests string) {
	s.T.Helper()
	var rest []string
	admission := false
	for doc := range strings.SplitSeq(manifests, "\n---\n") {
		u := &unstructured.Unstructured{}
		Must(s.T, yaml.Unmarshal([]byte(doc), &u.Object))
		switch {
		case u.GetKind() == "Namespace" && u.GetName() == api.Home:
			s.Apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + api.Home + "}\n")
		case u.GetKind() == "MutatingAdmissionPolicy":
			admission = true // it goes in the order in which the API server forgets it
		case u.GetKind() == "MutatingAdmissionPolicyBinding", u.GetKind() == "CustomResourceDefinition" && admission:
		default:
			rest = append(rest, doc)
		}
	}
	if admission {
		s.RemoveComponent()
	}
	if out, err := s.Kubectl(strings.Join(rest, "\n---\n"), "delete", "--ignore-not-found", "-f", "-"); err != nil {
		s.T.Errorf("%v\n%s", err, out)
	}
}
