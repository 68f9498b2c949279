package inspect

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// team is the cluster of a team in namespace a, whose default service account has the name reg, and where a rule for others has
// a credential of ghcr.example.
type team struct{ dumpLookup }

const teamPolicy = `apiVersion: pullsecrets/v1alpha1
kind: Policy
nodeCredentials: ["*.ecr.example"]
rules:
- name: hub
  secrets: [{source: {name: reg}}]
- name: ghcr
  secrets: [{source: {name: ghcr}}]
  namespaces: {selector: {matchLabels: {team: b}}}
`

func newTeam(more ...*unstructured.Unstructured) team {
	return team{append(dumpLookup{
		explained("Namespace", "", "a", nil), registry("home", "reg", "hub.example"), registry("home", "ghcr", "ghcr.example/team"), registry("a", "reg", "hub.example"),
		explained("ServiceAccount", "a", "default", map[string]any{"imagePullSecrets": named("reg")}),
		explained("ConfigMap", "home", "policy", map[string]any{"data": map[string]any{"policy.yaml": teamPolicy}}),
		explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{"names": "reg\nghcr", "status.json": `{"sourceHosts": [
			{"source": "home/reg", "hosts": ["hub.example"]}, {"source": "home/ghcr", "hosts": ["ghcr.example/team"]}]}`}}),
	}, more...)}
}

