package e2e

import (
	"encoding/base64"
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

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
)

// coverage runs coverage -o json.
func (s *sandbox) coverage(wantStatus int, args ...string) (r coverage.Report, text string) {
	s.T.Helper()
	status, out, errs := s.Command(append([]string{"coverage", "-o", "json"}, args...)...)
	if status != wantStatus {
		s.T.Fatalf("coverage ended with %d, want %d\n%s%s", status, wantStatus, out, errs)
	}
	harness.Must(s.T, json.Unmarshal([]byte(out), &r))
	return r, out
}

// workload makes one that names these pull secrets. No controller makes pods of it.
func (s *sandbox) workload(ns, kind, name, image string, pullSecrets ...string) {
	s.T.Helper()
	labels := map[string]any{"app": name}
	spec := map[string]any{"containers": []any{map[string]any{"name": "c", "image": image}}}
	var list []any
	for _, secret := range pullSecrets {
		list = append(list, map[string]any{"name": secret})
	}
	if list != nil {
		spec["imagePullSecrets"] = list
	}
	template := map[string]any{"metadata": map[string]any{"labels": labels}, "spec": spec}
	version, body := "apps/v1", map[string]any{"selector": map[string]any{"matchLabels": labels}, "template": template}
	if kind == "CronJob" {
		spec["restartPolicy"] = "Never"
		version, body = "batch/v1", map[string]any{"schedule": "0 3 * * *", "jobTemplate": map[string]any{"spec": map[string]any{"template": template}}}
	}
	u := api.Object(version, kind, ns, name)
	u.Object["spec"] = body
	s.Manifest(u)
}

// wholeDump is the cluster in a file, as docs/coverage.md has it made.
func (s *sandbox) wholeDump() string {
	s.T.Helper()
	var list unstructured.UnstructuredList
	text, err := os.ReadFile(s.Dump())
	harness.Must(s.T, err)
	harness.Must(s.T, json.Unmarshal(text, &list))
	for group, resources := range map[string][]string{"": {"pods", "replicationcontrollers"}, "apps": {"deployments", "statefulsets", "daemonsets", "replicasets"}, "batch": {"jobs", "cronjobs"}} {
		for _, resource := range resources {
			found, err := s.Client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}).List(s.Ctx, metav1.ListOptions{})
			harness.Must(s.T, err)
			list.Items = append(list.Items, found.Items...)
		}
	}
	list.SetAPIVersion("v1")
	list.SetKind("List")
	text, err = list.MarshalJSON()
	harness.Must(s.T, err)
	file := filepath.Join(s.T.TempDir(), "dump.json")
	harness.Must(s.T, os.WriteFile(file, text, 0o600))
	return file
}

// colourful is a cluster with each state of an image, of which one pod waits.
func (s *sandbox) colourful() (a, b string) {
	s.T.Helper()
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	s.Source("idle", api.Credential("idle.example", harness.Canary))
	a, b = s.Namespace("a"), s.Namespace("b")
	s.Create(api.Secrets, api.Secret(a, "theirs", api.Credential("quay.example", harness.Canary)))
	s.Create(api.Secrets, api.Secret(b, "same", api.Credential("hub.example", harness.Canary)))
	s.workload(a, "Deployment", "web", "hub.example/web:1")
	s.workload(a, "StatefulSet", "hidden", "hub.example/hidden:1", "theirs")
	s.workload(a, "DaemonSet", "own", "quay.example/own:1", "theirs")
	s.workload(a, "CronJob", "node", "1.dkr.ecr.eu-west-1.amazonaws.com/x")
	s.workload(b, "Deployment", "public", "nginx")
	s.workload(b, "ReplicaSet", "none", "nowhere.example/x")
	s.Pod(a, "early", "default")
	s.PodStatus(a, "early", "Pending", "ImagePullBackOff")
	return a, b
}

const coveredRules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
- name: idle
  secrets: [{source: {name: idle}, name: PREFIXidle}]
  namespaces: {include: ["PREFIXb"]}
