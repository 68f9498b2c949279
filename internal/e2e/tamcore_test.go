package e2e

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// tamcoreMade writes what tamcore's fork of imagepullsecret-patcher makes in a namespace, as it does: a create, and a
// merge patch of the service account.
func (s *sandbox) tamcoreMade(ns, account, content string) *unstructured.Unstructured {
	s.t.Helper()
	by := map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"}
	made := secret(ns, s.name("reg"), content)
	made.SetLabels(by)
	made.SetAnnotations(by)
	made, err := s.client.Resource(secrets).Namespace(ns).Create(s.ctx, made, metav1.CreateOptions{FieldManager: "manager"})
	must(s.t, err)
	_, err = s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, account, types.MergePatchType,
		fmt.Appendf(nil, `{"imagePullSecrets":[{"name":"theirs"},{"name":%q}]}`, s.name("reg")), metav1.PatchOptions{FieldManager: "manager"})
	must(s.t, err)
	return made
}

// TestWhatOptsOutOfTamcoresForkStaysOut holds it for its own annotation and for one that it was told, on namespaces and
// service accounts, and that what an object had before is left as it is.
func TestWhatOptsOutOfTamcoresForkStaysOut(t *testing.T) {
	zero, one := credential("hub.example", "zero"), credential("hub.example", "one")
	for _, c := range []struct {
		why, annotation, other string
		args                   []string
	}{
		{"as the chart of the fork starts it", "pborn.eu/imagepullsecret-patcher-exclude", "example.com/out", nil},
		{"told another", "example.com/out", "pborn.eu/imagepullsecret-patcher-exclude", []string{"-exclude-annotation=example.com/out"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			in, out, never := s.namespace("in"), s.namespace("out"), s.namespace("never")
			s.account(in, "ci")
			served := s.tamcoreMade(in, "default", zero)
			left := s.tamcoreMade(out, "default", zero)
			exclude := func(annotation, value string) string {
				return fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, annotation, value)
			}
			s.merge(namespaces, "", in, exclude(c.other, `"true"`)) // of another ancestor, or of none
			s.merge(namespaces, "", out, exclude(c.annotation, `"true"`))
			s.merge(namespaces, "", never, exclude(c.annotation, `"true"`))
			s.merge(accounts, in, "ci", exclude(c.annotation, `"true"`))

			s.loop(append(c.args, "-dockerconfigjson="+one, "-secretname=PREFIXreg", "-serviceaccounts=*", "-excluded-namespaces="+otherNamespaces, "-health-addr=")...)
			if got := s.wantCopy(in, "reg", one); got.GetUID() != served.GetUID() || got.GetLabels()["app.kubernetes.io/managed-by"] != "pullsecrets" {
				t.Error("the copy of the fork was not adopted in place")
			}
			s.wantList(in, "default", "theirs", "+reg")
			s.wantList(in, "ci")
			s.untouched(left)
			s.wantList(out, "default", "theirs", "+reg")
			if s.has(never, "reg") {
				t.Error("a namespace that is opted out got a copy")
			}
			s.merge(namespaces, "", never, exclude(c.annotation, "null")) // followed while it runs
			s.merge(accounts, in, "ci", exclude(c.annotation, "null"))
			s.wantCopy(never, "reg", one)
			s.wantList(in, "ci", "+reg")
			s.untouched(left)
		})
	}
}