func registry(namespace, name, host string) *unstructured.Unstructured {
	config := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"auths":{%q:{"username":"u","password":"pass-canary"}}}`, host))
	return explained("Secret", namespace, name, map[string]any{"type": "kubernetes.io/dockerconfigjson", "data": map[string]any{".dockerconfigjson": config}})
}

func named(names ...string) (list []any) {
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

// podSpec is one with a container for each image, called c0, c1 and so on.
func podSpec(list []any, images ...string) map[string]any {
	spec := map[string]any{"imagePullSecrets": list}
	var containers []any
	for i, image := range images {
		containers = append(containers, map[string]any{"name": fmt.Sprint("c", i), "image": image})
	}
	spec["containers"] = containers
	return spec
}

// made is something that a controller made; with waits, of which all images are waited for.
func made(o *unstructured.Unstructured, apiVersion, kind, name string) *unstructured.Unstructured {
	if kind != "" {
		o.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": "u", "controller": true}}
	}
	return o
}

func waitingFor(name string, spec map[string]any) *unstructured.Unstructured {
	var statuses []any
	for _, c := range spec["containers"].([]any) {
		statuses = append(statuses, map[string]any{"name": c.(map[string]any)["name"], "state": map[string]any{"waiting": map[string]any{"reason": "ErrImagePull", "message": "401 Unauthorized"}}})
	}
	o := explained("Pod", "a", name, map[string]any{"spec": spec, "status": map[string]any{"phase": "Pending", "containerStatuses": statuses}})
	o.Object["metadata"].(map[string]any)["creationTimestamp"] = "2026-11-01T00:00:00Z"
	return o
}

func templated(kind, apiVersion, name string, spec map[string]any) *unstructured.Unstructured {
	o := explained(kind, "a", name, map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}})
	if kind == "CronJob" {
		o.Object["spec"] = map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}}}
	}
	o.SetAPIVersion(apiVersion)
	return o
}

func (c team) explain(t *testing.T, from lookup, target string) *Explanation {
	t.Helper()
	at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
	e, err := explain(from, at, policy.Options{Namespace: "home"}, nil, "a", targeted(t, target))
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	if said := fmt.Sprintf("%+v %+v %+v", *e, e.Workload, e.Pod); strings.Contains(said, "canary") {
		t.Errorf("a credential got out: %s", said)
	}
	return e
}

// TestExplainSaysWhatToDo has each kind of workload with an early pod, and other causes.
func TestExplainSaysWhatToDo(t *testing.T) {
	early := podSpec(nil, "hub.example/shop")
	for _, c := range []struct {
		why, target string
		objects     []*unstructured.Unstructured
		want        string // a command, or part of what is said
	}{
		{"an early pod of a Deployment", "pod/web-1-x", []*unstructured.Unstructured{
			templated("Deployment", "apps/v1", "web", early), made(templated("ReplicaSet", "apps/v1", "web-1", early), "apps/v1", "Deployment", "web"),
			made(waitingFor("web-1-x", early), "apps/v1", "ReplicaSet", "web-1"),
		}, "kubectl -n a rollout restart deployment/web"},
		{"the Deployment itself", "deploy/web", []*unstructured.Unstructured{
			templated("Deployment", "apps/v1", "web", early), made(templated("ReplicaSet", "apps/v1", "web-1", early), "apps/v1", "Deployment", "web"),
			made(waitingFor("web-1-x", early), "apps/v1", "ReplicaSet", "web-1"),
		}, "kubectl -n a rollout restart deployment/web"},
		{"a StatefulSet", "sts/db", []*unstructured.Unstructured{
			templated("StatefulSet", "apps/v1", "db", early), made(waitingFor("db-0", early), "apps/v1", "StatefulSet", "db"),
		}, "kubectl -n a delete pod db-0"},
		{"a ReplicaSet of nobody", "rs/web", []*unstructured.Unstructured{
			templated("ReplicaSet", "apps/v1", "web", early), made(waitingFor("web-x", early), "apps/v1", "ReplicaSet", "web"),
		}, "kubectl -n a delete pod web-x"},
		{"a Job", "job/once", []*unstructured.Unstructured{
			templated("Job", "batch/v1", "once", early), made(waitingFor("once-x", early), "batch/v1", "Job", "once"),
		}, "kubectl -n a delete pod once-x"},
		{"a CronJob", "cj/nightly", []*unstructured.Unstructured{
			templated("CronJob", "batch/v1", "nightly", early), made(templated("Job", "batch/v1", "nightly-1", early), "batch/v1", "CronJob", "nightly"),
			made(waitingFor("nightly-1-x", early), "batch/v1", "Job", "nightly-1"),
		}, "kubectl -n a delete job nightly-1"},
		{"a pod of nobody", "pod/bare", []*unstructured.Unstructured{waitingFor("bare", early)}, "kubectl -n a replace --force -f MANIFEST"},
		{"a pod of somebody else's kind", "pod/odd", []*unstructured.Unstructured{made(waitingFor("odd", early), "example.com/v1", "Rollout", "odd")}, "restart Rollout odd, which makes this pod"},
		{"a name that no shell would leave alone", "pod/bare", []*unstructured.Unstructured{made(waitingFor("bare", early), "apps/v1", "Deployment", "$(x)")}, "names reg, which has an entry for hub.example/shop"},
		{"a name that smuggles a flag", "pod/bare", []*unstructured.Unstructured{made(waitingFor("bare", early), "apps/v1", "Deployment", "x -n kube-system deployment/coredns")}, "names reg, which has an entry for hub.example/shop"},
		{"a list of its own", "pod/own", []*unstructured.Unstructured{waitingFor("own", podSpec(named("mine"), "hub.example/shop"))}, "the pod sets imagePullSecrets itself (mine)"},
		{"a rule for others", "pod/other", []*unstructured.Unstructured{waitingFor("other", podSpec(named("reg"), "ghcr.example/team/app"))}, "rule ghcr has a credential for ghcr.example/team/app: it does not select the namespace: the selector asks for team=b"},
		{"no rule at all", "pod/none", []*unstructured.Unstructured{waitingFor("none", podSpec(named("reg"), "quay.example/app"))}, "no rule has a credential for quay.example/app"},
		{"a registry of the nodes", "pod/ecr", []*unstructured.Unstructured{waitingFor("ecr", podSpec(named("reg"), "one.ecr.example/app"))}, "the nodes log in to the registry of one.ecr.example/app"},
		{"a credential that is refused", "pod/bad", []*unstructured.Unstructured{waitingFor("bad", podSpec(named("reg"), "hub.example/shop"))}, "pullsecrets check -n a -image hub.example/shop secret/reg"},
	} {
		e := newTeam(c.objects...).explain(t, newTeam(c.objects...), c.target)
		if len(e.Do) != 1 || !strings.Contains(e.Do[0].Command+" "+e.Do[0].Why, c.want) {
			t.Errorf("%s: %+v, want %s", c.why, e.Do, c.want)
		}
		for _, step := range e.Do {
			if strings.ContainsAny(step.Command, "$(") || strings.Contains(step.Command, "kube-system") {
				t.Errorf("%s: %+v", c.why, e.Do)
			}
		}
	}
}

// TestExplainAdvisesNothingThatDoesNotHelp has the causes that look like one another.
func TestExplainAdvisesNothingThatDoesNotHelp(t *testing.T) {
	early := podSpec(nil, "hub.example/shop")
	web := func(spec map[string]any) []*unstructured.Unstructured {
		return []*unstructured.Unstructured{
			templated("Deployment", "apps/v1", "web", spec), made(templated("ReplicaSet", "apps/v1", "web-1", spec), "apps/v1", "Deployment", "web"),
		}
	}
	pod := func(spec map[string]any) *unstructured.Unstructured {
		return made(waitingFor("web-1-x", spec), "apps/v1", "ReplicaSet", "web-1")
	}
	with := func(o *unstructured.Unstructured, value any, path ...string) *unstructured.Unstructured {
		if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
			t.Fatal(err)
		}
		return o
	}
	says := func(o *unstructured.Unstructured, message string) *unstructured.Unstructured {
		return with(o, []any{map[string]any{"name": "c0", "state": map[string]any{"waiting": map[string]any{"reason": "ErrImagePull", "message": message}}}}, "status", "containerStatuses")
	}
	injected := podSpec(nil, "mesh.example/proxy", "hub.example/shop")
	broken := registry("a", "mine", "hub.example")
	broken.Object["data"] = map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(`{"auths":{"x.example":{"auth":"!!!"}}}`))}
	empty := registry("a", "mine", "hub.example")
	empty.Object["data"] = map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(`{"auths":{"hub.example":{},"x.example":{"username":"u","password":"p"}}}`))}
	volume := podSpec(nil, "nginx")
	volume["volumes"] = []any{map[string]any{"name": "model", "image": map[string]any{"reference": "hub.example/model"}}}
	volume["containers"].([]any)[0].(map[string]any)["volumeMounts"] = []any{map[string]any{"name": "model"}}
	job := with(with(templated("Job", "batch/v1", "once", early), int64(0), "spec", "backoffLimit"), int64(0), "status", "failed")
	for _, c := range []struct {
		why          string
		pod          *unstructured.Unstructured
		objects      []*unstructured.Unstructured
		want, absent string // in what is to be done; no want: nothing
	}{
		{"a webhook put a container in front", pod(injected), web(early), "kubectl -n a rollout restart deployment/web", "no rule has a credential for hub"},
		{"the template has a newer tag", pod(podSpec(nil, "hub.example/shop:1")), web(podSpec(nil, "hub.example/shop:2")), "kubectl -n a rollout restart deployment/web", ""},
		{"a paused Deployment", pod(early), append(web(early)[1:], with(templated("Deployment", "apps/v1", "web", early), true, "spec", "paused")), "kubectl -n a delete pod web-1-x", "rollout restart"},
		{"a DaemonSet that replaces on deletion", made(waitingFor("agent-x", early), "apps/v1", "DaemonSet", "agent"),
			[]*unstructured.Unstructured{with(templated("DaemonSet", "apps/v1", "agent", early), "OnDelete", "spec", "updateStrategy", "type")}, "kubectl -n a delete pod agent-x", "rollout"},
		{"a Job that takes no more failures", made(waitingFor("once-x", early), "batch/v1", "Job", "once"), []*unstructured.Unstructured{job}, "replace --force", "delete pod"},
		{"a broken pull secret", pod(podSpec(named("reg", "mine"), "hub.example/shop")), append(web(podSpec(named("reg", "mine"), "hub.example/shop")), broken), "make the secret mine (", "ask the registry"},
		{"a broken pull secret in the account's new list", pod(early), append(web(podSpec(named("reg", "mine"), "hub.example/shop")), broken), "make it anew first", "rollout restart"},
		{"an entry that holds nothing", pod(podSpec(named("mine"), "hub.example/shop")), append(web(podSpec(named("mine", "reg"), "hub.example/shop")), empty), "a new pod names reg", "ask the registry"},
		{"another entry that a new pod has", pod(podSpec(named("old"), "hub.example/shop")), append(web(podSpec(named("old", "reg"), "hub.example/shop")), registry("a", "old", "hub.example")), "a new pod names reg", "ask the registry"},
		{"an image volume", says(pod(volume), `Failed to pull image "hub.example/model": 401 Unauthorized`), web(volume), "a new pod names reg, which has an entry for hub.example/model", "nginx"},
		{"a certificate", says(pod(podSpec(named("reg"), "nginx")), "x509: certificate signed by unknown authority"), web(podSpec(named("reg"), "nginx")), "is no matter of credentials", "no rule has"},
		{"a pod that is going", with(pod(early), "2026-11-01T00:00:00Z", "metadata", "deletionTimestamp"), web(early), "", ""},
		{"a static pod", with(waitingFor("static", early), "x", "metadata", "annotations", "kubernetes.io/config.mirror"), nil, "", ""},
		{"a name whose copy is not there", pod(podSpec(named("gone"), "quay.example/app")), web(podSpec(named("gone"), "quay.example/app")), "no rule has a credential", "entry for hub"},
	} {
		e := newTeam().explain(t, newTeam(append(c.objects, c.pod)...), "pod/"+c.pod.GetName())
		said := fmt.Sprint(e.Do)
		if (c.want == "") != (len(e.Do) == 0) || !strings.Contains(said, c.want) || c.absent != "" && strings.Contains(said, c.absent) {
			t.Errorf("%s: %s, want %q and not %q", c.why, said, c.want, c.absent)
		}
	}
}

// What is not known is not said to be so.
func TestExplainSaysWhyARulesCredentialDoesNotReachThePod(t *testing.T) {
	lacks := podSpec(nil, "hub.example/shop")
	foreign := registry("a", "reg", "other.example")
	optedOut := explained("Namespace", "", "a", nil)
	optedOut.SetAnnotations(map[string]string{"pullsecrets/exclude": "true"})
	bare := explained("ServiceAccount", "a", "default", nil)
	for _, c := range []struct {
		why          string
		replace      map[int]*unstructured.Unstructured
		rights       forbidden
		want, absent string
	}{
		{"the namespace is opted out", map[int]*unstructured.Unstructured{0: optedOut, 4: bare}, forbidden{}, "annotation opts it out", "not select the service account"},
		{"somebody else's secret has the name", map[int]*unstructured.Unstructured{3: foreign, 4: bare}, forbidden{}, "that is not ours", "name reg in imagePullSecrets"},
		{"the controller has not added it yet", map[int]*unstructured.Unstructured{4: bare}, forbidden{}, "the controller is about to add it", "not select the service account"},
		{"service accounts may not be listed", map[int]*unstructured.Unstructured{4: bare}, forbidden{resources: []schema.GroupVersionResource{kube.ServiceAccounts}}, "you may not list it", "not select the service account"},
	} {
		cluster := newTeam(waitingFor("web", lacks))
		for i, o := range c.replace {
			cluster.dumpLookup[i] = o
		}
		c.rights.lookup = cluster
		if said := fmt.Sprint(cluster.explain(t, c.rights, "pod/web").Do); !strings.Contains(said, c.want) || strings.Contains(said, c.absent) {
			t.Errorf("%s: %s, want %q and not %q", c.why, said, c.want, c.absent)
		}
	}
	old := newTeam(waitingFor("web", podSpec(named("reg"), "ghcr.example/team/app"))) // a status that tells nothing of sources
	old.dumpLookup[6].Object["data"].(map[string]any)["status.json"] = "{}"
	if said := fmt.Sprint(old.explain(t, forbidden{lookup: old, home: false, resources: []schema.GroupVersionResource{kube.Secrets}}, "pod/web").Do); strings.Contains(said, "no rule has") {
		t.Error(said)
	}
}

// TestExplainKnowsWhichPolicyIsInForce: what this program refuses may be what the controller goes by.
func TestExplainKnowsWhichPolicyIsInForce(t *testing.T) {
	const elsewhere = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: vault\n  secrets: [{source: {namespace: vault, name: reg}}]\n"
	const newer = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nlater: true\nrules: []\n"
	judged := func(text, said string) *unstructured.Unstructured {
		o := explained("ConfigMap", "home", "policy", map[string]any{"data": map[string]any{"policy.yaml": text}})
		o.SetAnnotations(map[string]string{"pullsecrets/status": said, "pullsecrets/observed": policy.Hash(map[string]string{"policy.yaml": text}), "pullsecrets/message": "because"})
		return o
	}
	flags := explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{"names": "", "status.json": `{"status": "Ready"}`}})
	none := explained("ConfigMap", "home", "other", nil)
	for _, c := range []struct {
		why           string
		policy        *unstructured.Unstructured
		status        *unstructured.Unstructured
		want          string
		rules         int
		certainlyNone bool
	}{
		{"sources in a namespace that only the controller's flags name", judged(elsewhere, "Ready"), flags, "", 1, false},
		{"a policy of a later version", judged(newer, "Ready"), flags, "may be the older of the two", 0, false},
		{"a policy from flags", none, flags, "a policy that is not here to be read", 0, false},
		{"a text that the controller refused for its own reasons", judged(elsewhere, "Invalid"), none, "the policy was refused: because", 0, true},
		{"nothing at all", none, none, "no policy is in force", 0, true},
	} {
		l := newTeam().dumpLookup
		l[5], l[6] = c.policy, c.status
		at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
		e, err := explain(l, at, policy.Options{Namespace: "home"}, nil, "a", Target{})
		said := fmt.Sprint(err)
		if e != nil {
			said = strings.Join(e.Notes, "; ")
		}
		if (err != nil) != c.certainlyNone || !strings.Contains(said, c.want) || e != nil && (len(e.Rules) != c.rules || e.PolicyUnknown != (c.rules == 0)) {
			t.Errorf("%s: %+v, %v", c.why, e, err)
		}
	}
}

// A pod that waits for nothing needs nothing.
func TestExplainAdvisesNothingWhereNothingWaits(t *testing.T) {
	pod := explained("Pod", "a", "fine", map[string]any{"spec": podSpec(nil, "nginx")})
	c := newTeam(templated("Deployment", "apps/v1", "web", podSpec(nil, "nginx")), pod)
	for _, target := range []string{"pod/fine", "deploy/web", ""} {
		if e := c.explain(t, c, target); len(e.Do) > 0 || len(e.Waiting) > 0 {
			t.Errorf("%s: %+v %+v", target, e.Do, e.Waiting)
		}
	}
}

func TestExplainListsThePodsThatWait(t *testing.T) {
	var pods []*unstructured.Unstructured
	for i := range shownPods + 3 {
		pods = append(pods, waitingFor(fmt.Sprintf("web-%02d", i), podSpec(nil, "hub.example/shop")))
	}
	gone := waitingFor("gone", podSpec(nil, "hub.example/shop"))
	gone.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2026-11-01T00:00:00Z"
	e := newTeam().explain(t, newTeam(append(pods, gone)...), "")
	if len(e.Waiting) != shownPods || e.Waiting[0].Name != "web-00" || !strings.Contains(strings.Join(e.Notes, "; "), "3 more pods wait") ||
		len(e.Do) != 1 || e.Do[0].Command != "pullsecrets explain -n a pod/web-00" {
		t.Errorf("%+v %v %+v", e.Waiting, e.Notes, e.Do)
	}
}

// The entries are those that the kubelet tries, in its order, of containers of all kinds and of volumes that are images.
func TestExplainNamesTheEntriesThatTheKubeletTries(t *testing.T) {
	spec := podSpec(named("reg", "more", "absent"), "hub.example/shop/app")
	spec["initContainers"] = []any{map[string]any{"name": "init", "image": "hub.example/other"}}
	spec["ephemeralContainers"] = []any{map[string]any{"name": "debug", "image": "busybox"}}
	spec["volumes"] = []any{map[string]any{"name": "model", "image": map[string]any{"reference": "hub.example/shop/model"}}, map[string]any{"name": "tmp"}}
	c := newTeam(registry("a", "more", "hub.example/shop"), explained("Pod", "a", "web", map[string]any{"spec": spec}))
	e := c.explain(t, c, "pod/web")
	var got []string
	for _, i := range e.Pod.Images {
		line := i.Container + i.Volume
		for _, entry := range i.Entries {
			line += fmt.Sprintf(" %s=%s", entry.Secret, entry.Host)
		}
		got = append(got, line)
	}
	want := []string{"init reg=hub.example", "c0 more=hub.example/shop reg=hub.example", "debug", "model more=hub.example/shop reg=hub.example"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if text := e.Pod.Images[2].Text; !strings.Contains(text, "has an entry for docker.io; these do not exist: absent; it is pulled without a credential") {
		t.Error(text)
	}
}

// forbidden are the rights of somebody who may not get or list some resources, or those of another namespace.
type forbidden struct {
	lookup
	resources []schema.GroupVersionResource
	home      bool // nor anything in the controller's namespace
}

func (f forbidden) denies(resource schema.GroupVersionResource, namespace string) error {
	if slices.Contains(f.resources, resource) || f.home && namespace == "home" {
		return apierrors.NewForbidden(resource.GroupResource(), "", nil)
	}
	return nil
}

func (f forbidden) get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error) {
	if err := f.denies(resource, key.Namespace); err != nil {
		return nil, err
	}
	return f.lookup.get(resource, key)
}

func (f forbidden) each(resource schema.GroupVersionResource, namespace, selector string, do func(*unstructured.Unstructured) error) error {
	if err := f.denies(resource, namespace); err != nil {
		return err
	}
	return f.lookup.each(resource, namespace, selector, do)
}

// TestExplainAnswersWhatATeamMayKnow: what may not be read is named, and nothing is said of it.
func TestExplainAnswersWhatATeamMayKnow(t *testing.T) {
	waiting := waitingFor("web", podSpec(named("reg"), "hub.example/shop", "ghcr.example/team/app"))
	copied := registry("a", "reg", "hub.example")
	copied.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	copied.SetAnnotations(map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "home/reg"})
	c := newTeam(waiting)
	c.dumpLookup[3] = copied
	for _, who := range []struct {
		may          string
		rights       forbidden
		want, absent []string
	}{
		{"read the two ConfigMaps, and no secret", forbidden{resources: []schema.GroupVersionResource{kube.Secrets}},
			[]string{"reg has an entry for it (hub.example), as the status says: you may not read it", "rule ghcr has one for its copies ghcr (ghcr.example/team, as the status says)"}, []string{"no policy is in force"}},
		{"read nothing of the controller", forbidden{home: true},
			[]string{"you may not read the policy ConfigMap home/policy", "which policy is in force is not known here", "components/viewer", "reg has an entry for it (hub.example)", "it has the marks of a copy", "Rule:hub"},
			[]string{"no policy is in force", "the policy has no rules", "no rule"}},
		{"not read the namespace", forbidden{resources: []schema.GroupVersionResource{kube.Namespaces}},
			[]string{"you may not read the namespace", "it may or may not, by labels that you may not read", "reg has an entry for it"}, []string{"it has no label team"}},
		{"read pods alone", forbidden{home: true, resources: []schema.GroupVersionResource{kube.Secrets, kube.ServiceAccounts, kube.Namespaces, kube.Events}},
			[]string{"these you may not read: reg", "401 Unauthorized", "you may not list its service accounts"}, []string{"no policy is in force", "pulled without a credential"}},
	} {
		who.rights.lookup = c
		e := c.explain(t, who.rights, "pod/web")
		said := fmt.Sprintf("%+v %+v %+v", *e, *e.Pod, e.Pod.Images)
		for _, image := range e.Pod.Images {
			said += image.Kubelet.Text
		}
		for _, want := range who.want {
			if !strings.Contains(said, want) {
				t.Errorf("who may %s: %q is not in %s", who.may, want, said)
			}
		}
		for _, absent := range who.absent {
			if strings.Contains(said, absent) {
				t.Errorf("who may %s: %q is in %s", who.may, absent, said)
			}
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, text := range []string{"pod/web", "po/web", "deploy/web", "deployments.apps/web", "Deployment/web", "sts/db-0", "cj/a.b"} {
		if _, err := ParseTarget(text); err != nil {
			t.Error(err)
		}
	}
	for text, want := range map[string]string{"node/a": "one of pod, serviceaccount, deployment", "pod": "write the name", "pod/": "write the name", "deploy/A_b": "write the name", "pod/a/b": "write the name"} {
		if _, err := ParseTarget(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
