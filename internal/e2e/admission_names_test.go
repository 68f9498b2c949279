package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestAdmissionFollowsThePolicyAndLeavesNothingStale(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()

	s.Revised("Ready", harness.TwoRules)
	s.WantRules("hub: reg", "more: reg ghcr")
	s.WantList(ns, "default", "+reg", "+ghcr")
	s.WantBorn(ns, "ci", "reg")
	later := s.Namespace("b")
	s.WantLedger(later, "default", "ghcr", "reg")
	s.WantCopy(later, "ghcr", api.Credential("ghcr.example", "one"))

	s.Revised("Ready", harness.OneRule)
	s.WantRules("hub: reg")
	for _, ns := range []string{ns, later} {
		s.WantNoCopy(ns, "ghcr")
		s.WantList(ns, "default", "+reg")
		s.WantLedger(ns, "default", "reg")
	}
	s.Merge(api.Accounts, later, "default", `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.WantNothingOfOurs(later, "default")
	s.Merge(api.Namespaces, "", ns, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"true"}}}`)
	s.WantNothingOfOurs(ns, "default")
	s.WantNoCopy(ns, "reg")
	s.Merge(api.Namespaces, "", ns, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":null}}}`)
	s.WantList(ns, "default", "+reg")

	s.Revised("Ready", harness.NoRules)
	s.WantRules()
	s.WantNothingOfOurs(ns, "default")
	s.WantNoCopy(ns, "reg")
	s.WantNoCopy(later, "reg")
	if lines := r.Reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
}

func TestANameIsPromisedWhereItsCopyWillCome(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, taken := s.Namespace("a"), s.Namespace("b")
	s.Create(api.Secrets, api.Secret(taken, s.Name("reg"), api.Credential("theirs.example", "x")))
	s.Start()
	s.Revised("Degraded", harness.TwoRules) // ghcr has no source, and somebody's secret is in the way
	s.WantRules("hub: reg", "more: reg")
	s.WantBorn(ns, "ci", "reg")
	s.WantBorn(taken, "ci")

	s.Source("ghcr", api.Credential("ghcr.example", "one"))
	s.WantRules("hub: reg", "more: reg ghcr")
	s.WantList(ns, "default", "+reg", "+ghcr")
	s.Delete(api.Secrets, taken, s.Name("reg"))
	s.WantCopy(taken, "reg", api.Credential("hub.example", "one"))
	s.WantBorn(taken, "ci", "reg")
	s.WantStatus("Ready")

	s.Delete(api.Secrets, api.Home, "ghcr")
	s.WantRules("hub: reg", "more: reg")
	s.WantList(ns, "default", "+reg", "+ghcr") // missing is not empty
	s.WantStatus("Degraded")
}

// TestWhileAPruneIsHeldItsPromiseStays because without it the next apply of somebody else's list would remove the name.
func TestWhileAPruneIsHeldItsPromiseStays(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	var last string
	for i := range 12 {
		last = s.Namespace(fmt.Sprintf("n%d", i))
	}
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantRules("hub: reg")
	s.WantList(last, "default", "+reg")
	s.Revised("Degraded", strings.ReplaceAll(harness.OneRule, "name: hub\n", "name: other\n")+"  serviceAccounts: {include: [ci]}\n")
	s.WantRules("hub: reg", "other: reg")
	s.WantBorn(last, "ci", "reg")
	s.Merge(api.Accounts, last, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.WantList(last, "default", "theirs", "+reg")

	observed := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy", `{"metadata":{"annotations":{"pullsecrets/confirm-prune":"`+observed+`"}}}`)
	s.WantRules("other: reg")
	s.WantList(last, "default", "theirs")
	s.WantStatus("Ready")
}
