package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestTheCheckOfAMergeRequest runs examples/ci/check.sh as a pipeline does: with the program that was built, the real
// kubectl, and a token of the account that examples/ci/plan-role.yaml makes.
func TestTheCheckOfAMergeRequest(t *testing.T) {
	s := newSandbox(t)
	role, err := os.ReadFile("../../examples/ci/plan-role.yaml")
	must(t, err)
	s.applied(string(role))
	t.Cleanup(func() { s.withdraw(string(role)) })
	s.source("dockerhub", credential("https://index.docker.io/v1/", "s3cret"))
	ns := s.namespace("a")
	c := newPipeline(s)

	status, out, plan := c.check()
	if status != 0 || !strings.Contains(out, "valid: 1 rule") {
		t.Errorf("exit %d, want 0\n%s", status, out)
	}
	for _, want := range []string{"| rule | what |", "create | secret regcred from pullsecrets/dockerhub", ns} {
		if !strings.Contains(plan, want) {
			t.Errorf("the comment lacks %q:\n%s", want, plan)
		}
	}
	if strings.Contains(out+plan, "s3cret") {
		t.Error("a credential was printed")
	}

	policy, roles := c.read("policy.yaml"), c.read("rbac.yaml")
	c.write("rbac.yaml", strings.Replace(roles, "  - regcred\n", "  - formerly\n  - regcred\n", 1))
	if status, out, _ := c.check(); status != 0 {
		t.Errorf("with roles that have one name more: exit %d, want 0\n%s", status, out)
	}
	c.write("rbac.yaml", roles)
	c.write("policy.yaml", strings.Replace(policy, "name: regcred", "name: other", 1))
	if status, out, _ := c.check(); status != 1 || !strings.Contains(out, "rbac.yaml lacks that") {
		t.Errorf("with roles of another policy: exit %d, want 1\n%s", status, out)
	}
	c.write("policy.yaml", strings.Replace(c.read("policy.yaml"), "secrets:", "secret:", 1))
	if status, out, _ := c.check(); status != 1 || !strings.Contains(out, `did you mean "secrets"?`) {
		t.Errorf("with a policy that is not valid: exit %d, want 1\n%s", status, out)
	}
	s.onlyReads("pullsecrets-plan")
}

// pipeline is a checkout of the example for Argo CD, and what a runner has installed.
type pipeline struct {
	s          *sandbox
	checkout   string
	folder     string // with the policy
	kubeconfig string
	path       string
}

func newPipeline(s *sandbox) *pipeline {
	s.t.Helper()
	// kustomize takes no temporary folder of macOS, which is a link.
	root, err := filepath.EvalSymlinks(s.t.TempDir())
	must(s.t, err)
	c := &pipeline{s: s, checkout: root, folder: root + "/examples/argocd/pullsecrets", kubeconfig: root + "/kubeconfig"}
	for _, part := range []string{"kustomize", "examples"} {
		must(s.t, os.CopyFS(filepath.Join(root, part), os.DirFS("../../"+part)))
	}
	program, err := theProgram()
	must(s.t, err)
	c.path = filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
	must(s.t, os.WriteFile(c.kubeconfig, []byte(s.kubeconfigOf("pullsecrets-plan")), 0o600))
	return c
}

func (c *pipeline) read(file string) string {
	c.s.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.folder, file))
	must(c.s.t, err)
	return string(text)
}

func (c *pipeline) write(file, text string) {
	c.s.t.Helper()
	must(c.s.t, os.WriteFile(filepath.Join(c.folder, file), []byte(text), 0o644))
}

// check runs the script and returns its status, what it said, and the comment that it left.
func (c *pipeline) check() (status int, said, plan string) {
	c.s.t.Helper()
	cmd := exec.Command("examples/ci/check.sh", "examples/argocd/pullsecrets")
	cmd.Dir = c.checkout
	cmd.Env = append(os.Environ(), "PATH="+c.path, "KUBECONFIG="+c.kubeconfig, "GITHUB_ACTIONS=")
	out, _ := cmd.CombinedOutput()
	text, _ := os.ReadFile(c.checkout + "/plan.md")
	return cmd.ProcessState.ExitCode(), string(out), string(text)
}

// kubeconfigOf is that of an account of the controller's namespace.
func (s *sandbox) kubeconfigOf(account string) string {
	s.t.Helper()
	request := object("authentication.k8s.io/v1", "TokenRequest", home, account)
	answer, err := s.client.Resource(accounts).Namespace(home).Create(s.ctx, request, metav1.CreateOptions{}, "token")
	must(s.t, err)
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	authority := s.config.CAData
	if len(authority) == 0 {
		authority, err = os.ReadFile(s.config.CAFile)
		must(s.t, err)
	}
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: a, user: {token: %s}}]}`,
		s.config.Host, base64.StdEncoding.EncodeToString(authority), token)
}

// onlyReads asks the API server about everything that an account may do.
func (s *sandbox) onlyReads(account string) {
	s.t.Helper()
	as := "system:serviceaccount:" + home + ":" + account
	for _, c := range []struct {
		want string
		ask  []string
	}{
		{"yes", []string{"list", "secrets/regcred", "-n", "kube-system"}},
		{"no", []string{"get", "secrets/other", "-n", "kube-system"}},
		{"no", []string{"list", "secrets", "-A"}},
		{"no", []string{"patch", "secrets/regcred", "-n", "kube-system"}},
		{"no", []string{"patch", "serviceaccounts/default", "-n", "default"}},
		{"no", []string{"patch", "configmaps/pullsecrets-policy", "-n", home}},
		{"no", []string{"create", "serviceaccounts/token", "-n", home}},
	} {
		out, _ := s.kubectl("", append([]string{"auth", "can-i", "--quiet=false", "--as", as}, c.ask...)...)
		if got := strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]); got != c.want {
			s.t.Errorf("%s may %v: %s", account, c.ask, out)
		}
	}
}
