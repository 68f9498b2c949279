package e2e

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestWhatTheAncestorMadeIsTakenOver writes as imagepullsecret-patcher and its fork do: create, and a strategic merge
// patch of the service account.
func TestWhatTheAncestorMadeIsTakenOver(t *testing.T) {
	for _, c := range []struct {
		why, password      string
		labels, annotation map[string]string
	}{
		{"the original, up to date", "one", nil, map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}},
		{"the original, with an old credential", "zero", nil, map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}},
		{"the fork", "one", map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"},
			map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			made := secret(ns, s.name("reg"), credential("hub.example", c.password))
			made.SetLabels(c.labels)
			made.SetAnnotations(c.annotation)
			made, err := s.client.Resource(secrets).Namespace(ns).Create(s.ctx, made, metav1.CreateOptions{FieldManager: "imagepullsecret-patcher"})
			must(t, err)
			_, err = s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "default", types.StrategicMergePatchType,
				fmt.Appendf(nil, `{"imagePullSecrets":[{"name":"theirs"},{"name":%q}]}`, s.name("reg")), metav1.PatchOptions{FieldManager: "imagepullsecret-patcher"})
			must(t, err)

			r := s.start()
			s.revised("Ready", oneRule)
			s.wantList(ns, "default", "theirs", "+reg")
			got := s.wantCopy(ns, "reg", credential("hub.example", "one"))
			if got.GetUID() != made.GetUID() {
				t.Error("it was not adopted in place")
			}
			if got.GetLabels()["app.kubernetes.io/managed-by"] != "pullsecrets" || got.GetAnnotations()["app.kubernetes.io/managed-by"] != "" {
				t.Errorf("marks of the ancestor are left, or ours are missing: %v %v", got.GetLabels(), got.GetAnnotations())
			}
			for _, e := range got.GetManagedFields() {
				if e.Manager != "pullsecrets" {
					t.Errorf("%s still owns %s", e.Manager, e.FieldsV1)
				}
			}
			if len(r.lines(`"reason":"Adopted"`, "copy updated")) != 1 {
				t.Error("the log does not say once that it was adopted")
			}
			s.revised("Ready", noRules)
			s.wantList(ns, "default", "theirs")
			s.wantNoCopy(ns, "reg")
		})
	}
}
