package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

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
	s.Source("hub", api.Credential("hub.example", "one"))
	good, excluded, out, foreign := s.Namespace("good", "team=a"), s.Namespace("excluded"), s.Namespace("out"), s.Namespace("foreign")
	s.Account(good, "builder")
	s.Account(good, "shy")
	s.Merge(api.Accounts, good, "shy", `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.Merge(api.Namespaces, "", out, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.Create(api.Secrets, api.Secret(foreign, s.Name("reg"), api.Credential("hub.example", "theirs-canary")))
	s.Pod(good, "early", "default")
	s.Merge(api.Accounts, good, "builder", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.Pod(good, "building", "builder")
	for _, ns := range []string{excluded, out, foreign} {
		s.Pod(ns, "web", "default")
	}
	s.Start()
	s.Revised("Degraded", explained)
	s.WantList(good, "default", "+reg")
	s.WantPod(good, "default", nil, "reg") // the API server takes the account from a cache
	s.Pod(good, "late", "default")
	s.Pod(good, "own", "default", "mine")
	s.Pod(good, "shy", "shy")

	kubeconfig := s.Kubeconfig
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
		status, text, errs := s.Command(append([]string{"explain", "-kubeconfig", kubeconfig}, c.args...)...)
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
		if status, _, errs := s.Command(append([]string{"explain", "-kubeconfig", kubeconfig}, args...)...); status != 1 || errs == "" {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
	s.Revised("Invalid", " 7")
	if _, text, _ := s.Command("explain", "-kubeconfig", kubeconfig, good); !strings.Contains(text, "the last good policy is in force") || !strings.Contains(text, "InSync") {
		t.Errorf("with a policy that was refused: %s", text)
	}
	if testing.Verbose() {
		for _, target := range []string{"pod/early", "pod/building"} {
			_, text, _ := s.Command("explain", "-kubeconfig", kubeconfig, good, target)
			t.Log(text)
		}
	}
	harness.Must(t, s.Client.Resource(api.Pods).Namespace(good).DeleteCollection(s.Ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{}))
}

func TestItIsAKubectlPlugin(t *testing.T) {
	s := newSandbox(t)
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "kubectl-pullsecrets"), "github.com/pullsecrets/pullsecrets")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("kubectl", "pullsecrets", "explain", "kube-system", "-f", s.PolicyFile(harness.NoRules))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "KUBECONFIG="+s.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the policy has no rules") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestExplainSaysWhatTheStatusKnows has a namespace whose copies are denied, and one whose account somebody insists on.
// explain says so, live and from a dump.
func TestExplainSaysWhatTheStatusKnows(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example:5000", "one"))
	fine, denied := s.Namespace("fine"), s.Namespace("denied", "deny="+s.Name("x"))
	s.DenyAndEcho(denied)
	quota := s.Namespace("quota")
	limit := api.Object("v1", "ResourceQuota", quota, "none")
	limit.Object["spec"] = map[string]any{"hard": map[string]any{"secrets": "0"}}
	quotas := api.Secrets.GroupVersion().WithResource("resourcequotas")
	limit = s.Create(quotas, limit)
	limit.Object["status"] = map[string]any{"hard": map[string]any{"secrets": "0"}, "used": map[string]any{"secrets": "0"}} // as its controller does
	_, err := s.Client.Resource(quotas).Namespace(quota).UpdateStatus(s.Ctx, limit, metav1.UpdateOptions{})
	harness.Must(t, err)
	s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "denied by ValidatingAdmissionPolicy", "exceeded quota")
	s.WantList(fine, "default", "+reg")
	s.Eventually("the status tells of both", func() error {
		text := fmt.Sprint(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"])
		if !strings.Contains(text, "exceeded quota") || !strings.Contains(text, denied) {
			return fmt.Errorf("it tells %s", text)
		}
		return nil
	})
	s.Pod(fine, "web", "default")
	dump, err := s.Kubectl("", "get", "ns,sa,secrets,cm,pods", "-A", "-o", "yaml", "--show-managed-fields")
	harness.Must(t, err)
	file := filepath.Join(t.TempDir(), "dump.yaml")
	harness.Must(t, os.WriteFile(file, []byte(dump), 0o600))
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{denied}, []string{
			"Missing: the controller cannot create it: ", "denied by ValidatingAdmissionPolicy '" + s.Name("deny") + "' (WriteFailed)",
			s.Name("reg") + " (rule hub): there; pullsecrets added it",
		}},
		{[]string{quota}, []string{"exceeded quota: none (WriteFailed)"}},
		{[]string{fine, "pod/web"}, []string{"container c, image hub.example/x: no pull secret of the pod has an entry for hub.example; it is pulled without a credential"}},
	} {
		for name, args := range map[string][]string{
			"live": {"-kubeconfig", s.Kubeconfig}, "from a dump": {"-dump", file},
		} {
			status, text, errs := s.Command(append(append([]string{"explain"}, args...), c.args...)...)
			if status != 0 {
				t.Errorf("%s, %v: status %d\n%s", name, c.args, status, errs)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%s, %v: lacks %q\n%s", name, c.args, w, text)
				}
			}
			if strings.Contains(text, "is about to") {
				t.Errorf("%s, %v: it is not about to\n%s", name, c.args, text)
			}
		}
	}
	harness.Must(t, s.Client.Resource(api.Pods).Namespace(fine).DeleteCollection(s.Ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{}))
}
