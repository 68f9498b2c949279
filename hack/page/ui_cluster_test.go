package page

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// madeUp is a cluster that was made up, with what a controller would say of it. It is written as a dump.
type madeUp struct {
	policy     string
	namespaces []string
	labels     map[string]map[string]string
	record     status.Record
	problems   []status.FullProblem
	status     string // of the policy
	message    string
	objects    []any // others
}

const companyPolicy = `apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- name: platform
  secrets: [{source: {name: harbor}, name: regcred}]
  namespaces: {exclude: ["kube-*", pullsecrets]}
- name: ci
  secrets: [{source: {name: ghcr}}]
  namespaces: {include: ["*-ci", "*-staging"]}
- name: gpu
  secrets: [{source: {name: nvidia}}]
  namespaces: {selector: {matchLabels: {gpu: "yes"}}}
- name: partners
  secrets: [{source: {name: quay}, name: partner-quay}, {source: {name: harbor}, name: regcred}]
  namespaces: {include: ["partner-*"]}
`

// company has 400 namespaces, of which 7 have problems of their own, and a credential that has run out.
func company() *madeUp {
	c := &madeUp{policy: companyPolicy, labels: map[string]map[string]string{}, status: status.Degraded}
	for _, team := range []string{"billing", "checkout", "catalog", "crm", "data", "delivery", "fraud", "identity", "insights", "ledger", "legal", "loyalty", "mail",
		"maps", "media", "mobile", "orders", "partner-acme", "partner-globex", "partner-initech", "payments", "pricing", "returns", "search", "shop", "stock", "support",
		"tax", "tickets", "wallet"} {
		for _, stage := range []string{"", "-ci", "-staging", "-canary", "-load", "-eu", "-us", "-ap", "-demo", "-jobs", "-tools", "-dr", "-qa"} {
			c.namespaces = append(c.namespaces, team+stage)
		}
	}
	c.namespaces = append(c.namespaces, "default", "kube-node-lease", "kube-public", "kube-system", "argocd", "cert-manager", "ingress", "monitoring", "pullsecrets", "vault")
	slices.Sort(c.namespaces)
	for _, ns := range []string{"data", "data-jobs", "insights", "search"} {
		c.labels[ns] = map[string]string{"gpu": "yes"}
	}
	c.problems = []status.FullProblem{
		{Problem: status.Problem{Rule: "gpu", Kind: "Secret", Name: "nvidia", Source: "pullsecrets/nvidia", Reason: "SourceExpired", Scope: "policy",
			Detail: "its credential expired at 2026-09-30T00:00:00Z, as its annotation pullsecrets/expires says"}},
		{Problem: status.Problem{Rule: "platform", Kind: "Secret", Name: "regcred", Source: "pullsecrets/harbor", Reason: "ForeignSecret", Scope: "namespace",
			Detail: "a secret of this name is there that is not ours, and the rule does not say force: true"},
			Namespaces: []string{"legal", "legal-dr", "maps-demo", "tickets", "wallet-us"}},
		{Problem: status.Problem{Rule: "ci", Kind: "Secret", Name: "ghcr", Source: "pullsecrets/ghcr", Reason: "WriteFailed", Scope: "namespace",
			Detail: "403 Forbidden: exceeded quota: secrets"}, Namespaces: []string{"crm-ci", "fraud-staging"}},
	}
	c.message = "in force; 7 of 396 namespaces have problems of their own: 5 ForeignSecret, 2 WriteFailed; rule gpu, source pullsecrets/nvidia: its credential expired at 2026-09-30T00:00:00Z (SourceExpired)"
	c.record = status.Record{
		Rules: []status.RuleTotals{
			{Name: "platform", Namespaces: 396, Copies: 391, ServiceAccounts: 402, Unsynced: 5, OldestUnsynced: "2026-11-20T08:12:31Z", OldestNamespace: "legal"},
			{Name: "ci", Namespaces: 60, Copies: 58, Missing: 2, ServiceAccounts: 60, Unsynced: 2, OldestUnsynced: "2026-11-26T17:03:09Z", OldestNamespace: "crm-ci"},
			{Name: "gpu", Namespaces: 4, Copies: 4, ServiceAccounts: 4},
			{Name: "partners", Namespaces: 39, Copies: 39, ServiceAccounts: 39},
		},
		Summaries: []status.SourceSummary{
			{Source: "pullsecrets/ghcr", State: policy.SourceUsable, LastChange: "2026-11-02T09:30:00Z", Expires: "2041-06-30T00:00:00Z"},
			{Source: "pullsecrets/harbor", State: policy.SourceUsable, LastChange: "2026-03-14T10:00:00Z"},
			{Source: "pullsecrets/nvidia", State: policy.SourceUsable, LastChange: "2026-07-01T12:00:00Z", Expires: "2026-09-30T00:00:00Z"},
			{Source: "pullsecrets/quay", State: policy.SourceUsable, LastChange: "2026-10-05T06:45:00Z"},
		},
		SourceHosts: []status.SourceHosts{
			{Source: "pullsecrets/ghcr", Hosts: []string{"ghcr.io"}}, {Source: "pullsecrets/harbor", Hosts: []string{"registry.acme.example"}},
			{Source: "pullsecrets/nvidia", Hosts: []string{"nvcr.io"}}, {Source: "pullsecrets/quay", Hosts: []string{"quay.io"}},
		},
		Totals: status.Totals{Selected: 396, Failing: 7, ServiceAccounts: 431,
			Missing: []status.MissingCopy{{Name: "ghcr", Namespaces: []string{"crm-ci", "fraud-staging"}}}},
	}
	return c
}

