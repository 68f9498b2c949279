package e2e

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestAfterTheLastEntryIsGoneTheOwnerAppliesWithoutConflict covers both ways to give the list back.
func TestAfterTheLastEntryIsGoneTheOwnerAppliesWithoutConflict(t *testing.T) {
	for _, c := range []struct{ why, list string }{
		{"the list was ours alone", `[]`},
		{"others have entries", `[{"name":"theirs"}]`},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			apply := func(list string) error {
				_, err := s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "app", types.ApplyPatchType, []byte(fmt.Sprintf(
					`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"app","labels":{"app":"x"}},"imagePullSecrets":%s}`, list)),
					metav1.PatchOptions{FieldManager: "kubectl"})
				return err
			}
			harness.Must(t, apply(c.list))
			s.Start()
			s.Revised("Ready", strings.Replace(harness.OneRule, "namespaces:", "serviceAccounts: {include: [app]}\n  namespaces:", 1))
			s.Eventually("we are in the list", func() error {
				if got, err := s.ListOf(ns, "app"); err != nil || got[len(got)-1] != s.Name("reg") {
					return fmt.Errorf("%v %v", got, err)
				}
				return nil
			})
			s.Revised("Ready", harness.NoRules)
			harness.Must(t, apply(c.list))
			harness.Must(t, apply(`[{"name":"other"}]`))
			s.WantList(ns, "app", "other")
		})
	}
}

func TestAListIsGivenBackToWhoeverApplies(t *testing.T) {
	for name, apply := range harness.Appliers {
		for _, list := range []string{"", "imagePullSecrets: [{name: git}]\n", "imagePullSecrets: []\n"} {
			t.Run(name+" "+strings.TrimSpace(list), func(t *testing.T) {
				s := newSandbox(t)
				s.Source("hub", api.Credential("hub.example", "one"))
				ns := s.Namespace("a")
				manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\n", ns)
				harness.Must(t, apply(s.Sandbox, ns, manifest+list))
				s.Start()
				s.Revised("Ready", harness.OneRule+"  serviceAccounts: {include: [app]}\n")
				before, _ := s.ListOf(ns, "app")
				if len(before) == 0 || before[len(before)-1] != s.Name("reg") {
					t.Fatalf("the list is %v", before)
				}
				s.Revised("Ready", harness.NoRules)
				s.WantNoCopy(ns, "reg")
				for _, next := range []string{"imagePullSecrets: [{name: git}, {name: second}]\n", list} {
					if err := apply(s.Sandbox, ns, manifest+next); err != nil {
						t.Errorf("after our last entry went, applying %q: %v", next, err)
					}
				}
			})
		}
	}
}
