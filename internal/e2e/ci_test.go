package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestTheCheckOfAMergeRequest runs the action check as a pipeline does: with the program that was built, the real
// kubectl, and neither a cluster nor a credential.
func TestTheCheckOfAMergeRequest(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl: run make test")
	}
	c := newPipeline(t)
	check := func() (int, string) {
		return c.action("check", map[string]string{"folder": pipelineFolder}, "KUBECONFIG=/dev/null")
	}
	if status, out := check(); status != 0 || !strings.Contains(out, "valid: 1 rule") {
		t.Errorf("exit %d, want 0\n%s", status, out)
	}
	policy, roles := c.read("policy.yaml"), c.read("rbac.yaml")
	c.write("rbac.yaml", strings.Replace(roles, "  - regcred\n", "  - formerly\n  - regcred\n", 1))
	if status, out := check(); status != 0 {
		t.Errorf("with roles that have one name more: exit %d, want 0\n%s", status, out)
	}
	c.write("rbac.yaml", roles)
	c.write("policy.yaml", strings.Replace(policy, "name: regcred", "name: other", 1))
	if status, out := check(); status != 1 || !strings.Contains(out, "rbac.yaml lacks that") {
		t.Errorf("with roles of another policy: exit %d, want 1\n%s", status, out)
	}
	harness.Must(t, os.Remove(c.folder()+"/rbac.yaml"))
	kustomization := c.read("kustomization.yaml")
	c.write("kustomization.yaml", strings.Replace(kustomization, "patches:\n- path: rbac.yaml", "#", 1))
	if status, out := check(); status == 0 {
		t.Errorf("without roles: exit 0\n%s", out)
	}
	c.write("kustomization.yaml", kustomization)
	c.write("rbac.yaml", roles)
	c.write("policy.yaml", strings.Replace(c.read("policy.yaml"), "secrets:", "secret:", 1))
	if status, out := check(); status != 1 || !strings.Contains(out, `did you mean "secrets"?`) {
		t.Errorf("with a policy that is not valid: exit %d, want 1\n%s", status, out)
	}
}

// TestTheCheckFitsEachExample runs the check on the folders that a reader copies, also as docs/gitops.md has them before
// Kubernetes 1.36: the roles of each are taken, and those that lack a line are not.
func TestTheCheckFitsEachExample(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("needs kubectl: run make test")
	}
	const older = `sed -i s#overlays/production#overlays/production-before-1.36# "$FOLDER/kustomization.yaml"
pullsecrets rbac -f "$FOLDER/policy.yaml" >"$FOLDER/rbac.yaml"`
	for _, example := range []struct{ before, folder, controller string }{
		{"", "examples/argocd/pullsecrets", ""},
		{older, "examples/argocd/pullsecrets", ""},
		{"", "examples/flux/pullsecrets/policy", "examples/flux/pullsecrets/controller"},
		{"", "examples/flux/oci/policy", ""},
		{"", "kustomize/overlays/own-folder", ""},
	} {
		c := newPipeline(t)
		if status, out := c.bash(example.before, "FOLDER="+example.folder); status != 0 {
			t.Fatalf("%+v: %s", example, out)
		}
		inputs := map[string]string{"folder": example.folder, "controller": example.controller}
		if status, out := c.action("check", inputs, "KUBECONFIG=/dev/null"); status != 0 {
			t.Errorf("%+v: exit %d, want 0\n%s", example, status, out)
		}
		roles := filepath.Join(c.checkout, cmp.Or(example.controller, example.folder), "rbac.yaml")
		text, err := os.ReadFile(roles)
		harness.Must(t, err)
		for _, line := range []string{"  - regcred\n", "  - admissionrules\n"} {
			lacking := strings.ReplaceAll(string(text), line, "")
			if lacking == string(text) || line == "  - admissionrules\n" && example.folder == "examples/flux/oci/policy" {
				continue // nothing in that folder says which controller it is for
			}
			harness.Must(t, os.WriteFile(roles, []byte(lacking), 0o644))
			if status, out := c.action("check", inputs, "KUBECONFIG=/dev/null"); status != 1 || !strings.Contains(out, "rbac.yaml lacks that") {
				t.Errorf("%+v without %q: exit %d, want 1\n%s", example, line, status, out)
			}
		}
	}
}

