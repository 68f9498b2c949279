package inspect

import (
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
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// someones are the rights of somebody who may not read the secrets of some namespaces, or list service accounts or Events.
type someones struct {
	dumpLookup
	noSecrets  []string
	noAccounts bool
	noEvents   bool
}

func (l someones) get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error) {
	if resource == kube.Secrets && slices.Contains(l.noSecrets, key.Namespace) {
		return nil, apierrors.NewForbidden(resource.GroupResource(), key.Name, nil)
	}
	return l.dumpLookup.get(resource, key)
}

func (l someones) each(resource schema.GroupVersionResource, namespace, selector string, f func(*unstructured.Unstructured) error) error {
	if resource == kube.ServiceAccounts && l.noAccounts || resource == kube.Events && l.noEvents {
		return apierrors.NewForbidden(resource.GroupResource(), "", nil)
	}
	return l.dumpLookup.each(resource, namespace, selector, f)
}

func targeted(t *testing.T, text string) Target {
	t.Helper()
	target, err := ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func explained(kind, namespace, name string, more map[string]any) *unstructured.Unstructured {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	object := map[string]any{"apiVersion": "v1", "kind": kind, "metadata": metadata}
	for key, value := range more {
		object[key] = value
	}
	return &unstructured.Unstructured{Object: object}
}

// A team may read neither the sources nor, perhaps, its own secrets: what it may not read says nothing of the controller's
// rights, nor that something does not exist.
func TestExplainSaysWhatWhoeverAsksMayNotRead(t *testing.T) {
	documents := map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets: [{source: {name: reg}}]\n"}
	secret := map[string]any{
		"type": "kubernetes.io/dockerconfigjson",
		"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"},
	}
	objects := dumpLookup{
		explained("Namespace", "", "a", nil),
		explained("Secret", "home", "reg", secret), explained("Secret", "a", "reg", secret),
		explained("ServiceAccount", "a", "default", map[string]any{"imagePullSecrets": []any{map[string]any{"name": "reg"}}}),
		explained("Pod", "a", "web", map[string]any{"spec": map[string]any{
			"imagePullSecrets": []any{map[string]any{"name": "reg"}},
			"containers":       []any{map[string]any{"name": "c", "image": "hub.example/x"}},
		}}),
		explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{
			"names": "reg", "status.json": `{"problemCount": 1, "problems": [{"kind": "Secret", "name": "reg", "reason": "SourceForbidden", "detail": "apply the roles", "example": "a", "namespaces": 1}]}`,
		}}),
	}
	at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
	for _, tt := range []struct {
		who    someones
		want   []string
		absent []string
	}{
		{someones{noSecrets: []string{"home"}},
			[]string{"you may not read its source", "has an entry for it", "apply the roles (SourceForbidden)"}, []string{"rbac -f POLICY", "Unread:true"}},
		{someones{noSecrets: []string{"home", "a"}},
			[]string{"you may not read it", "Unread:true", "that you may read has an entry for hub.example; these you may not read: reg"}, []string{"rbac -f POLICY", "pulled without"}},
		{someones{noAccounts: true},
			[]string{"you may not list its service accounts", "has an entry for it"}, nil},
	} {
		tt.who.dumpLookup = objects
		e, err := explain(tt.who, at, policy.Options{Namespace: "home"}, documents, "a", targeted(t, "pod/web"))
		if err != nil {
			t.Error(err)
			continue
		}
		said := fmt.Sprintf("%+v %+v %+v", *e, e.Accounts, *e.Pod)
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in %s", want, said)
			}
		}
		for _, absent := range tt.absent {
			if strings.Contains(said, absent) {
				t.Errorf("%q is in %s", absent, said)
			}
		}
	}
}

// Of many problems the status names the first, so that one is not among them does not say that there is none.
func TestExplainDoubtsAStatusThatNamesNotAll(t *testing.T) {
	e := &explainer{reader: reader{snapshot: emptySnapshot(Place{}.Installation())}}
	if text := e.pending("delete", nil); text != "the controller is about to delete it: see its log if it does not" {
		t.Error(text)
	}
	e.snapshot.statusDenied = apierrors.NewForbidden(kube.ConfigMaps.GroupResource(), "status", nil)
	if text := e.pending("delete", nil); !strings.Contains(text, "or cannot: the status ConfigMap would tell, and you may not read it") {
		t.Error(text)
	}
	e.snapshot.statusDenied = nil
	status := explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{
		"names": "", "status.json": `{"problemCount": 30, "problems": [{"kind": "Secret", "name": "reg", "reason": "PruneHeld", "detail": "held", "example": "a"}]}`,
	}})
	if err := e.snapshot.add(state.NewProjector(), status); err != nil {
		t.Fatal(err)
	}
	if text := e.pending("delete", nil); !strings.Contains(text, "or cannot: the status names 1 of 30 problems") {
		t.Error(text)
	}
	if text := e.pending("delete", []string{"held (PruneHeld)"}); text != "the controller cannot delete it: held (PruneHeld)" {
		t.Error(text)
	}
}

