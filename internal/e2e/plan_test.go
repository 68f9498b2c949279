package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cli"
)

// command runs the program in this process against the test's cluster.
func (s *sandbox) command(args ...string) (status int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	status = cli.Main(s.ctx, args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

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
	s.t.Helper()
	status, out, errs := s.command(append([]string{"plan", "-o", "json"}, args...)...)
	if status != wantStatus {
		s.t.Fatalf("plan ended with %d, want %d\n%s%s", status, wantStatus, out, errs)
	}
	must(s.t, json.Unmarshal([]byte(out), &p))
	return p, out
}

// performed reads from a controller's log what it did, in the words of plan.
func (r *running) performed() (all []change) {
	verbs := map[string]string{
		"references written": "set-list", "list given back": "release", "copy created": "create",
		"copy updated": "update", "copy replaced": "replace", "copy deleted": "delete",
	}
	for _, line := range r.lines(`"level":"info"`) {
		var entry struct {
			change
			Message string
		}
		must(r.s.t, json.Unmarshal([]byte(line), &entry))
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

// dump writes the cluster to a file, as kubectl get does.
func (s *sandbox) dump() string {
	s.t.Helper()
	all := map[string]any{"apiVersion": "v1", "kind": "List"}
	var items []any
	for _, resource := range []schema.GroupVersionResource{namespaces, accounts, secrets, configMaps} {
		list, err := s.client.Resource(resource).List(s.ctx, metav1.ListOptions{})
		must(s.t, err)
		for _, u := range list.Items {
			items = append(items, u.Object)
		}
	}
	all["items"] = items
	text, err := json.Marshal(all)
	must(s.t, err)
	file := filepath.Join(s.t.TempDir(), "dump.json")
	must(s.t, os.WriteFile(file, text, 0o600))
	return file
}

// policyFile writes rules to a file and returns its name.
func (s *sandbox) policyFile(rules string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "policy.yaml")
	must(s.t, os.WriteFile(file, []byte(s.expand("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:"+rules)), 0o600))
	return file
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
	s.source("hub", credential("hub.example", "one"))
	s.source("other", credential("hub.example", "another"))
	for _, ns := range []string{"a", "b", "out", "drift", "old", "foreign", "ancestor"} {
		s.namespace(ns, "team=x")
	}
	r := s.start()
	s.revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXold}]
  namespaces: {include: ["PREFIXa", "PREFIXout", "PREFIXdrift", "PREFIXold"]}
`)
	r.stop()
	s.account(s.name("a"), "ci-one")
	s.merge(secrets, s.name("drift"), s.name("reg"), `{"stringData":{".dockerconfigjson":"{\"auths\":{\"x.example\":{\"auth\":\"eDp5\"}}}"}}`)
	s.merge(secrets, s.name("drift"), s.name("old"), `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`)
	s.create(secrets, secret(s.name("foreign"), s.name("reg"), credential("hub.example", "theirs")))
	s.create(secrets, secret(s.name("foreign"), s.name("other"), credential("hub.example", "theirs")))
	old := secret(s.name("ancestor"), s.name("reg"), credential("hub.example", "old"))
	old.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	s.create(secrets, old)
	s.merge(accounts, s.name("b"), "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)

	file := s.policyFile(manyRules)
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	want, online := s.plan(1, "-kubeconfig", kubeconfig, "-f", file)
	_, offline := s.plan(1, "-cluster", s.dump(), "-f", file)
	if diff := cmp.Diff(online, offline); diff != "" {
		t.Errorf("online and offline differ:\n%s", diff)
	}
	if len(want.Warnings) != 1 || want.Warnings[0].Registry != "hub.example" {
		t.Errorf("two credentials for hub.example give the warnings %v", want.Warnings)
	}
	if testing.Verbose() {
		_, text, _ := s.command("plan", "-kubeconfig", kubeconfig, "-f", file)
		t.Log(text)
	}
	for _, value := range []string{"another", "theirs", "eDp5"} {
		if strings.Contains(online, `"`+value) {
			t.Errorf("the plan holds a credential: %s", value)
		}
	}
	r = s.start()
	s.revised("Degraded", manyRules) // the source "gone" is missing, and "foreign" has one that is not ours
	if diff := cmp.Diff(sorted(want.Changes), sorted(r.performed())); diff != "" {
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
	s.source("hub", credential("hub.example", "one"))
	s.fourteen()
	r := s.start()
	s.revised("Ready", onlyLabelled)
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if p, text := s.plan(0, "-kubeconfig", kubeconfig); len(p.Changes) > 0 {
		t.Errorf("right after run converged: %s", text)
	}
	s.revised("Degraded", noRules)
	r.stop()
	p, _ := s.plan(0, "-kubeconfig", kubeconfig)
	if p.Held == nil || p.Held.RemovedCopies != 14 || len(p.Changes) > 0 {
		t.Errorf("held: %+v, changes %v", p.Held, p.Changes)
	}
	s.confirm()
	if p, _ := s.plan(1, "-kubeconfig", kubeconfig); p.Held != nil || len(p.Changes) != 28 {
		t.Errorf("confirmed, and yet held: %+v, %d changes", p.Held, len(p.Changes))
	}
}

func TestPlanSaysWhatItCannotTell(t *testing.T) {
	s := newSandbox(t)
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	dump := func(change func(*unstructured.Unstructured)) string {
		text, err := os.ReadFile(s.dump())
		must(t, err)
		var list unstructured.UnstructuredList
		must(t, json.Unmarshal(text, &list))
		for i := range list.Items {
			change(&list.Items[i])
		}
		text, err = list.MarshalJSON()
		must(t, err)
		file := filepath.Join(t.TempDir(), "changed.json")
		must(t, os.WriteFile(file, text, 0o600))
		return file
	}
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"no policy anywhere", []string{"-kubeconfig", kubeconfig}, "policy ConfigMap"},
		{"an invalid policy", []string{"-kubeconfig", kubeconfig, "-f", s.policyFile(" 7")}, "not valid"},
		{"a file that is not there", []string{"-kubeconfig", kubeconfig, "-f", "/nonexistent"}, "/nonexistent"},
		{"a dump without managedFields", []string{"-f", s.policyFile(noRules), "-cluster", dump(func(u *unstructured.Unstructured) { u.SetManagedFields(nil) })}, "--show-managed-fields"},
		{"a dump without accounts", []string{"-f", s.policyFile(noRules), "-cluster", dump(func(u *unstructured.Unstructured) {
			if u.GetKind() == "ServiceAccount" {
				u.SetKind("Pod")
			}
		})}, "ServiceAccount"},
		{"an unknown form", []string{"-o", "xml"}, "text, json, markdown"},
		{"an unknown flag", []string{"-nope"}, "nope"},
	} {
		status, out, errs := s.command(append([]string{"plan"}, c.args...)...)
		if status != 2 || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%s: status %d, want 2 and %q\n%s%s", c.why, status, c.want, out, errs)
		}
	}
}