// TestThePlanOfAMergeRequest runs the action plan with a token of the account that examples/ci/plan-role.yaml makes, on
// commits that are not checked out.
func TestThePlanOfAMergeRequest(t *testing.T) {
	s := newSandbox(t)
	s.planRole()
	s.Source("dockerhub", api.Credential("https://index.docker.io/v1/", "s3cret"))
	ns := s.Namespace("a")
	c := newPipeline(t)
	kubeconfig := s.kubeconfigOf(api.Home, "pullsecrets-plan")
	plan := func(commit string) (status int, said, comment string) {
		harness.Must(t, os.RemoveAll(c.checkout+"/plan.md"))
		status, said = c.action("plan", map[string]string{"folder": pipelineFolder, "commit": commit, "kubeconfig": kubeconfig})
		text, _ := os.ReadFile(c.checkout + "/plan.md")
		return status, said, string(text)
	}

	status, said, comment := plan(c.commit())
	for _, want := range []string{"| rule | what |", "create | secret regcred from pullsecrets/dockerhub", ns} {
		if status != 0 || !strings.Contains(comment, want) {
			t.Errorf("exit %d, the comment lacks %q:\n%s%s", status, want, comment, said)
		}
	}
	if strings.Contains(said+comment, "s3cret") {
		t.Error("a credential was printed")
	}
	policy := c.read("policy.yaml")
	c.write("policy.yaml", strings.Replace(policy, "secrets:", "secret:", 1))
	if status, said, comment := plan(c.commit()); status != 3 || !strings.Contains(said, `did you mean "secrets"?`) || comment != "" {
		t.Errorf("with a policy that is not valid: exit %d, want 3\n%s%s", status, comment, said)
	}
	c.write("policy.yaml", policy)

	// What a contributor might try: a link to what the job has, and a kustomization that fetches.
	var fetched atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Store(true) }))
	defer server.Close()
	c.write("kustomization.yaml", "resources: ["+server.URL+"/base.yaml]\n")
	c.write("line\n::error::of a log.yaml", "rules: 7\napiVersion: pullsecrets/v1alpha1\nkind: Policy\n")
	c.write("huge.yaml", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n"+strings.Repeat("- name: a\n", 60_000))
	secret := filepath.Join(t.TempDir(), "secret")
	harness.Must(t, os.WriteFile(secret, []byte("rules: s3cret\napiVersion: pullsecrets/v1alpha1\nkind: Policy\n"), 0o600))
	harness.Must(t, os.Symlink(secret, filepath.Join(c.folder(), "another.yaml")))
	if status, said, comment := plan(c.commit()); status != 0 || strings.Contains(said+comment, "s3cret") || fetched.Load() || strings.Contains(said, "\n::error") {
		t.Errorf("exit %d, fetched %t\n%s%s", status, fetched.Load(), comment, said)
	}
	if left, _ := filepath.Glob(c.temp + "/kubeconfig*"); len(left) > 0 {
		t.Errorf("the kubeconfig is left in %v", left)
	}
	for _, commit := range []string{"HEAD", "--output=/tmp/x", strings.Repeat("0", 40)} {
		if status, said, _ := plan(commit); status == 0 {
			t.Errorf("of %s there is a plan:\n%s", commit, said)
		}
	}
	s.onlyReads("pullsecrets-plan")
}

// ghStandIn writes down what is asked for, and answers from $ANSWERS as gh does.
const ghStandIn = `#!/usr/bin/env bash
all="$*"
while [ $# -gt 0 ]; do [ "$1" = --jq ] && jq=$2; shift; done
case $all in
"pr view "*) jq -r "$jq" "$ANSWERS/pr" ;;
*--paginate*) jq -r "$jq" "$ANSWERS/comments" ;;
*) echo "$all" ;;
esac
`