// Of a rule that attaches to pods, explain says for a pod whether the API server added its names, and why not.
func TestExplainSaysWhatTheAPIServerAddsToPods(t *testing.T) {
	documents := map[string]string{"policy.yaml": `apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- {name: hub, secrets: [{source: {name: reg}}], attach: pods}
`}
	secret := map[string]any{
		"type": "kubernetes.io/dockerconfigjson",
		"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"},
	}
	pod := func(name string, list []any, annotations map[string]any) *unstructured.Unstructured {
		p := explained("Pod", "a", name, map[string]any{"spec": map[string]any{"imagePullSecrets": list}})
		p.Object["metadata"].(map[string]any)["annotations"] = annotations
		return p
	}
	own := []any{map[string]any{"name": "own"}}
	objects := dumpLookup{
		explained("Namespace", "", "a", nil), explained("ServiceAccount", "a", "default", nil),
		explained("Secret", "home", "reg", secret), explained("Secret", "a", "reg", secret),
		pod("has", append(own, map[string]any{"name": "reg"}), nil), pod("early", own, nil),
		pod("out", nil, map[string]any{"pullsecrets/exclude": "true"}), pod("mirror", nil, map[string]any{"kubernetes.io/config.mirror": "x"}),
	}
	status := func(attached string) *unstructured.Unstructured {
		return explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{"names": "reg", "status.json": `{"attached": ` + attached + `}`}})
	}
	for _, c := range []struct{ pod, attached, want string }{
		{"has", `{"pods": ["hub"]}`, "the pod has it"},
		{"early", `{"pods": ["hub"]}`, "the API server adds it to pods as they are created, and did not yet when this one was"},
		{"out", `{"pods": ["hub"]}`, "its annotation opts the pod out"},
		{"mirror", `{"pods": ["hub"]}`, "it is the mirror of a static pod"},
		{"early", `{"accounts": ["hub"], "why": "too old"}`, "the pod sets imagePullSecrets itself (own)"},
	} {
		at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
		e, err := explain(append(objects, status(c.attached)), at, policy.Options{Namespace: "home"}, documents, "a", targeted(t, "pod/"+c.pod))
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Pod.Names) != 1 || e.Pod.Names[0].Name != "reg" || !strings.Contains(e.Pod.Names[0].Text, c.want) {
			t.Errorf("%s with %s: %+v, want %q", c.pod, c.attached, e.Pod.Names, c.want)
		}
		if byPods := strings.Contains(c.attached, "pods"); (e.Rules[0].Attach == "pods") != byPods || (len(e.Accounts[0].Names) == 0) != byPods {
			t.Errorf("with %s: %+v %+v", c.attached, e.Rules, e.Accounts)
		}
	}
}

