package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

type planned struct {
	Changes, NotDone []change
	Warnings         []struct{ Registry string }
	Held             *struct{ RemovedCopies, RemovedReferences int }
}

type change struct {
	Namespace, Verb, Kind, Name, Rule, Reason string
	Added, Removed                            []string
}

// plan runs plan -o json.
func (s *sandbox) plan(wantStatus int, args ...string) (p planned, text string) {
	s.T.Helper()
	status, out, errs := s.Command(append([]string{"plan", "-o", "json"}, args...)...)
	if status != wantStatus {
		s.T.Fatalf("plan ended with %d, want %d\n%s%s", status, wantStatus, out, errs)
	}
	harness.Must(s.T, json.Unmarshal([]byte(out), &p))
	return p, out
}

// performed reads from a controller's log what it did, in the words of plan.
func performed(r *harness.Running) (all []change) {
	verbs := map[string]string{
		"references written": "set-list", "list given back": "release", "copy created": "create",
		"copy updated": "update", "copy replaced": "replace", "copy deleted": "delete",
	}
	for _, line := range r.Lines(`"level":"info"`) {
		var entry struct {
			change
			Message string
		}
		harness.Must(r.Sandbox.T, json.Unmarshal([]byte(line), &entry))
		if entry.Verb = verbs[entry.Message]; entry.Verb != "" {
			all = append(all, entry.change)
		}
	}
	return all
}

func sorted(list []change) []change {
	slices.SortFunc(list, func(a, b change) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

const manyRules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], exclude: ["PREFIXout"]}
  serviceAccounts: {include: [default, "ci-*"]}
  force: true
- name: other
  secrets: [{source: {name: other}, name: PREFIXother}, {source: {name: gone}, name: PREFIXgone}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: x}}}