// TestGitHubsPullRequestHasOneCommentOfOurs runs the last step of examples/ci/github-plan.yaml: only the plan's own
// comment is renewed, and none is made where another commit is.
func TestGitHubsPullRequestHasOneCommentOfOurs(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is not installed")
	}
	text, err := os.ReadFile("../../examples/ci/github-plan.yaml")
	harness.Must(t, err)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	harness.Must(t, yaml.Unmarshal(text, &workflow))
	steps := workflow.Jobs["plan"].Steps
	last := steps[len(steps)-1]
	folder := t.TempDir()
	harness.Must(t, os.WriteFile(folder+"/gh", []byte(ghStandIn), 0o755))
	harness.Must(t, os.WriteFile(folder+"/pr", []byte(`{"number": 7, "headRefOid": "c0ffee"}`), 0o600))
	comment := func(id int, login, body string) string {
		return fmt.Sprintf(`{"id": %d, "user": {"login": %q}, "body": %q}`, id, login, body)
	}
	another := comment(1, "github-actions[bot]", "coverage 80 %")
	forged := comment(2, "somebody", last.Env["MARK"])
	ours := comment(3, "github-actions[bot]", "a plan\n\n"+last.Env["MARK"]+"\n")
	for _, tt := range []struct{ commit, comments, want string }{
		{"c0ffee", another + "," + forged, "POST repos/o/r/issues/7/comments"},
		{"c0ffee", another + "," + forged + "," + ours, "PATCH repos/o/r/issues/comments/3"},
		{"another", ours, ""},
	} {
		harness.Must(t, os.WriteFile(folder+"/comments", []byte("["+tt.comments+"]"), 0o600))
		harness.Must(t, os.WriteFile(folder+"/plan.md", []byte("a plan\n"), 0o600))
		cmd := exec.Command("bash", "--noprofile", "--norc", "-e", "-c", last.Run)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "ANSWERS="+folder, "COMMIT="+tt.commit, "HEAD=-rf", "GH_REPO=o/r", "MARK="+last.Env["MARK"])
		out, _ := cmd.CombinedOutput()
		plan, err := os.ReadFile(folder + "/plan.md")
		harness.Must(t, err)
		if ok := cmd.ProcessState.Success(); ok != (tt.want != "") || !strings.Contains(string(out), tt.want) || ok && !strings.Contains(string(plan), last.Env["MARK"]) {
			t.Errorf("%s: want %q, but %v: %s", tt.comments, tt.want, cmd.ProcessState, out)
		}
	}
}

// TestGitLabsOpenMergeRequestsAreCommentedOnce runs examples/ci/plan-merge-requests.sh against a server that answers as
// GitLab's API does, and a repository that has the merge requests as GitLab keeps them.
func TestGitLabsOpenMergeRequestsAreCommentedOnce(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is not installed")
	}
	s := newSandbox(t)
	s.planRole()
	s.Source("dockerhub", api.Credential("https://index.docker.io/v1/", "s3cret"))
	s.Namespace("a")
	c := newPipeline(t)
	main := c.commit()
	policy := c.read("policy.yaml")
	c.write("policy.yaml", policy+"# more\n")
	changed := c.commit()
	c.write("policy.yaml", "rules: 7\n")
	broken := c.commit()
	c.git("checkout", "-q", main)
	harness.Must(t, os.WriteFile(c.checkout+"/README", nil, 0o644))
	elsewhere := c.commit()
	c.git("checkout", "-q", main)
	for number, commit := range map[string]string{"1": changed, "2": elsewhere, "3": broken} {
		c.git("update-ref", "refs/merge-requests/"+number+"/head", commit)
	}
	c.git("remote", "add", "origin", c.checkout)
	gitlab := &fakeGitLab{
		open: fmt.Sprintf(`[{"iid": 1, "sha": %q}, {"iid": 2, "sha": %q}, {"iid": 3, "sha": %q}, {"iid": 4, "sha": null}]`, changed, elsewhere, broken),
		// Whoever does not want a plan to be seen says that there is one.
		said: fmt.Sprintf("All is well <!-- pullsecrets plan of %s -->", changed),
	}
	server := httptest.NewServer(gitlab)
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, os.WriteFile(kubeconfig, []byte(s.kubeconfigOf(api.Home, "pullsecrets-plan")), 0o600))

	plan := func(kubeconfig string) (int, string) {
		return c.bash(`examples/ci/plan-merge-requests.sh "$FOLDER"`, "FOLDER="+pipelineFolder, "KUBECONFIG="+kubeconfig,
			"CI_API_V4_URL="+server.URL, "CI_PROJECT_ID=7", "COMMENT_TOKEN=t0ken")
	}
	if status, said := plan("/dev/null"); status != 1 || !strings.Contains(said, "merge request 1: the plan could not be made") || len(gitlab.comments()) > 0 {
		t.Errorf("without a cluster: exit %d, %q\n%s", status, gitlab.comments(), said)
	}
	for range 2 {
		if status, said := plan(kubeconfig); status != 0 || !strings.Contains(said, "merge request 3: the policy is not valid") {
			t.Errorf("exit %d\n%s", status, said)
		}
	}
	if len(gitlab.comments()) != 1 || !strings.Contains(gitlab.comments()[0], "1: ") || !strings.Contains(gitlab.comments()[0], "create | secret regcred") {
		t.Errorf("the comments are %q", gitlab.comments())
	}
	gitlab.mu.Lock()
	defer gitlab.mu.Unlock()
	if gitlab.stranger != "" {
		t.Errorf("%s came without the token", gitlab.stranger)
	}
}

