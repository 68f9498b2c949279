package inspect

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestExplainSaysWhetherAPodWouldBeEvicted by the decision that evict makes, and only of a pod that waits for its image.
func TestExplainSaysWhetherAPodWouldBeEvicted(t *testing.T) {
	pod := func(waits string, change func(*unstructured.Unstructured)) *unstructured.Unstructured {
		u := explained("Pod", "team-00", "web", map[string]any{
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}},
			"status": map[string]any{"phase": "Pending", "containerStatuses": []any{map[string]any{
				"name": "c", "state": map[string]any{"waiting": map[string]any{"reason": waits}},
			}}},
		})
		_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{
			"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true,
		}}, "metadata", "ownerReferences")
		change(u)
		return u
	}
	same := func(*unstructured.Unstructured) {}
	bare := func(u *unstructured.Unstructured) { u.SetOwnerReferences(nil) }
	rolledOut := status.Record{RolledOut: policy.Hash(hubPolicy)}
	for _, c := range []struct {
		why    string
		pod    *unstructured.Unstructured
		record status.Record
		refuse func(verb, resource, name string) error
		would  bool
		want   string // the reason, or part of the text; empty where nothing is said
	}{
		{"it came too early", pod("ImagePullBackOff", same), rolledOut, nil, true, "it lacks reg, which a new pod gets"},
		{"it does not wait for its image", pod("ContainerCreating", same), rolledOut, nil, false, ""},
		{"it is a bare pod", pod("ErrImagePull", bare), rolledOut, nil, false, "NoController"},
		{"the policy is being rolled out", pod("ErrImagePull", same), status.Record{}, nil, false, "PolicyUnknown"},
		{"the status may not be read", pod("ErrImagePull", same), rolledOut, forbids("configmaps", "the-status"), false, "you may not read it"},
		{"accounts may not be listed", pod("ErrImagePull", same), rolledOut, forbids("serviceaccounts", ""), false, "you may not list"},
	} {
		l := teams(1, 1, policyMap(hubPolicy, nil), statusMap("reg", c.record), c.pod)
		for _, u := range l.objects {
			if u.GetKind() == "ServiceAccount" {
				u.Object["imagePullSecrets"] = []any{map[string]any{"name": "reg"}}
			}
		}
		l.refuse = c.refuse
		e, err := explainedBy(t, l, "team-00", "pod/web")
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		got := e.Pod.Evict
		switch {
		case c.want == "":
			if got != nil {
				t.Errorf("%s: %+v", c.why, got)
			}
		case got == nil || got.Would != c.would || !strings.Contains(got.Reason+" "+got.Text, c.want):
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}
