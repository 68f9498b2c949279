package cli

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the generated files as they have to be")

// command runs the program as the command line does.
func command(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// TestRbacOfTheManifests holds the roles that are shipped against the policies that they are for.
func TestRbacOfTheManifests(t *testing.T) {
	for _, c := range []struct {
		policy, roles string
		flags         []string
	}{
		{"../../examples/policy.yaml", "../../kustomize/base/rbac.yaml", nil},
		{"../../kustomize/base/policy.yaml", "../../kustomize/base/rbac.yaml", nil},
		{"../../kustomize/overlays/own-folder/policy.yaml", "../../kustomize/overlays/own-folder/rbac.yaml", nil},
		{"../../kustomize/overlays/pods/policy.yaml", "../../kustomize/overlays/pods/rbac.yaml", []string{"-admission"}},
		{"../../examples/argocd/pullsecrets/policy.yaml", "../../examples/argocd/pullsecrets/rbac.yaml", []string{"-admission"}},
		{"../../examples/flux/pullsecrets/policy/policy.yaml", "../../examples/flux/pullsecrets/controller/rbac.yaml", []string{"-admission"}},
		{"../../examples/flux/oci/policy/policy.yaml", "../../examples/flux/oci/policy/rbac.yaml", []string{"-admission"}},
		{"", "../../kustomize/components/evict/rbac.yaml", []string{"-evict"}},
	} {
		t.Run(c.roles, func(t *testing.T) {
			args := append([]string{"rbac"}, c.flags...)
			if c.policy != "" {
				args = append(args, "-f", c.policy)
			}
			status, got, errs := command(t, "", args...)
			if status != 0 || errs != "" {
				t.Fatalf("exit %d: %s", status, errs)
			}
			want, err := os.ReadFile(c.roles)
			if *update && err == nil && string(want) != got {
				if err := os.WriteFile(c.roles, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
				t.Errorf("%s is stale, run go test ./internal/cli -run Rbac -update: %v\n%s", c.roles, err, diff)
			}
		})
	}
}

// TestRbacInTheReadme holds the role that the README shows against the one that is shipped.
func TestRbacInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n([^`]*kind: ClusterRole\n.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README shows no ClusterRole")
	}
	shipped, err := os.ReadFile("../../kustomize/base/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(shipped), "\n---\n")
	var shown, want rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(block[1], &shown); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(first), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("(-shipped +shown):\n%s", diff)
	}
}

const smallest = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- {name: a, secrets: [{source: {name: hub}}]}\n"

func TestRbacReadsStandardInputAndAsksNoCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", "/does/not/exist")
	status, out, errs := command(t, smallest, "rbac", "-f", "-", "-namespace", "elsewhere", "-policy", "mine", "-also", "old, older", "-admission")
	if status != 0 || errs != "" {
		t.Fatalf("exit %d: %s", status, errs)
	}
	for _, want := range []string{"  - hub\n  - old\n  - older\n", "  - mine\n", "  namespace: elsewhere\n", "  - admissionrules\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "namespace: pullsecrets") {
		t.Errorf("the default namespace is in\n%s", out)
	}
}

func TestRbacRefuses(t *testing.T) {
	elsewhere := strings.Replace(smallest, "{name: hub}", "{name: hub, namespace: vault}", 1)
	for _, c := range []struct {
		why, policy string
		args        []string
		want        string
	}{
		{"what to print roles for has to be said", "", nil, "-f"},
		{"a role for a policy that is refused would be signed for nothing", "kind: Policy", []string{"-f", "-"}, "not valid"},
		{"an editor of the policy cannot have secrets read from elsewhere", elsewhere, []string{"-f", "-"}, "vault"},
		{"* is no wildcard in resourceNames, and whoever writes it expects one", smallest, []string{"-f", "-", "-also", "*"}, `"*"`},
		{"a namespace's name", smallest, []string{"-f", "-", "-namespace", "No"}, `"No"`},
		{"a ConfigMap's name", smallest, []string{"-f", "-", "-policy", "No"}, `"No"`},
		{"a file that is not there", "", []string{"-f", "/does/not/exist"}, "no such file"},
		{"roles for a namespace's name that is none", "", []string{"-evict", "-namespace", "No"}, `"No"`},
		{"a word too many", smallest, []string{"-f", "-", "more"}, `"more"`},
		{"two roles in one file would be signed as one", smallest, []string{"-evict", "-f", "-"}, "-f, -also"},
	} {
		t.Run(c.why, func(t *testing.T) {
			status, out, errs := command(t, c.policy, append([]string{"rbac"}, c.args...)...)
			if status == 0 || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d, printed %q, said %q, want %q in it", status, out, errs, c.want)
			}
		})
	}
	if status, _, errs := command(t, elsewhere, "rbac", "-f", "-", "-source-namespaces", "vault"); status != 0 {
		t.Errorf("with -source-namespaces it is fine, but: exit %d: %s", status, errs)
	}
}