`

// TestCoverageOfAClusterAndOfItsDump reports the same of both, before the controller has worked and after, and no form of it holds a
// credential.
func TestCoverageOfAClusterAndOfItsDump(t *testing.T) {
	s := newSandbox(t)
	a, b := s.colourful()
	common := []string{"-f", s.PolicyFile(coveredRules), "-node-credentials", "*.dkr.ecr.*.amazonaws.com", "-n", a, "-n", b}
	live, dumped := append([]string{"-kubeconfig", s.Kubeconfig}, common...), append([]string{"-dump", s.wholeDump()}, common...)
	before, online := s.coverage(1, live...)
	if _, offline := s.coverage(1, dumped...); online != offline {
		t.Errorf("before: online and offline differ:\n%s", cmp.Diff(online, offline))
	}
	if web := find(t, before, a, "Deployment/web"); web.State != coverage.None || web.Later != coverage.Covered {
		t.Errorf("before the controller has worked: %+v", web)
	}
	s.Start()
	s.Revised("Ready", coveredRules)
	s.WantList(a, "default", "+reg")
	s.WantList(b, "default", "+reg", "+idle")
	s.WantCopy(b, "idle", api.Credential("idle.example", harness.Canary))
	s.WantCopy(a, "reg", api.Credential("hub.example", harness.Canary))

	live = live[:2:2]
	live = append(live, "-node-credentials", "*.dkr.ecr.*.amazonaws.com") // all namespaces, and the cluster's own policy
	after, online := s.coverage(1, live...)
	dumped = []string{"-dump", s.wholeDump(), "-node-credentials", "*.dkr.ecr.*.amazonaws.com"}
	if _, offline := s.coverage(1, dumped...); online != offline {
		t.Errorf("after: online and offline differ:\n%s", cmp.Diff(online, offline))
	}
	s.wantCovered(after, a, b)
	for _, form := range []string{"text", "json", "html"} {
		_, out, errs := s.Command(append([]string{"coverage", "-o", form}, live...)...)
		for what, canary := range map[string]string{"raw": harness.Canary, "base64": base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))[:18]} {
			if out == "" || strings.Contains(out+errs, canary) {
				t.Errorf("%s holds the credential, %s, or nothing", form, what)
			}
		}
	}
}

func find(t *testing.T, r coverage.Report, ns, workload string) coverage.Image {
	t.Helper()
	for _, i := range r.Images {
		if i.Namespace == ns && i.Workload == workload {
			return i
		}
	}
	t.Fatalf("the report has no image of %s %s", ns, workload)
	return coverage.Image{}
}

func (s *sandbox) wantCovered(r coverage.Report, a, b string) {
	s.T.Helper()
	for _, w := range []struct {
		ns, workload string
		state        coverage.State
	}{
		{a, "Deployment/web", coverage.Covered}, {a, "StatefulSet/hidden", coverage.None}, {a, "DaemonSet/own", coverage.Covered},
		{a, "CronJob/node", coverage.Nodes}, {b, "Deployment/public", coverage.Public}, {b, "ReplicaSet/none", coverage.None}, {a, "Pod/early", coverage.None},
	} {
		if i := find(s.T, r, w.ns, w.workload); i.State != w.state || i.Later != "" {
			s.T.Errorf("%s is %s, later %q, want %s", w.workload, i.State, i.Later, w.state)
		}
	}
	var alarms []string
	for _, f := range r.Findings {
		if f.Alarm {
			alarms = append(alarms, fmt.Sprintf("%s %s", f.Kind, f.Workload))
		}
	}
	if diff := cmp.Diff([]string{"CreatedTooEarly Pod/early", "ListHides StatefulSet/hidden"}, alarms); diff != "" {
		s.T.Errorf("alarms (-want +got):\n%s", diff)
	}
	var holders []string
	for _, source := range r.Sources {
		for _, h := range source.Holders {
			if strings.HasPrefix(h.Namespace, s.Prefix) {
				holders = append(holders, strings.ReplaceAll(fmt.Sprintf("%s: %s/%s %s %d", source.Source, h.Namespace, h.Secret, h.Kind, h.Images), s.Prefix, ""))
			}
		}
	}
	want := []string{"pullsecrets/hub: a/reg copy 1", "pullsecrets/hub: b/same equal 0", "pullsecrets/hub: b/reg copy 0", "pullsecrets/idle: b/idle copy 0"}
	slices.Sort(want)
	slices.Sort(holders)
	if diff := cmp.Diff(want, holders); diff != "" {
		s.T.Errorf("who holds them (-want +got):\n%s", diff)
	}
}

// TestCoverageWithFewRights: what may not be read is named, and is unknown; the rest is answered, with the rights in docs/coverage.md.
func TestCoverageWithFewRights(t *testing.T) {
	s := newSandbox(t)
	a, _ := s.colourful()
	s.Start()
	s.Revised("Ready", coveredRules)
	s.WantList(a, "default", "+reg")
	s.WantCopy(a, "reg", api.Credential("hub.example", harness.Canary))
	kubeconfig := s.kubeconfigFile("auditor")
	if status, out, errs := s.Command("coverage", "-kubeconfig", kubeconfig, "-f", s.PolicyFile(coveredRules)); status != 2 || out != "" || !strings.Contains(errs, "name yours with -n") {
		t.Errorf("with no rights: status %d\n%s%s", status, out, errs)
	}
	rule := func(group string, verbs []any, resources ...any) map[string]any {
		return map[string]any{"apiGroups": []any{group}, "resources": resources, "verbs": verbs}
	}
	s.permit("auditor", kubeconfig, rule("", []any{"get", "list"}, "namespaces", "serviceaccounts", "pods"), rule("apps", []any{"list"}, "deployments", "statefulsets"))
	r, text := s.coverage(1, "-kubeconfig", kubeconfig, "-f", s.PolicyFile(coveredRules), "-n", a)
	for _, want := range []string{"daemonsets", "cronjobs", "secrets named " + s.Name("reg"), "the source pullsecrets/hub", "other secrets than the copies"} {
		if !strings.Contains(text, `"what": "`+want) {
			t.Errorf("it does not say that it may not read %s:\n%s", want, text)
		}
	}
	for workload, want := range map[string]coverage.State{"Deployment/web": coverage.Unknown, "StatefulSet/hidden": coverage.Unknown} {
		if i := find(t, r, a, workload); i.State != want {
			t.Errorf("%s is %s, want %s", workload, i.State, want)
		}
	}
	if i := find(t, r, a, "Pod/early"); i.State != coverage.None { // it has no pull secret at all, so nothing of it is unknown
		t.Errorf("%s is %s", i.Workload, i.State)
	}

	s.Manifest(s.documentedRole())
	s.bind("auditor", "pullsecrets-coverage")
	s.Eventually("the rights in docs/coverage.md are in force", func() error {
		_, out, _ := s.Command("coverage", "-kubeconfig", kubeconfig, "-o", "json")
		if !strings.Contains(out, `"unread": []`) {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	_, mine := s.coverage(1, "-kubeconfig", kubeconfig)
	if _, admins := s.coverage(1, "-kubeconfig", s.Kubeconfig); mine != admins {
		t.Errorf("with these rights it says less than with all:\n%s", cmp.Diff(admins, mine))
	}
}

// documentedRole is the ClusterRole in docs/coverage.md.
func (s *sandbox) documentedRole() *unstructured.Unstructured {
	s.T.Helper()
	text, err := os.ReadFile(harness.Root(s.T) + "/docs/coverage.md")
	harness.Must(s.T, err)
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	role, _, ok := strings.Cut(rest, "```")
	if !ok || !strings.Contains(role, "kind: ClusterRole") {
		s.T.Fatal("docs/coverage.md has no ClusterRole")
	}
	return harness.Objects(s.T, role)[0]
}

// permit gives an account of the controller's namespace rights in the whole cluster.
func (s *sandbox) permit(account, kubeconfig string, rules ...any) {
	s.T.Helper()
	role := api.Object("rbac.authorization.k8s.io/v1", "ClusterRole", "", s.Name(account))
	role.Object["rules"] = rules
	s.Manifest(role)
	s.bind(account, s.Name(account))
	s.Eventually("the rights of "+account+" are in force", func() error {
		if status, _, errs := s.Command("coverage", "-kubeconfig", kubeconfig, "-f", s.PolicyFile(coveredRules)); status == 2 {
			return fmt.Errorf("not yet: %s", errs)
		}
		return nil
	})
}

func (s *sandbox) bind(account, role string) {
	s.T.Helper()
	binding := api.Object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", s.Name(role))
	binding.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": api.Home, "name": account}}
	s.Manifest(binding)
}

// kubeconfigFile has a token of an account that is made for it, and nothing else.
func (s *sandbox) kubeconfigFile(account string) string {
	s.T.Helper()
	s.Manifest(api.Object("v1", "ServiceAccount", api.Home, account))
	file := filepath.Join(s.T.TempDir(), "kubeconfig")
	harness.Must(s.T, os.WriteFile(file, []byte(s.kubeconfigOf(api.Home, account)), 0o600))
	return file
}