// fakeGitLab has open merge requests and keeps the comments.
type fakeGitLab struct {
	open string
	said string // by somebody else, of each merge request

	mu       sync.Mutex
	notes    []string // NUMBER: TEXT
	stranger string   // a request without the token
}

// comments returns the comments so far.
func (g *fakeGitLab) comments() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.notes)
}

func (g *fakeGitLab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	const requests = "/projects/7/merge_requests"
	if r.Header.Get("PRIVATE-TOKEN") != "t0ken" {
		g.stranger = r.URL.Path
	}
	number := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, requests+"/"), "/notes")
	switch {
	case r.URL.Path == "/user":
		fmt.Fprint(w, `{"id": 12}`)
	case r.URL.Path == requests:
		fmt.Fprint(w, g.open)
	case r.Method == http.MethodPost:
		g.notes = append(g.notes, number+": "+r.FormValue("body"))
	default:
		type author struct {
			ID int `json:"id"`
		}
		type note struct {
			Author author `json:"author"`
			Body   string `json:"body"`
		}
		all := []note{{author{13}, g.said}}
		for _, n := range g.notes {
			if text, ok := strings.CutPrefix(n, number+": "); ok {
				all = append(all, note{author{12}, text})
			}
		}
		_ = json.NewEncoder(w).Encode(all)
	}
}

// planRole applies examples/ci/plan-role.yaml for the time of a test.
func (s *sandbox) planRole() {
	s.T.Helper()
	role, err := os.ReadFile("../../examples/ci/plan-role.yaml")
	harness.Must(s.T, err)
	s.Apply(string(role))
	s.T.Cleanup(func() { s.Withdraw(string(role)) })
}

// onlyReads asks the API server about everything that an account may do.
func (s *sandbox) onlyReads(account string) {
	s.T.Helper()
	as := "system:serviceaccount:" + api.Home + ":" + account
	for _, c := range []struct {
		want string
		ask  []string
	}{
		{"yes", []string{"list", "secrets/regcred", "-n", "kube-system"}},
		{"no", []string{"get", "secrets/other", "-n", "kube-system"}},
		{"no", []string{"list", "secrets", "-A"}},
		{"no", []string{"patch", "secrets/regcred", "-n", "kube-system"}},
		{"no", []string{"patch", "serviceaccounts/default", "-n", "default"}},
		{"no", []string{"patch", "configmaps/pullsecrets-policy", "-n", api.Home}},
		{"no", []string{"create", "serviceaccounts/token", "-n", api.Home}},
	} {
		out, _ := s.Kubectl("", append([]string{"auth", "can-i", "--quiet=false", "--as", as}, c.ask...)...)
		if got := strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]); got != c.want {
			s.T.Errorf("%s may %v: %s", account, c.ask, out)
		}
	}
}
