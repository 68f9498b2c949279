package e2e

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestTheAncestorsModePrunesNothingThatABackupBringsBack restores a copy of a rule that is gone, with its reference.
func TestTheAncestorsModePrunesNothingThatABackupBringsBack(t *testing.T) {
	s := newSandbox(t)
	ns, next := s.Namespace("a"), s.Namespace("b")
	s.Loop("-dockerconfigjson="+api.Credential("hub.example", "one"), "-secretname="+s.Name("reg"), "-metrics-addr=", "-health-addr=")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	restored := api.Secret(ns, s.Name("gone"), api.Credential("gone.example", "x"))
	restored.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	restored.SetAnnotations(map[string]string{"pullsecrets/source": "pullsecrets/gone", "pullsecrets/for": "pullsecrets/" + ns})
	restored = s.Create(api.Secrets, restored)
	s.Merge(api.Accounts, ns, "default", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/added":%q}},"imagePullSecrets":[{"name":%q}]}`,
		s.Ledger(ns, "gone"), s.Name("gone")))
	s.Eventually("it looked", func() error {
		if list, err := s.ListOf(ns, "default"); err != nil || !slices.Contains(list, s.Name("reg")) {
			return fmt.Errorf("%v, %v", list, err)
		}
		return nil
	})
	s.Delete(api.Secrets, next, s.Name("reg")) // and once more, after whatever that led to
	s.WantCopy(next, "reg", api.Credential("hub.example", "one"))
	s.Untouched(restored)
	if list, _ := s.ListOf(ns, "default"); !slices.Contains(list, s.Name("gone")) {
		t.Errorf("the list is %v", list)
	}
}

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
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			made := api.Secret(ns, s.Name("reg"), api.Credential("hub.example", c.password))
			made.SetLabels(c.labels)
			made.SetAnnotations(c.annotation)
			made, err := s.Client.Resource(api.Secrets).Namespace(ns).Create(s.Ctx, made, metav1.CreateOptions{FieldManager: "imagepullsecret-patcher"})
			harness.Must(t, err)
			_, err = s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "default", types.StrategicMergePatchType,
				fmt.Appendf(nil, `{"imagePullSecrets":[{"name":"theirs"},{"name":%q}]}`, s.Name("reg")), metav1.PatchOptions{FieldManager: "imagepullsecret-patcher"})
			harness.Must(t, err)

			r := s.Start()
			s.Revised("Ready", harness.OneRule)
			s.WantList(ns, "default", "theirs", "+reg")
			got := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
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
			if len(r.Lines(`"reason":"Adopted"`, "copy updated")) != 1 {
				t.Error("the log does not say once that it was adopted")
			}
			s.Revised("Ready", harness.NoRules)
			s.WantList(ns, "default", "theirs")
			s.WantNoCopy(ns, "reg")
		})
	}
}

// tamcoreMade writes what tamcore's fork of imagepullsecret-patcher makes in a namespace, as it does: a create, and a
// merge patch of the service account.
func (s *sandbox) tamcoreMade(ns, account, content string) *unstructured.Unstructured {
	s.T.Helper()
	by := map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}
	made := api.Secret(ns, s.Name("reg"), content)
	made.SetLabels(by)
	made.SetAnnotations(by)
	made, err := s.Client.Resource(api.Secrets).Namespace(ns).Create(s.Ctx, made, metav1.CreateOptions{FieldManager: "manager"})
	harness.Must(s.T, err)
	_, err = s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, account, types.MergePatchType,
		fmt.Appendf(nil, `{"imagePullSecrets":[{"name":"theirs"},{"name":%q}]}`, s.Name("reg")), metav1.PatchOptions{FieldManager: "manager"})
	harness.Must(s.T, err)
	return made
}

// TestWhatOptsOutOfTamcoresForkStaysOut holds it for its own annotation and for one that it was told, on namespaces and
// service accounts, and that what an object had before is left as it is.
func TestWhatOptsOutOfTamcoresForkStaysOut(t *testing.T) {
	zero, one := api.Credential("hub.example", "zero"), api.Credential("hub.example", "one")
	for _, c := range []struct {
		why, annotation, other string
		args                   []string
	}{
		{"as the chart of the fork starts it", "pborn.eu/imagepullsecret-patcher-exclude", "example.com/out", nil},
		{"told another", "example.com/out", "pborn.eu/imagepullsecret-patcher-exclude", []string{"-exclude-annotation=example.com/out"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			in, out, never := s.Namespace("in"), s.Namespace("out"), s.Namespace("never")
			s.Account(in, "ci")
			served := s.tamcoreMade(in, "default", zero)
			left := s.tamcoreMade(out, "default", zero)
			exclude := func(annotation, value string) string {
				return fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, annotation, value)
			}
			s.Merge(api.Namespaces, "", in, exclude(c.other, `"true"`)) // of another ancestor, or of none
			s.Merge(api.Namespaces, "", out, exclude(c.annotation, `"true"`))
			s.Merge(api.Namespaces, "", never, exclude(c.annotation, `"true"`))
			s.Merge(api.Accounts, in, "ci", exclude(c.annotation, `"true"`))

			s.Loop(append(c.args, "-dockerconfigjson="+one, "-secretname=PREFIXreg", "-serviceaccounts=*", "-excluded-namespaces="+otherNamespaces, "-health-addr=")...)
			if got := s.WantCopy(in, "reg", one); got.GetUID() != served.GetUID() || got.GetLabels()["app.kubernetes.io/managed-by"] != "pullsecrets" {
				t.Error("the copy of the fork was not adopted in place")
			}
			s.WantList(in, "default", "theirs", "+reg")
			s.WantList(in, "ci")
			s.Untouched(left)
			s.WantList(out, "default", "theirs", "+reg")
			if s.Has(never, "reg") {
				t.Error("a namespace that is opted out got a copy")
			}
			s.Merge(api.Namespaces, "", never, exclude(c.annotation, "null")) // followed while it runs
			s.Merge(api.Accounts, in, "ci", exclude(c.annotation, "null"))
			s.WantCopy(never, "reg", one)
			s.WantList(in, "ci", "+reg")
			s.Untouched(left)
		})
	}
}
