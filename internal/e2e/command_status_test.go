package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// status runs pullsecrets status with all rights.
func (s *sandbox) status(args ...string) (code int, out, errs string) {
	s.T.Helper()
	return s.Command(append([]string{"status", "-kubeconfig", s.Kubeconfig}, args...)...)
}

// overview is what pullsecrets status -o json prints.
func (s *sandbox) overview() *overview.Overview {
	s.T.Helper()
	_, out, errs := s.status("-o", "json")
	o := &overview.Overview{}
	if err := json.Unmarshal([]byte(out), o); err != nil {
		s.T.Fatalf("%v\n%s%s", err, out, errs)
	}
	return o
}

// wantExit wants an exit status of pullsecrets status, and words in what it prints.
func (s *sandbox) wantExit(code int, args []string, words ...string) {
	s.T.Helper()
	got, out, errs := s.status(args...)
	for _, w := range words {
		if !strings.Contains(out+errs, w) {
			s.T.Errorf("status %v lacks %q", args, w)
		}
	}
	if got != code || s.T.Failed() {
		s.T.Fatalf("status %v ends with %d, want %d\n%s%s", args, got, code, out, errs)
	}
}

func waitFor(revision string) []string {
	return []string{"-wait", "-revision", revision, "-timeout", "60s"}
}

// TestStatusWaitsForTheRevisionThatIsMeant through an edit, a refused edit, one that is degraded, a revert and a restart.
func TestStatusWaitsForTheRevisionThatIsMeant(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.wantExit(2, nil, "there is no policy ConfigMap pullsecrets/pullsecrets-policy", "no controller wrote one")
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	s.wantExit(2, nil, "no controller has judged the policy yet")
	s.wantExit(2, []string{"-wait", "-timeout", "5s"}, "could not tell within 5s", "no controller has judged the policy yet")
	r := s.Start()
	s.wantExit(0, waitFor("one"), "Ready")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.wantExit(0, nil, "hub", "pullsecrets/hub", "hub.example", "in force in all namespaces that it selects")

	// An edit: what the wait returns for is there.
	s.Policy(strings.ReplaceAll(harness.OneRule, "PREFIXreg", "PREFIXnew"), "pullsecrets/revision=two")
	s.wantExit(0, waitFor("two"), "Ready")
	if _, err := s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, s.Name("new"), metav1.GetOptions{}); err != nil {
		t.Errorf("the wait ended, and: %v", err)
	}
	s.wantExit(2, []string{"-wait", "-revision", "never", "-timeout", "5s"}, `the revision of the policy ConfigMap is "two", not "never"`)

	s.Policy("  {}\n", "pullsecrets/revision=three") // refused: at once
	began := time.Now()
	s.wantExit(1, waitFor("three"), "Invalid", "the last good policy stays in force")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a refusal took %s", took)
	}

	s.Policy(strings.ReplaceAll(harness.OneRule, "name: hub}", "name: none}"), "pullsecrets/revision=four")
	s.wantExit(1, waitFor("four"), "Degraded", "SourceMissing", "pullsecrets/none")

	// A revert to a text that was there before, while nobody looks: only what is judged by then counts.
	r.Stop()
	s.Policy(harness.OneRule, "pullsecrets/revision=five")
	s.wantExit(2, []string{"-wait", "-revision", "five", "-timeout", "5s"}, "the text was edited, and no controller has judged it yet")
	s.wantExit(1, nil, "Progressing")
	s.Start()
	s.wantExit(0, waitFor("five"), "Ready")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.wantExit(0, []string{"-wait"}, "revision five")
}

