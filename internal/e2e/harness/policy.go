package harness

import (
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// OneRule is the usual policy: the source "hub" as PREFIXreg in all of the sandbox's namespaces.
const OneRule = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
`

// Forced is the usual policy with force: a secret of somebody else in the copy's place is replaced.
const Forced = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  force: true
`

// TwoRules are rules that want the same copy for different service accounts, and another one besides.
const TwoRules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: ["*"]}
- name: more
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`

// OnlyLabelled is the usual policy for namespaces with the label pull=yes.
const OnlyLabelled = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"], selector: {matchLabels: {pull: "yes"}}}
`

// NoRules is a policy that wants nothing.
const NoRules = "  []"

// ForApp, after a rule, has it serve the service account app alone.
const ForApp = "  serviceAccounts: {include: [app]}\n"

// Rules returns the text of a policy with these rules; PREFIX in them is the sandbox's.
func (s *Sandbox) Rules(rules string) string {
	return "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.Expand(rules)
}

// Policy puts rules into the policy ConfigMap, as kubectl apply --server-side would.
func (s *Sandbox) Policy(rules string, annotations ...string) {
	s.T.Helper()
	s.PolicyText(s.Rules(rules), annotations...)
}

// PolicyText puts a text into the policy ConfigMap.
func (s *Sandbox) PolicyText(text string, annotations ...string) {
	s.T.Helper()
	s.PolicyIn(api.Home, text, annotations...)
}

// PolicyIn puts a text into the policy ConfigMap of the installation that lives in a namespace.
func (s *Sandbox) PolicyIn(home, text string, annotations ...string) {
	s.T.Helper()
	cm := api.Object("v1", "ConfigMap", home, "pullsecrets-policy")
	cm.Object["data"] = map[string]any{"policy.yaml": text}
	cm.SetAnnotations(api.Pairs(annotations))
	_, err := s.Client.Resource(api.ConfigMaps).Namespace(home).Apply(s.Ctx, cm.GetName(), cm, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	Must(s.T, err)
}

// PolicyFile writes rules to a file and returns its name.
func (s *Sandbox) PolicyFile(rules string) string {
	s.T.Helper()
	file := filepath.Join(s.T.TempDir(), "policy.yaml")
	Must(s.T, os.WriteFile(file, []byte(s.Rules(rules)), 0o600))
	return file
}

// Revisions counts what must not be the same twice.
var Revisions int

// Revised puts rules in force and waits until they were tried everywhere.
func (s *Sandbox) Revised(status, rules string) {
	s.T.Helper()
	Revisions++
	s.Policy(rules, fmt.Sprintf("pullsecrets/revision=r%d", Revisions))
	s.WantStatus(status)
}

// Confirm confirms the prune that the policy ConfigMap reports as held.
func (s *Sandbox) Confirm() {
	s.T.Helper()
	observed := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, observed))
}

// Fourteen makes as many namespaces with the label pull=yes, for OnlyLabelled: fourteen copies, of which more than ten may not go at once.
func (s *Sandbox) Fourteen() (all []string) {
	for i := range 14 {
		all = append(all, s.Namespace(fmt.Sprintf("n%02d", i), "pull=yes"))
	}
	return all
}