// hold has removals held back.
func (c *madeUp) hold(namespaces ...string) {
	c.problems = append([]status.FullProblem{{Problem: status.Problem{Kind: "Secret", Name: "old-registry", Reason: "PruneHeld", Scope: "policy",
		Detail: "it would be removed, and that is more at once than -max-prune permits"}, Namespaces: namespaces}}, c.problems...)
}

// ending are the first n namespaces whose name ends so.
func (c *madeUp) ending(with string, n int) (names []string) {
	for _, ns := range c.namespaces {
		if strings.HasSuffix(ns, with) && len(names) < n {
			names = append(names, ns)
		}
	}
	return names
}

// write writes the dump to a file.
func (c *madeUp) write(t *testing.T) (file string) {
	t.Helper()
	documents := map[string]string{"policy.yaml": c.policy}
	hash := policy.Hash(documents)
	c.record.Status, c.record.Observed, c.record.RolledOut, c.record.Revision = c.status, hash, hash, "v2.14.0"
	c.record.Namespaces, c.record.Problems = len(c.namespaces), len(c.problems)
	record, err := c.record.Encode()
	must(t, err)
	kept, err := status.PackPolicy(documents)
	must(t, err)
	problems, err := status.PackProblems(c.problems, status.RoomForProblems(len(record)+len(kept)))
	must(t, err)
	items := append([]any{
		object("v1", "ConfigMap", "pullsecrets", "pullsecrets-policy", map[string]any{"data": map[string]any{"policy.yaml": c.policy}}, map[string]string{
			"pullsecrets/status": c.status, "pullsecrets/observed": hash, "pullsecrets/message": c.message, "pullsecrets/revision": "v2.14.0", "pullsecrets/observed-revision": "v2.14.0",
		}),
		object("v1", "ConfigMap", "pullsecrets", "pullsecrets-status", map[string]any{
			"data":       map[string]any{"status.json": record, "names": "ghcr\nnvidia\npartner-quay\nregcred\n"},
			"binaryData": map[string]any{"policy": base64.StdEncoding.EncodeToString(kept), "problems": base64.StdEncoding.EncodeToString(problems)},
		}, nil),
	}, c.objects...)
	for _, ns := range c.namespaces {
		o := object("v1", "Namespace", "", ns, nil, nil)
		o["metadata"].(map[string]any)["labels"] = c.labels[ns]
		items = append(items, o, object("v1", "ServiceAccount", ns, "default", nil, nil))
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	must(t, err)
	file = filepath.Join(t.TempDir(), "dump.json")
	must(t, os.WriteFile(file, text, 0o600))
	return file
}

func object(version, kind, namespace, name string, more map[string]any, annotations map[string]string) map[string]any {
	o := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{
		"name": name, "namespace": namespace, "annotations": annotations, "managedFields": []any{map[string]any{"manager": "x"}}}}
	for k, v := range more {
		o[k] = v
	}
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// many are n namespaces.
func many(n int, form string) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf(form, i))
	}
	return names
}

// source makes a source of the made-up cluster, whose password is the canary.
func (c *madeUp) source(name, host string) {
	content := fmt.Sprintf(`{"auths":{%q:{"username":"robot","password":%q}}}`, host, canary)
	c.objects = append(c.objects, object("v1", "Secret", "pullsecrets", name, map[string]any{
		"type": "kubernetes.io/dockerconfigjson", "data": map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(content))}}, nil))
}

const canary = "canary-in-the-mine-7f3a"

// withoutCanary wants that a text has nothing of the credential.
func withoutCanary(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:16], base64.StdEncoding.EncodeToString([]byte("robot:" + canary))[:20]} {
		if strings.Contains(text, form) {
			t.Errorf("the page holds the credential, as %s", form)
		}
	}
}