// What the kubelet says is in the pod's status and, for an hour, in Events. Those of an earlier pod of the name, and of other
// matters, are left out.
func TestExplainRepeatsTheKubelet(t *testing.T) {
	const (
		refused = `failed to pull and unpack image "hub.example/x": 401 Unauthorized`
		lacks   = `Unable to retrieve some image pull secrets (reg); attempting to pull the image may not succeed.`
	)
	event := func(name, uid, path, reason, message, last string) *unstructured.Unstructured {
		return explained("Event", "a", name, map[string]any{
			"involvedObject": map[string]any{"kind": "Pod", "name": "web", "uid": uid, "fieldPath": path},
			"reason":         reason, "message": message, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": last,
		})
	}
	waiting := func(name, reason, message string) map[string]any {
		return map[string]any{"name": name, "state": map[string]any{"waiting": map[string]any{"reason": reason, "message": message}}}
	}
	container := func(name string) map[string]any { return map[string]any{"name": name, "image": "hub.example/" + name} }
	pod := explained("Pod", "a", "web", map[string]any{
		"spec": map[string]any{
			"initContainers": []any{container("init")},
			"containers":     []any{container("now"), container("before"), container("runs"), container("starts"), container("silent")},
		},
		"status": map[string]any{
			"initContainerStatuses": []any{waiting("init", "InvalidImageName", "odd\x1b[31m\nname")},
			"containerStatuses": []any{
				waiting("now", "ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: `+refused),
				waiting("before", "ImagePullBackOff", `Back-off pulling image "x"`),
				map[string]any{"name": "runs", "state": map[string]any{"running": map[string]any{}}},
				waiting("starts", "ContainerCreating", ""),
			},
		},
	})
	pod.SetUID("now")
	objects := dumpLookup{
		explained("Namespace", "", "a", nil), explained("ServiceAccount", "a", "default", nil), pod,
		event("1", "now", "", "FailedToRetrieveImagePullSecret", lacks, "2026-01-01T00:00:05Z"),
		event("2", "now", "spec.containers{before}", "Failed", "Failed to pull image: "+refused, "2026-01-01T00:00:09Z"),
		event("3", "now", "spec.containers{before}", "Failed", "Error: ErrImagePull", "2026-01-01T00:00:10Z"),
		event("4", "now", "spec.containers{before}", "Pulled", "an older one", "2026-01-01T00:00:01Z"),
		event("5", "now", "spec.containers{runs}", "Pulled", "Successfully pulled it", "2026-01-01T00:00:00Z"),
		event("6", "earlier", "spec.containers{silent}", "Pulled", "of an earlier pod", "2026-01-01T00:00:00Z"),
	}
	documents := map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"}
	at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
	said := func(who someones) (*PodExplanation, string) {
		who.dumpLookup = objects
		e, err := explain(who, at, policy.Options{Namespace: "home"}, documents, "a", targeted(t, "pod/web"))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, i := range e.Pod.Images {
			line := i.Container
			if i.Kubelet != nil {
				line += fmt.Sprintf(": %s (%s)", i.Kubelet.Text, i.Kubelet.Last)
			}
			lines = append(lines, line)
		}
		return e.Pod, strings.Join(lines, "\n")
	}
	got, lines := said(someones{})
	want := `init: InvalidImageName: odd?[31m name ()
now: ImagePullBackOff: Back-off pulling image "x": ErrImagePull: ` + refused + ` ()
before: ImagePullBackOff: Back-off pulling image "x"; Failed to pull image: ` + refused + ` (2026-01-01T00:00:09Z)
runs: Successfully pulled it (2026-01-01T00:00:00Z)
starts
silent`
	if lines != want {
		t.Errorf("it says\n%s\nand not\n%s", lines, want)
	}
	if len(got.Kubelet) != 1 || got.Kubelet[0] != (KubeletReport{lacks, "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"}) {
		t.Errorf("of the pod: %+v", got.Kubelet)
	}
	got, lines = said(someones{noEvents: true})
	if !strings.Contains(lines, refused) || strings.Contains(lines, "Successfully") || !strings.Contains(strings.Join(got.Notes, "; "), "you may not list its Events") {
		t.Errorf("without Events: %v\n%s", got.Notes, lines)
	}
}

// A pod that has what the API server added, and no more, names nothing itself.
func TestExplainTellsWhatWasAddedFromWhatAPodNames(t *testing.T) {
	documents := map[string]string{"policy.yaml": `apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- {name: hub, secrets: [{source: {name: reg}, name: direct}], attach: pods}
- {name: late, secrets: [{source: {name: reg}}]}
`}
	secret := map[string]any{
		"type": "kubernetes.io/dockerconfigjson",
		"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"},
	}
	objects := dumpLookup{
		explained("Namespace", "", "a", nil),
		explained("ServiceAccount", "a", "default", map[string]any{"imagePullSecrets": []any{map[string]any{"name": "reg"}}}),
		explained("Secret", "home", "reg", secret), explained("Secret", "a", "reg", secret), explained("Secret", "a", "direct", secret),
		explained("Pod", "a", "early", map[string]any{"spec": map[string]any{"imagePullSecrets": []any{map[string]any{"name": "direct"}}}}),
		explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{"names": "reg", "status.json": `{"attached": {"pods": ["hub"]}}`}}),
	}
	at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
	e, err := explain(objects, at, policy.Options{Namespace: "home"}, documents, "a", targeted(t, "pod/early"))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, n := range e.Pod.Names {
		said = append(said, n.Name+": "+n.Text)
	}
	text := strings.Join(said, "\n")
	if !strings.Contains(text, "direct: the pod has it") || !strings.Contains(text, "reg: the pod was created") || strings.Contains(text, "itself") {
		t.Error(text)
	}
}
