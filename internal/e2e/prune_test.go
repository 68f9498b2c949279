package e2e

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestAnEditThatRemovesTooMuchIsHeldUntilConfirmed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	r := s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	s.Revised("Degraded", harness.NoRules)
	s.WantStatus("Degraded", "PruneHeld", "pullsecrets/confirm-prune")
	s.WantAll(all, true)
	if said := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations(); said["pullsecrets/held-prune"] == "" || said["pullsecrets/held-prune"] != said["pullsecrets/observed"] {
		t.Errorf("what is held is not told as what would confirm it: %v", said)
	}

	// A restart does not forget it, and additions go on meanwhile.
	r.Stop()
	s.Start()
	s.Revised("Degraded", `
- name: other
  secrets: [{source: {name: hub}, name: PREFIXother}]
  namespaces: {include: ["PREFIXn00"]}
`)
	s.WantCopy(all[0], "other", api.Credential("hub.example", "one"))
	s.WantList(all[0], "default", "+reg", "+other")
	s.WantAll(all, true)

	s.Confirm()
	s.WantStatus("Ready")
	if said := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations(); said["pullsecrets/held-prune"] != "" {
		t.Errorf("nothing is held any more: %v", said)
	}
	s.WantAll(all[1:], false)
	s.WantList(all[0], "default", "+other")
}

func TestLabelsThatVanishEverywhereAreHeldToo(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	for _, ns := range all {
		s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	}
	s.WantStatus("Degraded", "PruneHeld")
	left := 0
	for _, ns := range all {
		if list, err := s.ListOf(ns, "default"); err == nil && len(list) > 0 {
			left++
		}
	}
	if left < 4 {
		t.Errorf("%d of 14 are left, want at least 4", left)
	}
	for _, ns := range all {
		s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"pull":"yes"}}}`)
	}
	for _, ns := range all {
		s.WantList(ns, "default", "+reg")
	}
	s.WantStatus("Ready")

	for _, ns := range all {
		s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"pull":null}}}`)
	}
	s.WantStatus("Degraded", "PruneHeld")
	s.Confirm()
	s.WantStatus("Ready")
	s.WantAll(all, false)
}

// A mistyped account name would take the references of all pods away, and no copy.
func TestReferencesThatVanishEverywhereAreHeldToo(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	s.Revised("Degraded", harness.OnlyLabelled+"  serviceAccounts: {include: [defualt]}\n")
	s.WantStatus("Degraded", "PruneHeld")
	s.WantAll(all, true)
	s.Confirm()
	s.WantStatus("Ready")
	for _, ns := range all {
		s.WantList(ns, "default")
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	}
}

func TestAConfirmationIsUsedUp(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	label := func(value string) {
		for _, ns := range all {
			s.Merge(api.Namespaces, "", ns, fmt.Sprintf(`{"metadata":{"labels":{"pull":%s}}}`, value))
		}
	}
	r := s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	label("null")
	s.WantStatus("Degraded", "PruneHeld")
	s.Confirm()
	s.WantStatus("Ready")
	s.WantAll(all, false)
	label(`"yes"`)
	for _, ns := range all {
		s.WantList(ns, "default", "+reg")
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	}
	s.Eventually("that it was used up is saved", func() error {
		data, _ := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); !strings.Contains(text, `"confirmed"`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	r.Stop()
	s.Start()
	s.WantList(s.Namespace("proof", "pull=yes"), "default", "+reg") // the new one is at work
	label("null")
	s.WantStatus("Degraded", "PruneHeld")
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy", `{"metadata":{"annotations":{"pullsecrets/confirm-prune":null,"pullsecrets/revision":"withdrawn"}}}`)
	s.WantStatus("Degraded", "PruneHeld") // of that revision: the removal has to be seen before the next
	s.Confirm()
	s.WantStatus("Ready")
	s.WantAll(all, false)
}

func TestWhatWasRemovedWhileTheControllerWasDownIsPruned(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "two"))
	ns := s.Namespace("a")
	r := s.Start()
	both := harness.OneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.Revised("Ready", both)
	s.WantList(ns, "default", "+reg", "+ghcr")
	r.Stop()
	s.Policy(harness.OneRule)
	r = s.Start()
	s.WantList(ns, "default", "+reg")
	s.WantNoCopy(ns, "ghcr")
	s.WantNames("+reg")
	r.Stop()

	s.Delete(api.Secrets, api.Home, "hub") // the source of a rule that is gone is no reason to keep its copies
	s.Policy(harness.NoRules)
	s.Start()
	s.WantList(ns, "default")
	s.WantNoCopy(ns, "reg")
	s.WantNames()
}

// TestWhatABackupBringsBackOfAGoneRuleIsPruned restores a copy and a ledger while the controller runs, in the form of an
// earlier version, and in that of today.
func TestWhatABackupBringsBackOfAGoneRuleIsPruned(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, now := s.Namespace("a"), s.Namespace("b")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	s.WantList(now, "default", "+reg")
	restore := func(ns, ledger string, marks map[string]string) {
		u := api.Secret(ns, s.Name("gone"), api.Credential("gone.example", "x"))
		u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets", "velero.io/restore-name": "r1"})
		u.SetAnnotations(marks)
		s.Create(api.Secrets, u)
		_, err := s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "default", types.MergePatchType, fmt.Appendf(nil,
			`{"metadata":{"annotations":{"pullsecrets/added":%q}},"imagePullSecrets":[{"name":%q},{"name":%q}]}`, ledger, s.Name("reg"), s.Name("gone")),
			metav1.PatchOptions{FieldManager: "velero-server"})
		harness.Must(t, err)
	}
	restore(ns, s.Name("reg")+","+s.Name("gone"), map[string]string{"pullsecrets/rule": "gone", "pullsecrets/source": "pullsecrets/gone"})
	restore(now, s.Ledger(now, "reg", "gone"), map[string]string{"pullsecrets/rule": "gone", "pullsecrets/source": "pullsecrets/gone", "pullsecrets/for": "pullsecrets/" + now})
	for _, ns := range []string{ns, now} {
		s.WantNoCopy(ns, "gone")
		s.WantList(ns, "default", "+reg")
	}
	if len(r.Lines("names in their ledgers that no rule has", s.Name("gone"))) == 0 {
		t.Error("the log does not tell of it")
	}
	s.Eventually("the name leaves the status", func() error {
		names, _, _ := unstructured.NestedString(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object, "data", "names")
		if names != s.Name("reg") {
			return fmt.Errorf("names: %q", names)
		}
		return nil
	})
	s.WantStatus("Ready")
}

func TestPruneOffOutlivesItsRule(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule+"  prune: false\n")
	s.WantList(ns, "default", "+reg")
	s.Revised("Ready", harness.NoRules)
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
}

// While a rule does not prune, nothing notes who added its names. So a name that a team added by then stays when the rule prunes
// later and goes.
func TestPruneTurnedOnClaimsNoNames(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	const other = `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.Revised("Ready", other)
	s.WantList(ns, "default", "+ghcr") // so the list is one that the controller wrote
	s.Merge(api.Accounts, ns, "default", s.Expand(`{"imagePullSecrets":[{"name":"PREFIXghcr"},{"name":"PREFIXreg"}]}`))
	s.Revised("Ready", other+harness.OneRule+"  prune: false\n")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Revised("Ready", other+harness.OneRule)
	s.WantLedger(ns, "default", "ghcr")
	s.Revised("Ready", other)
	s.WantNoCopy(ns, "reg")
	s.WantList(ns, "default", "+ghcr", "+reg")
}
