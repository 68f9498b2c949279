package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// kubectl runs the real one against the test's cluster.
func (s *sandbox) kubectl(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// appliers are the ways in which people's tools apply a service account without force. Each has to go on working after
// our last entry went: an owner of the list that is left behind makes it fail for ever.
var appliers = map[string]func(s *sandbox, ns, manifest string) error{
	"kubectl apply --server-side": func(s *sandbox, _, manifest string) error {
		out, err := s.kubectl(manifest, "apply", "--server-side", "-f", "-")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	},
	"kubectl apply": func(s *sandbox, _, manifest string) error {
		out, err := s.kubectl(manifest, "apply", "-f", "-")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	},
	"Helm 4": func(s *sandbox, ns, manifest string) error {
		_, err := s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "app", types.ApplyPatchType, []byte(manifest),
			metav1.PatchOptions{FieldManager: "helm", Force: ptr(false)})
		return err
	},
}

func TestAListIsGivenBackToWhoeverApplies(t *testing.T) {
	for name, apply := range appliers {
		for _, list := range []string{"", "imagePullSecrets: [{name: git}]\n", "imagePullSecrets: []\n"} {
			t.Run(name+" "+strings.TrimSpace(list), func(t *testing.T) {
				s := newSandbox(t)
				s.source("hub", credential("hub.example", "one"))
				ns := s.namespace("a")
				manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\n", ns)
				must(t, apply(s, ns, manifest+list))
				s.start()
				s.revised("Ready", oneRule+"  serviceAccounts: {include: [app]}\n")
				before, _ := s.listOf(ns, "app")
				if len(before) == 0 || before[len(before)-1] != s.name("reg") {
					t.Fatalf("the list is %v", before)
				}
				s.revised("Ready", noRules)
				s.wantNoCopy(ns, "reg")
				for _, next := range []string{"imagePullSecrets: [{name: git}, {name: second}]\n", list} {
					if err := apply(s, ns, manifest+next); err != nil {
						t.Errorf("after our last entry went, applying %q: %v", next, err)
					}
				}
			})
		}
	}
}
