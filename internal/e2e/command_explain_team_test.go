package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const teamRules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXteam"]}
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {team: b}}}
`

// TestExplainAnswersATeam asks with tokens of a team, whose rights are the roles that every cluster has for its users, alone
// and with the component viewer.
func TestExplainAnswersATeam(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "hub-canary"))
	s.Source("ghcr", api.Credential("ghcr.example/team", "ghcr-canary"))
	ns := s.Namespace("team")
	s.earlyPod(ns)
	s.Start()
	s.Revised("Ready", teamRules)
	s.WantList(ns, "default", "+reg")
	s.Eventually("the status tells which registries the sources are for", func() error {
		text := fmt.Sprint(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"])
		if !strings.Contains(text, "ghcr.example/team") {
			return fmt.Errorf("it has %s", text)
		}
		return nil
	})
	s.member(ns, "view", "system:aggregate-to-view")
	s.member(ns, "viewer", "system:aggregate-to-view")
	s.member(ns, "edit", "system:aggregate-to-view", "system:aggregate-to-edit")
	s.viewer(ns, "viewer", "edit")

	restart := "kubectl -n " + ns + " rollout restart deployment/web"
	for _, c := range []struct {
		account, target string
		want, absent    []string
	}{
		{"view", "deploy/web", []string{
			"you may not read the policy ConfigMap pullsecrets/pullsecrets-policy", "the role of kustomize/components/viewer permits it",
			"a new pod has service account default and the pull secrets " + s.Name("reg"), "these you may not read", "401 Unauthorized", restart,
		}, []string{"no policy is in force", "no rule"}},
		{"viewer", "deploy/web", []string{
			"rule hub: selects it", s.Name("reg") + " has an entry for it (hub.example), as the status says: you may not read it",
			"a new pod names " + s.Name("reg") + ", which has an entry for hub.example/x", restart,
			"rule ghcr has a credential for ghcr.example/team/app: it does not select the namespace: the selector asks for team=b, and it has no label team",
		}, []string{"you may not read the policy"}},
		{"edit", "pod/web-1-x", []string{
			s.Name("reg") + " has one (hub.example, as the status says), which the pod does not name", "ErrImagePull: 401 Unauthorized", restart,
			"the pod was created", "before its service account had the name",
		}, []string{"as the status says: you may not read it"}},
		{"viewer", "", []string{"pod web-1-x", "waits for its image (ErrImagePull)", "pullsecrets explain -n " + ns + " pod/web-1-x"}, nil},
		{"viewer", "sa/default", []string{s.Name("reg") + " (rule hub): there; pullsecrets added it"}, nil},
	} {
		kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
		harness.Must(t, os.WriteFile(kubeconfig, []byte(s.kubeconfigOf(ns, c.account)), 0o600))
		args := []string{"explain", "-kubeconfig", kubeconfig, "-n", ns}
		if c.target != "" {
			args = append(args, c.target)
		}
		for _, form := range []string{"text", "json"} {
			status, text, errs := s.Command(append(args, "-o", form)...)
			if status != 0 {
				t.Errorf("%s, %s: status %d\n%s", c.account, c.target, status, errs)
				continue
			}
			for _, w := range append(c.absent, "canary") {
				if strings.Contains(text, w) {
					t.Errorf("%s, %s: has %q\n%s", c.account, c.target, w, text)
				}
			}
			for _, w := range c.want {
				if form == "text" && !strings.Contains(text, w) {
					t.Errorf("%s, %s: lacks %q\n%s", c.account, c.target, w, text)
				}
			}
			if testing.Verbose() && form == "text" {
				t.Logf("%s, %s:\n%s", c.account, c.target, text)
			}
		}
	}
}

// earlyPod makes a Deployment with a pod of two images, which waits for both. No controller of workloads runs here.
func (s *sandbox) earlyPod(ns string) {
	s.T.Helper()
	apps := schema.GroupVersion{Group: "apps", Version: "v1"}
	workload := func(kind, name string) *unstructured.Unstructured {
		u := api.Object("apps/v1", kind, ns, name)
		labels := map[string]any{"app": "web"}
		u.Object["spec"] = map[string]any{
			"replicas": int64(0), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{
				map[string]any{"name": "c", "image": "hub.example/x"}, map[string]any{"name": "d", "image": "ghcr.example/team/app"},
			}}},
		}
		return u
	}
	own := func(of, name string, resource schema.GroupVersionResource, ns, object string) {
		uid := s.Get(apps.WithResource(strings.ToLower(of)+"s"), ns, name).GetUID()
		s.Merge(resource, ns, object, fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":%q,"name":%q,"uid":%q,"controller":true}]}}`, of, name, uid))
	}
	for kind, name := range map[string]string{"Deployment": "web", "ReplicaSet": "web-1"} {
		s.Create(apps.WithResource(strings.ToLower(kind)+"s"), workload(kind, name))
	}
	own("Deployment", "web", apps.WithResource("replicasets"), ns, "web-1")
	pod := api.Object("v1", "Pod", ns, "web-1-x")
	pod.Object["spec"], _, _ = unstructured.NestedMap(workload("Deployment", "web").Object, "spec", "template", "spec")
	s.Create(api.Pods, pod)
	own("ReplicaSet", "web-1", api.Pods, ns, "web-1-x")
	pod = s.Get(api.Pods, ns, "web-1-x")
	var statuses []any
	for _, name := range []string{"c", "d"} {
		statuses = append(statuses, map[string]any{
			"name": name, "image": "x", "imageID": "", "ready": false, "restartCount": int64(0),
			"state": map[string]any{"waiting": map[string]any{"reason": "ErrImagePull", "message": "401 Unauthorized"}},
		})
	}
	pod.Object["status"] = map[string]any{"phase": "Pending", "containerStatuses": statuses}
	_, err := s.Client.Resource(api.Pods).Namespace(ns).UpdateStatus(s.Ctx, pod, metav1.UpdateOptions{FieldManager: "kubelet"})
	harness.Must(s.T, err)
	s.T.Cleanup(func() {
		harness.Must(s.T, s.Client.Resource(api.Pods).Namespace(ns).DeleteCollection(s.Ctx, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{}))
	})
}

var bindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}

// member makes a service account with cluster roles in its namespace.
func (s *sandbox) member(ns, account string, roles ...string) {
	s.T.Helper()
	s.Account(ns, account)
	for _, role := range roles {
		s.Create(bindings, binding(ns, account+"-"+strings.TrimPrefix(role, "system:"), "ClusterRole", role, ns, account))
	}
}

func binding(ns, name, kind, role, of string, accounts ...string) *unstructured.Unstructured {
	var subjects []any
	for _, account := range accounts {
		subjects = append(subjects, map[string]any{"kind": "ServiceAccount", "namespace": of, "name": account})
	}
	u := api.Object("rbac.authorization.k8s.io/v1", "RoleBinding", ns, name)
	u.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
	u.Object["subjects"] = subjects
	return u
}

// viewer applies the component's role, and binds it to service accounts instead of to its group.
func (s *sandbox) viewer(ns string, accounts ...string) {
	s.T.Helper()
	found := 0
	for _, u := range harness.Objects(s.T, harness.Kustomize(s.T, "kustomize/components/viewer")) {
		found++
		if u.GetKind() == "RoleBinding" {
			if subjects := fmt.Sprint(u.Object["subjects"]); !strings.Contains(subjects, "kind:Group name:pullsecrets-viewers") {
				s.T.Errorf("it is bound to %s", subjects)
			}
			u = binding(api.Home, u.GetName(), "Role", "pullsecrets-viewer", ns, accounts...)
		}
		s.Manifest(u)
	}
	if found != 2 {
		s.T.Errorf("the component has %d objects", found)
	}
}
