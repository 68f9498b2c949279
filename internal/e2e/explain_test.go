package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// pod creates a pod, which gets the pull secrets of its service account if it names none.
func (s *sandbox) pod(ns, name, account string, pullSecrets ...string) {
	s.t.Helper()
	u := object("v1", "Pod", ns, name)
	u.Object["spec"] = map[string]any{
		"serviceAccountName": account,
		"containers":         []any{map[string]any{"name": "c", "image": "hub.example/x"}},
	}
	var list []any
	for _, p := range pullSecrets {
		list = append(list, map[string]any{"name": p})
	}
	if list != nil {
		u.Object["spec"].(map[string]any)["imagePullSecrets"] = list
	}
	s.create(pods, u)
}

const explained = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], exclude: ["PREFIXexcluded"]}
- name: labelled
  secrets: [{source: {name: gone}, name: PREFIXgone}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: a}}}
`

func TestExplainIsRightForEachCause(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	good, excluded, out, foreign := s.namespace("good", "team=a"), s.namespace("excluded"), s.namespace("out"), s.namespace("foreign")
	s.account(good, "builder")
	s.account(good, "shy")
	s.merge(accounts, good, "shy", `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.merge(namespaces, "", out, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.create(secrets, secret(foreign, s.name("reg"), credential("hub.example", "theirs-canary")))
	s.pod(good, "early", "default")
	s.merge(accounts, good, "builder", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.pod(good, "building", "builder")
	for _, ns := range []string{excluded, out, foreign} {
		s.pod(ns, "web", "default")
	}
	s.start()
	s.revised("Degraded", explained)
	s.wantList(good, "default", "+reg")
	s.pod(good, "late", "default")
	s.pod(good, "own", "default", "mine")
	s.pod(good, "shy", "shy")

	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	for _, c := range []struct {
		why    string
		args   []string
		want   []string
		absent []string
	}{
		{"all is well", []string{good, "pod/late"}, []string{"reg (rule hub): the pod has it"}, []string{"created before"}},
		{"it was created too early", []string{good, "pod/early"}, []string{"before its service account had the name", "restart its workload"}, nil},
		{"it sets its own", []string{good, "pod/own"}, []string{"sets imagePullSecrets itself (mine)"}, nil},
		{"its source is missing", []string{good, "pod/late"}, []string{"gone (rule labelled)", "the source secret does not exist"}, nil},
		{"no rule selects its account", []string{good, "pod/building"}, []string{"no rule gives its service account", `rule hub does not select the service account (include has no glob that matches it: "default")`}, nil},
		{"its account is opted out", []string{good, "pod/shy"}, []string{"its annotation opts it out"}, nil},
		{"no rule selects its namespace", []string{excluded, "pod/web"}, []string{"rule hub does not select the namespace (exclude has a glob that matches it", "the selector asks for team=a, and it has no label team"}, nil},
		{"its namespace is opted out", []string{out, "pod/web"}, []string{"its namespace is opted out"}, nil},
		{"a secret of somebody else is in the way", []string{foreign, "pod/web"}, []string{"its service account lacks it: not added", "is left alone, and its name is not added", "owned by somebody (Update)"}, nil},
		{"a whole namespace", []string{good}, []string{"serviceaccount default", "serviceaccount builder", "there; pullsecrets added it", "InSync", "written by pullsecrets 20"}, nil},
		{"one account", []string{good, "serviceaccount/default"}, []string{"serviceaccount default"}, []string{"serviceaccount builder"}},
		{"the namespace as kubectl takes it", []string{"pod/own", "-n", good}, []string{"sets imagePullSecrets itself (mine)"}, nil},
		{"flags after the arguments", []string{good, "sa/default", "-o", "json"}, []string{`"serviceAccounts"`}, nil},
	} {
		status, text, errs := s.command(append([]string{"explain", "-kubeconfig", kubeconfig}, c.args...)...)
		if status != 0 {
			t.Errorf("%s: status %d\n%s", c.why, status, errs)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: lacks %q\n%s", c.why, w, text)
			}
		}
		for _, w := range append(c.absent, "theirs-canary") {
			if strings.Contains(text, w) {
				t.Errorf("%s: has %q\n%s", c.why, w, text)
			}
		}
	}
	for _, args := range [][]string{{good, "node/x"}, {"-n", good, out}, {"nope-" + good}, {good, "pod/nope"}, {good, "sa/nope"}, {"Not_A_Name"}} {
		if status, _, errs := s.command(append([]string{"explain", "-kubeconfig", kubeconfig}, args...)...); status != 1 || errs == "" {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
	s.revised("Invalid", " 7")
	if _, text, _ := s.command("explain", "-kubeconfig", kubeconfig, good); !strings.Contains(text, "the last good policy is in force") || !strings.Contains(text, "InSync") {
		t.Errorf("with a policy that was refused: %s", text)
	}
	if testing.Verbose() {
		for _, target := range []string{"pod/early", "pod/building"} {
			_, text, _ := s.command("explain", "-kubeconfig", kubeconfig, good, target)
			t.Log(text)
		}
	}
	must(t, s.client.Resource(pods).Namespace(good).DeleteCollection(s.ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}, metav1.ListOptions{}))
}

func TestItIsAKubectlPlugin(t *testing.T) {
	s := newSandbox(t)
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "kubectl-pullsecrets"), "github.com/pullsecrets/pullsecrets")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("kubectl", "pullsecrets", "explain", "kube-system", "-f", s.policyFile(noRules))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "KUBECONFIG="+os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the policy has no rules") {
		t.Errorf("%v\n%s", err, out)
	}
}