- name: late
  secrets: [{source: {name: other}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXa"]}
`

// TestPlanSaysWhatRunDoes has a plan and then a controller look at the same cluster, in all the states that there are.
func TestPlanSaysWhatRunDoes(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("other", api.Credential("hub.example", "another"))
	for _, ns := range []string{"a", "b", "out", "drift", "old", "foreign", "ancestor"} {
		s.Namespace(ns, "team=x")
	}
	r := s.Start()
	s.Revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXold}]
  namespaces: {include: ["PREFIXa", "PREFIXout", "PREFIXdrift", "PREFIXold"]}
`)
	r.Stop()
	s.Account(s.Name("a"), "ci-one")
	s.Merge(api.Secrets, s.Name("drift"), s.Name("reg"), `{"stringData":{".dockerconfigjson":"{\"auths\":{\"x.example\":{\"auth\":\"eDp5\"}}}"}}`)
	s.Merge(api.Secrets, s.Name("drift"), s.Name("old"), `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`)
	s.Create(api.Secrets, api.Secret(s.Name("foreign"), s.Name("reg"), api.Credential("hub.example", "theirs")))
	s.Create(api.Secrets, api.Secret(s.Name("foreign"), s.Name("other"), api.Credential("hub.example", "theirs")))
	old := api.Secret(s.Name("ancestor"), s.Name("reg"), api.Credential("hub.example", "old"))
	old.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	s.Create(api.Secrets, old)
	s.Merge(api.Accounts, s.Name("b"), "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)

	file := s.PolicyFile(manyRules)
	kubeconfig := s.Kubeconfig
	want, online := s.plan(1, "-kubeconfig", kubeconfig, "-f", file)
	_, offline := s.plan(1, "-cluster", s.Dump(), "-f", file)
	if diff := cmp.Diff(online, offline); diff != "" {
		t.Errorf("online and offline differ:\n%s", diff)
	}
	if len(want.Warnings) != 1 || want.Warnings[0].Registry != "hub.example" {
		t.Errorf("two credentials for hub.example give the warnings %v", want.Warnings)
	}
	if testing.Verbose() {
		_, text, _ := s.Command("plan", "-kubeconfig", kubeconfig, "-f", file)
		t.Log(text)
	}
	for _, value := range []string{"another", "theirs", "eDp5"} {
		if strings.Contains(online, `"`+value) {
			t.Errorf("the plan holds a credential: %s", value)
		}
	}
	r = s.Start()
	s.Revised("Degraded", manyRules) // the source "gone" is missing, and "foreign" has one that is not ours
	if diff := cmp.Diff(sorted(want.Changes), sorted(performed(r))); diff != "" {
		t.Errorf("the plan and what was done (-plan +run):\n%s", diff)
	}
	if len(want.Changes) < 15 {
		t.Errorf("only %d changes: the cluster is not as colourful as it should be", len(want.Changes))
	}

	after, _ := s.plan(0, "-kubeconfig", kubeconfig) // the live policy
	if len(after.Changes) > 0 {
		t.Errorf("after the controller converged, the plan has %v", after.Changes)
	}
	reasons := map[string]bool{}
	for _, c := range after.NotDone {
		reasons[c.Reason] = true
	}
	if !reasons["SourceMissing"] || !reasons["RuleConflict"] {
		t.Errorf("what is not done is not told: %v", after.NotDone)
	}
}

func TestPlanHoldsBackWhatRunHolds(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Fourteen()
	r := s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	kubeconfig := s.Kubeconfig
	if p, text := s.plan(0, "-kubeconfig", kubeconfig); len(p.Changes) > 0 {
		t.Errorf("right after run converged: %s", text)
	}
	s.Revised("Degraded", harness.NoRules)
	r.Stop()
	p, _ := s.plan(0, "-kubeconfig", kubeconfig)
	if p.Held == nil || p.Held.RemovedCopies != 14 || len(p.Changes) > 0 {
		t.Errorf("held: %+v, changes %v", p.Held, p.Changes)
	}
	s.Confirm()
	if p, _ := s.plan(1, "-kubeconfig", kubeconfig); p.Held != nil || len(p.Changes) != 28 {
		t.Errorf("confirmed, and yet held: %+v, %d changes", p.Held, len(p.Changes))
	}
}

func TestPlanSaysWhatItCannotTell(t *testing.T) {
	s := newSandbox(t)
	kubeconfig := s.Kubeconfig
	dump := func(change func(*unstructured.Unstructured)) string {
		text, err := os.ReadFile(s.Dump())
		harness.Must(t, err)
		var list unstructured.UnstructuredList
		harness.Must(t, json.Unmarshal(text, &list))
		for i := range list.Items {
			change(&list.Items[i])
		}
		text, err = list.MarshalJSON()
		harness.Must(t, err)
		file := filepath.Join(t.TempDir(), "changed.json")
		harness.Must(t, os.WriteFile(file, text, 0o600))
		return file
	}
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"no policy anywhere", []string{"-kubeconfig", kubeconfig}, "policy ConfigMap"},
		{"an invalid policy", []string{"-kubeconfig", kubeconfig, "-f", s.PolicyFile(" 7")}, "not valid"},
		{"a file that is not there", []string{"-kubeconfig", kubeconfig, "-f", "/nonexistent"}, "/nonexistent"},
		{"a dump without managedFields", []string{"-f", s.PolicyFile(harness.NoRules), "-cluster", dump(func(u *unstructured.Unstructured) { u.SetManagedFields(nil) })}, "--show-managed-fields"},
		{"a dump without accounts", []string{"-f", s.PolicyFile(harness.NoRules), "-cluster", dump(func(u *unstructured.Unstructured) {
			if u.GetKind() == "ServiceAccount" {
				u.SetKind("Pod")
			}
		})}, "ServiceAccount"},
		{"an unknown form", []string{"-o", "xml"}, "text, json, markdown"},
		{"an unknown flag", []string{"-nope"}, "nope"},
	} {
		status, out, errs := s.Command(append([]string{"plan"}, c.args...)...)
		if status != 2 || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%s: status %d, want 2 and %q\n%s%s", c.why, status, c.want, out, errs)
		}
	}
}