// TestARevertDuringARollOutIsWaitedFor to the text and the revision that the annotations have told of all the time.
func TestARevertDuringARollOutIsWaitedFor(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	hold := &hold{of: ns, reached: make(chan struct{}, 1)}
	s.Start(harness.Before(hold.before))
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	s.wantExit(0, waitFor("one"), "Ready")
	hold.close()
	s.Policy(strings.ReplaceAll(harness.OneRule, "PREFIXreg", "PREFIXnew"), "pullsecrets/revision=two")
	<-hold.reached
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	s.Eventually("the annotations tell of the text as if it had never left", func() error {
		if o := s.overview(); o.InForce != o.Text || o.Verdict != "Ready" || !o.Judged {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	s.wantExit(2, []string{"-wait", "-revision", "one", "-timeout", "5s"}, "is being rolled out")
	s.wantExit(1, nil, "Progressing")
	hold.open()
	s.wantExit(0, waitFor("one"), "Ready")
	s.WantNoCopy(ns, "new")
}

// hold holds up the writes of a namespace's service account while it is closed.
type hold struct {
	of      string
	reached chan struct{} // has something to receive when a write came
	gate    atomic.Pointer[chan struct{}]
}

func (h *hold) close() {
	gate := make(chan struct{})
	h.gate.Store(&gate)
}

func (h *hold) open() { close(*h.gate.Swap(nil)) }

func (h *hold) before(r *http.Request) {
	gate := h.gate.Load()
	if gate == nil || !harness.IsWrite(r, h.of, "serviceaccounts", "default") {
		return
	}
	select {
	case h.reached <- struct{}{}:
	default:
	}
	<-*gate
}

// TestStatusNamesAllProblemsWithAllNamespaces has 400 namespaces, of which 300 have problems.
func TestStatusNamesAllProblemsWithAllNamespaces(t *testing.T) {
	s := newSandbox(t)
	s.Cluster.Patience = 3 * harness.Patient
	s.Source("hub", api.Credential("hub.example", "one"))
	var failing []string
	for i := range 400 {
		ns := s.Namespace(fmt.Sprintf("n%03d", i))
		if i%4 > 0 {
			failing = append(failing, ns)
			s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")))
		}
	}
	s.Start()
	s.Policy(harness.OneRule, "pullsecrets/revision=many")
	s.wantExit(1, []string{"-wait", "-revision", "many", "-timeout", "120s"}, "Degraded", "ForeignSecret", "and 290 more", "-all prints everything")
	o := s.overview()
	if len(o.Problems) != 1 || o.Problems[0].Namespaces != 300 || !o.Complete {
		t.Fatalf("%d groups, complete %v %v", len(o.Problems), o.Complete, o.Notes)
	}
	var named []string
	for _, p := range o.Problems[0].Problems {
		named = append(named, p.Namespaces...)
	}
	slices.Sort(named)
	if !slices.Equal(named, failing) {
		t.Errorf("%d namespaces are named, %d have problems", len(named), len(failing))
	}
	if r := o.Rules[0]; r.Namespaces != 400 || r.Copies != 100 || r.Missing != 300 || r.Unsynced != 0 {
		t.Errorf("the rule says %+v", r)
	}
	_, all, _ := s.status("-all")
	for _, ns := range failing {
		if !strings.Contains(all, ns) {
			t.Errorf("-all does not name %s", ns)
		}
	}
}

// TestAHeldPruneIsReleasedByTheCommandThatStatusPrints as it stands there, by a shell.
func TestAHeldPruneIsReleasedByTheCommandThatStatusPrints(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	s.Start()
	for round := range 2 { // the second time, the same confirmation is there and used up
		s.Revised("Ready", harness.OnlyLabelled)
		s.WantAll(all, true)
		s.Revised("Degraded", harness.NoRules)
		s.Eventually("the status tells what is held", func() error {
			if o := s.overview(); o.Held == nil || o.Held.Confirm == "" || !o.RolledOut {
				return fmt.Errorf("held: %+v, %v", o.Held, o.Notes)
			}
			return nil
		})
		held := s.overview().Held
		if held.Copies != 14 || held.Namespaces != 14 || held.ServiceAccounts != 14 {
			t.Errorf("round %d: %+v", round, held)
		}
		code, out, _ := s.status()
		if code != 1 || !strings.Contains(out, "\n    "+held.Confirm+"\n") {
			t.Fatalf("round %d, exit %d: it does not print %s\n%s", round, code, held.Confirm, out)
		}
		if said, err := exec.Command("sh", "-c", held.Confirm).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		s.WantStatus("Ready")
		s.WantAll(all, false)
		s.Eventually("the status tells that nothing is held", func() error {
			if o := s.overview(); o.Held != nil {
				return fmt.Errorf("%+v", o.Held)
			}
			return nil
		})
	}
}

// TestStatusWithTheRightsOfAViewer, and with none.
func TestStatusWithTheRightsOfAViewer(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("team")
	s.Start()
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	s.wantExit(0, waitFor("one"))
	s.Account(ns, "viewer")
	s.Account(ns, "nobody")
	s.viewer(ns, "viewer")
	as := func(account string, args ...string) (int, string) {
		kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
		harness.Must(t, os.WriteFile(kubeconfig, []byte(s.kubeconfigOf(ns, account)), 0o600))
		code, out, errs := s.Command(append([]string{"status", "-kubeconfig", kubeconfig}, args...)...)
		return code, out + errs
	}
	s.Eventually("the viewer may read both", func() error {
		if code, out := as("viewer"); code != 0 || !strings.Contains(out, "pullsecrets/hub") {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	if code, out := as("viewer", waitFor("one")...); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, args := range [][]string{nil, {"-wait"}, {"-o", "json"}} {
		if code, out := as("nobody", args...); code != 2 || !strings.Contains(out, "the policy ConfigMap pullsecrets/pullsecrets-policy may not be read") {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
}

// TestStatusWatchesAProblemComeAndGo, with a watch and where only get is permitted, and ends with the state's exit status.
func TestStatusWatchesAProblemComeAndGo(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	s.wantExit(0, waitFor("one"))
	s.Account(ns, "getter")
	role := api.Object("rbac.authorization.k8s.io/v1", "Role", api.Home, "getter")
	role.Object["rules"] = []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"get"},
		"resourceNames": []any{"pullsecrets-policy", "pullsecrets-status"}}}
	s.Manifest(role)
	s.Manifest(binding(api.Home, "getter", "Role", "getter", ns, "getter"))
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, os.WriteFile(kubeconfig, []byte(s.kubeconfigOf(ns, "getter")), 0o600))
	s.Eventually("the getter may read", func() error {
		if code, out, errs := s.Command("status", "-kubeconfig", kubeconfig); code != 0 {
			return errors.New(out + errs)
		}
		return nil
	})

	watching := s.Program("status", "-watch", "-kubeconfig", s.Kubeconfig)
	polling := s.Program("status", "-watch", "-kubeconfig", kubeconfig)
	objects := s.Program("status", "-watch", "-o", "json", "-kubeconfig", s.Kubeconfig)
	seen := func(words ...string) {
		t.Helper()
		for _, p := range []*harness.Program{watching, polling} {
			s.Eventually("it prints "+strings.Join(words, " "), func() error {
				if len(p.Lines(words...)) == 0 {
					return errors.New(p.Out.String() + p.Errors.String())
				}
				return nil
			})
		}
	}
	seen("Ready", "revision one")
	s.Delete(api.Secrets, api.Home, "hub")
	seen("state Degraded, was Ready")
	seen("problem SourceMissing: rule hub", "in "+ns)
	seen("source pullsecrets/hub: Missing")
	s.Source("hub", api.Credential("hub.example", "two"))
	seen("state Ready, was Degraded")
	seen("no longer a problem SourceMissing")
	for _, p := range []*harness.Program{watching, polling, objects} {
		if p.Stop(); p.Status != 0 {
			t.Errorf("exit %d: %s", p.Status, p.Errors)
		}
	}
	lines := objects.Lines("{")
	for _, line := range lines {
		if err := json.Unmarshal([]byte(line), &overview.Overview{}); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	if len(lines) < 3 {
		t.Errorf("%d objects", len(lines))
	}
	for _, p := range []*harness.Program{watching, polling, objects} {
		if strings.Contains(p.Out.String(), "canary") {
			t.Error("it holds a credential")
		}
	}
}

// TestKubectlWaitsForTheStatus with the command of docs/status.md.
func TestKubectlWaitsForTheStatus(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Namespace("a")
	s.Start()
	s.Policy(harness.OneRule, "pullsecrets/revision=one")
	wait := func(timeout, annotation, value string) (string, error) {
		path := `jsonpath={.metadata.annotations['pullsecrets/` + annotation + `']}=` + value
		return s.Kubectl("", "-n", "pullsecrets", "wait", "configmap/pullsecrets-policy", "--for="+path, "--timeout="+timeout)
	}
	for _, c := range [][2]string{{"observed-revision", "one"}, {"status", "Ready"}} {
		if out, err := wait("60s", c[0], c[1]); err != nil || !strings.Contains(out, "condition met") {
			t.Fatalf("%s: %v: %s", c[0], err, out)
		}
	}
	if out, err := wait("1s", "observed-revision", "two"); err == nil || !strings.Contains(out, "timed out") {
		t.Errorf("%v: %s", err, out)
	}
	// The pitfall: of a text that was just applied, the status is still that of the one before.
	s.Policy("  {}\n", "pullsecrets/revision=two")
	if out, err := wait("60s", "observed-revision", "two"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := wait("1s", "status", "Ready"); err == nil {
		t.Errorf("a refused text counts as Ready: %s", out)
	}
}

// everyStatus is all that pullsecrets status says, in each form, and what it says is there.
func (s *sandbox) everyStatus() string {
	s.T.Helper()
	var all strings.Builder
	s.Eventually("the status ConfigMap has problems", func() error {
		problems, err := status.UnpackProblems(cluster.NewConfigMap(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status")).BinaryData[status.KeyProblems])
		if err == nil && len(problems) == 0 {
			err = errors.New("it has none")
		}
		fmt.Fprintf(&all, "%+v\n", problems)
		return err
	})
	for _, args := range [][]string{nil, {"-all"}, {"-o", "json"}} {
		code, out, errs := s.status(args...)
		if code == 2 || !strings.Contains(out, "pullsecrets-policy") {
			s.T.Errorf("status %v ends with %d: %s%s", args, code, out, errs)
		}
		all.WriteString(out + errs)
	}
	return all.String()
}

// TestTheCommandsOfTheStatusPageRun one block after the other, as they stand there, in a repository that has a policy.
func TestTheCommandsOfTheStatusPageRun(t *testing.T) {
	s := newSandbox(t)
	s.Source("dockerhub", api.Credential("docker.io", harness.Canary))
	s.Namespace("team-a")
	theirs := s.Namespace("team-b")
	s.Create(api.Secrets, api.Secret(theirs, s.Name("regcred"), api.Credential("theirs.example", "x")))
	s.Start()
	page, err := os.ReadFile("../../docs/status.md")
	harness.Must(t, err)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	folder := t.TempDir()
	tools := t.TempDir()
	harness.Must(t, os.Symlink(harness.Binary(t), filepath.Join(tools, "pullsecrets")))
	run := func(script string) (string, int) {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "PATH="+tools+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return string(out), exit.ExitCode()
		}
		harness.Must(t, err)
		return string(out), 0
	}
	commit := func(rules string) {
		t.Helper()
		harness.Must(t, os.WriteFile(filepath.Join(folder, "policy.yaml"), []byte(s.Rules(rules)), 0o600))
		if out, code := run("git init -q . && git add policy.yaml && git -c user.name=x -c user.email=x@example.com commit -qm x"); code != 0 {
			t.Fatal(out)
		}
	}
	const rules = `
- name: dockerhub
  secrets: [{source: {name: dockerhub}, name: PREFIXregcred}]
  namespaces: {include: ["PREFIXteam-*"]}
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIXteam-a"]}
`
	pipeline, kubectl, problems := string(blocks[0][1]), string(blocks[1][1]), string(blocks[2][1])
	commit(rules)
	if out, code := run(pipeline); code != 1 || !strings.Contains(out, "SourceMissing") {
		t.Errorf("degraded: exit %d\n%s", code, out)
	} else {
		t.Logf("status prints\n%s", strings.ReplaceAll(out, s.Prefix, ""))
	}
	if out, code := run(problems); code != 0 || !strings.Contains(out, theirs) {
		t.Errorf("all problems: exit %d\n%s", code, out)
	}
	commit("  {}\n")
	if out, code := run(pipeline); code != 1 || !strings.Contains(out, "Invalid") {
		t.Errorf("refused: exit %d\n%s", code, out)
	}
	if out, code := run(strings.ReplaceAll(kubectl, "30s", "1s")); code != 1 || !strings.Contains(out, "timed out") {
		t.Errorf("refused, with kubectl: exit %d\n%s", code, out)
	}
	s.Source("ghcr", api.Credential("ghcr.io", harness.Canary))
	commit(strings.ReplaceAll(rules, "PREFIXteam-*", "PREFIXteam-a"))
	if out, code := run(pipeline); code != 0 || !strings.Contains(out, "Ready") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := run(kubectl); code != 0 || strings.Count(out, "condition met") != 2 {
		t.Errorf("with kubectl: exit %d\n%s", code, out)
	}
}
