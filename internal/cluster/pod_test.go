package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestAPodIsShrunk(t *testing.T) {
	got := NewPod(object(t, `
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: a
  uid: u-1
  resourceVersion: "7"
  creationTimestamp: "2026-01-02T03:04:05Z"
  annotations: {pullsecrets/evict: "false"}
  ownerReferences:
  - {apiVersion: v1, kind: ConfigMap, name: other, uid: u-2}
  - {apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u-3, controller: true}
spec:
  serviceAccountName: builder
  imagePullSecrets: [{name: reg}, {}]
status:
  phase: Pending
  initContainerStatuses:
  - {name: first, state: {terminated: {reason: Completed}}}
  containerStatuses:
  - {name: ready, state: {running: {}}}
  - {name: web, state: {waiting: {reason: ImagePullBackOff, message: "hunter2"}}}
`))
	want := &Pod{
		Meta:    Meta{Namespace: "a", Name: "web-1", UID: "u-1", ResourceVersion: "7"},
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Phase: "Pending", Account: "builder", PullSecrets: []string{"reg", ""},
		Waits: "ImagePullBackOff", Container: "web", Kept: true,
		Controller: &Controller{GroupKind: schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}, Name: "web", UID: "u-3"},
	}
	if got.Created = got.Created.UTC(); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestWhatAPodWaitsFor(t *testing.T) {
	for status, want := range map[string]string{
		"{}": "",
		"{containerStatuses: [{name: c, state: {waiting: {reason: ContainerCreating}}}]}":                                           "",
		"{containerStatuses: [{name: c, state: {waiting: {reason: InvalidImageName}}}]}":                                            "",
		"{containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull}}}]}":                                                "c",
		"{ephemeralContainerStatuses: [{name: debug, state: {waiting: {reason: ErrImagePull}}}]}":                                   "",
		"{initContainerStatuses: [{name: i, state: {waiting: {reason: ErrImagePull}}}], containerStatuses: [{name: c, state: {}}]}": "i",
		"{containerStatuses: [odd, {name: c, state: {waiting: {reason: ImagePullBackOff}}}]}":                                       "c",
	} {
		if got := NewPod(object(t, "{metadata: {name: p, namespace: a}, status: "+status+"}")); got.Container != want || got.Account != "default" {
			t.Errorf("%s: %q waits, of account %q; want %q", status, got.Container, got.Account, want)
		}
	}
}

func TestAMirrorPodIsNobodysToMakeAnew(t *testing.T) {
	got := NewPod(object(t, `{metadata: {annotations: {kubernetes.io/config.mirror: x, pullsecrets/exclude: "true", pullsecrets/evict: "no"},
		ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u, controller: true}]}}`))
	if !got.Mirror || !got.Excluded || got.Kept || got.Controller.Kind != "Node" {
		t.Errorf("%+v", got)
	}
}

func TestANamespaceKeepsItsPodsByFalseAlone(t *testing.T) {
	for value, want := range map[string]bool{`"false"`: true, `"true"`: false, `"False"`: false, `""`: false} {
		if got := NewNamespace(object(t, "{metadata: {name: a, annotations: {pullsecrets/evict: "+value+"}}}")).KeepsPods; got != want {
			t.Errorf("%s: %t", value, got)
		}
	}
}
