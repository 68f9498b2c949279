package admission

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// admissionRules renders rules, each spec as YAML in flow style under its rule's name.
func admissionRules(t *testing.T, rules string, o Dependencies) map[string]string {
	t.Helper()
	objects, errs := Rules(policyOf(t, rules), o)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	out := map[string]string{}
	for _, u := range objects {
		if u.GetAPIVersion() != "pullsecrets.internal/v1alpha1" || u.GetKind() != "AdmissionRule" || u.GetNamespace() != o.Namespace {
			t.Errorf("%s is a %s %s in %s", u.GetName(), u.GetAPIVersion(), u.GetKind(), u.GetNamespace())
		}
		text, err := yaml.Marshal(u.Object["spec"])
		if err != nil {
			t.Fatal(err)
		}
		out[u.GetName()] = string(text)
	}
	return out
}

func TestAdmissionRules(t *testing.T) {
	const matchers = "namespaces:\n  include: ^.*$\nserviceAccounts:\n  include: ^(?:default)$\n"
	missing := Dependencies{Namespace: "own", Unavailable: func(s policy.Secret) bool { return s.Source.Name == "missing" }}
	kept := missing
	kept.Retained = map[policy.Secret]Retained{{Source: types.NamespacedName{Namespace: "own", Name: "missing"}, Name: "missing"}: {Prune: []string{"x", "y"}, Stay: []string{"z"}}}
	both := Dependencies{Namespace: "own", Attach: func(*policy.Rule) []policy.Attach {
		return []policy.Attach{policy.AttachPods, policy.AttachAccounts}
	}}
	neither := Dependencies{Namespace: "own", Attach: func(*policy.Rule) []policy.Attach { return nil }}
	withheld := Dependencies{Namespace: "own", Blocked: map[string][]string{"s": {"x", "y"}}}
	name := func(rest ...string) string {
		return strings.Join(rest, "") + "  ledger: true\n  name: s\n"
	}
	for _, c := range []struct {
		why, rules string
		promises   Dependencies
		want       map[string]string
	}{
		{"the defaults", "- {name: a, secrets: [{source: {name: s}}]}", Dependencies{Namespace: "own"},
			map[string]string{"a": "names:\n- add: true\n" + name() + matchers}},
		{"copies only promise nothing", "- {name: a, secrets: [{source: {name: s}}], serviceAccounts: {include: []}}", Dependencies{Namespace: "own"}, map[string]string{}},
		{"a rule that attaches to pods", "- {name: a, attach: pods, secrets: [{source: {name: s}}]}", Dependencies{Namespace: "own"},
			map[string]string{"a": "attach:\n- pods\nnames:\n- add: true\n" + name() + matchers}},
		{"one that serves both ways for a time", "- {name: a, attach: pods, secrets: [{source: {name: s}}]}", both,
			map[string]string{"a": "attach:\n- accounts\n- pods\nnames:\n- add: true\n" + name() + matchers}},
		{"one that serves neither way", "- {name: a, secrets: [{source: {name: s}}]}", neither, map[string]string{}},
		{"what has no source is left out, and a rule of nothing else with it",
			"- {name: a, secrets: [{source: {name: missing}}]}\n- {name: b, secrets: [{source: {name: missing}}, {source: {name: s}}]}", missing,
			map[string]string{"b": "names:\n- add: true\n" + name() + matchers}},
		{"what has no source stays promised where the copy is there, with the ledger of the rule that decides it there",
			"- {name: a, secrets: [{source: {name: missing}}]}", kept,
			map[string]string{"a": "names:\n- add: false\n  earlier:\n" +
				"  - add: true\n    ledger: true\n    name: missing\n    namespaces:\n      include: ^(?:x|y)$\n" +
				"  - add: true\n    ledger: false\n    name: missing\n    namespaces:\n      include: ^(?:z)$\n" +
				"  ledger: false\n  name: missing\n" + matchers}},
		{"where somebody else's secret is in the way, the name is withheld", "- {name: a, secrets: [{source: {name: s}}]}", withheld,
			map[string]string{"a": "names:\n- add: true\n  earlier:\n  - add: false\n    ledger: false\n    name: s\n    namespaces:\n      include: ^(?:x|y)$\n" + name() + matchers}},
		{"but only where the rule can select the namespace by its name",
			"- {name: a, secrets: [{source: {name: s}}], namespaces: {include: [\"y*\"]}}\n- {name: b, secrets: [{source: {name: s}}], namespaces: {include: [\"z*\"]}}", withheld,
			map[string]string{
				"a": "names:\n- add: true\n  earlier:\n  - add: false\n    ledger: false\n    name: s\n    namespaces:\n      include: ^(?:y)$\n" + name() +
					"namespaces:\n  include: ^(?:y.*)$\nserviceAccounts:\n  include: ^(?:default)$\n",
				"b": "names:\n- add: true\n" + name() + "namespaces:\n  include: ^(?:z.*)$\nserviceAccounts:\n  include: ^(?:default)$\n",
			}},
		{"earlier rules that say the same make no difference",
			"- {name: z, secrets: [{source: {name: s}}], serviceAccounts: {include: []}}\n- {name: a, secrets: [{source: {name: s}}]}", Dependencies{Namespace: "own"},
			map[string]string{"a": "names:\n- add: true\n" + name() + matchers}},
		{"an earlier rule with another source keeps the name to itself, where it matches",
			"- {name: z, secrets: [{source: {name: r}, name: s}], namespaces: {include: [x.y, \"k*-?\"], exclude: [k-1]}, serviceAccounts: {include: []}}\n- {name: a, secrets: [{source: {name: s}}]}",
			Dependencies{Namespace: "own"},
			map[string]string{"a": "names:\n- add: true\n  earlier:\n  - add: false\n    ledger: false\n    name: s\n    namespaces:\n      exclude: ^(?:k-1)$\n      include: ^(?:x\\.y|k.*-.)$\n" + name() + matchers}},
		{"an earlier rule decides whether the name is ours to remove",
			"- {name: z, prune: false, secrets: [{source: {name: s}}], namespaces: {selector: {matchLabels: {b: c}, matchExpressions: [{key: a, operator: NotIn, values: [z, x]}, {key: d, operator: Exists}]}}, serviceAccounts: {include: []}}\n- {name: a, secrets: [{source: {name: s}}]}",
			Dependencies{Namespace: "own"},
			map[string]string{"a": "names:\n- add: true\n  earlier:\n  - add: true\n    ledger: false\n    name: s\n    namespaces:\n      include: ^.*$\n      matchExpressions:\n" +
				"      - key: a\n        operator: NotIn\n        values:\n        - x\n        - z\n      - key: b\n        operator: In\n        values:\n        - c\n      - key: d\n        operator: Exists\n" + name() + matchers}},
		{"a source is no copy, where it has the name of one",
			"- {name: a, secrets: [{source: {name: s}}]}\n- {name: z, secrets: [{source: {name: s, namespace: vault}, name: t}], serviceAccounts: {include: []}}", Dependencies{Namespace: "own"},
			map[string]string{"a": "names:\n- add: true\n  earlier:\n  - add: false\n    ledger: false\n    name: s\n    namespaces:\n      include: ^(?:vault)$\n" + name() + matchers}},
	} {
		t.Run(c.why, func(t *testing.T) {
			if diff := cmp.Diff(c.want, admissionRules(t, c.rules, c.promises)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestARuleBeyondTheBudgetIsRefused(t *testing.T) {
	list := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("name-of-some-length-%06d", i))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	many := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("{source: {name: s%d}}", i))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	for _, c := range []struct{ why, rules, want string }{
		{"accounts", "- {name: a, secrets: [{source: {name: s}}], serviceAccounts: {include: " + list(3000) + "}}",
			"rule a: what it selects service accounts by is 81"},
		{"all", "- {name: a, secrets: [{source: {name: s}}], namespaces: {include: " + list(12000) + "}}", "rule a: it is 324"},
		{"names", "- {name: a, secrets: " + many(129) + "}", "rule a: 129 names are too many"},
		{"earlier rules", "- {name: w, secrets: [{source: {name: r}, name: s}], namespaces: {include: " + list(9000) + "}}\n" +
			"- {name: z, secrets: [{source: {name: q}, name: t}]}\n" +
			"- {name: a, secrets: [{source: {name: s}}], namespaces: {include: " + list(5000) + "}}", "rule a: it is 378"},
	} {
		t.Run(c.why, func(t *testing.T) {
			rules, errs := Rules(policyOf(t, c.rules), Dependencies{})
			if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), c.want) || errs[0].Rule != "a" {
				t.Errorf("got %v, want %q", errs, c.want)
			}
			for _, u := range rules {
				if u.GetName() == "a" {
					t.Error("it is there all the same")
				}
			}
		})
	}
}

// TestRulesThatShareANameCostNoMoreThanThemselves: what the earlier ones say of it is left out, and must not be made for that. With
// 500 rules it was most of a gigabyte.
func TestRulesThatShareANameCostNoMoreThanThemselves(t *testing.T) {
	allocations := func(rules int) float64 {
		text := ""
		for i := range rules {
			text += fmt.Sprintf("- {name: r%d, secrets: [{source: {name: s}}], namespaces: {include: [team-%d]}}\n", i, i)
		}
		p := policyOf(t, text)
		blocked := Dependencies{Namespace: "own", Blocked: map[string][]string{"s": {"team-1", "team-7"}}}
		return testing.AllocsPerRun(1, func() {
			if made, errs := Rules(p, blocked); len(made) != rules || len(errs) > 0 {
				t.Fatal(len(made), errs)
			}
		})
	}
	if few, many := allocations(50), allocations(200); many > 6*few {
		t.Errorf("%.0f allocations for 50 rules, %.0f for 200", few, many)
	}
}

func TestKubectlShowsAllNamesOfAParameter(t *testing.T) {
	var secrets []string
	for i := range 40 {
		secrets = append(secrets, fmt.Sprintf("{source: {name: s}, name: registry-%02d}", i))
	}
	rules, _ := Rules(policyOf(t, `
- {name: few, secrets: [{source: {name: s}}, {source: {name: t}}]}
- {name: many, secrets: [`+strings.Join(secrets, ", ")+`]}`), Dependencies{Namespace: "own"})
	for i, want := range []string{"s, t", "registry-14 and 25 more"} {
		if got := rules[i].GetAnnotations()[cluster.AnnotationNames]; !strings.HasSuffix(got, want) || len(got) > 250 {
			t.Errorf("got %q, want it to end in %q", got, want)
		}
	}
}

// policyOf parses rules.
func policyOf(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse(
		map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + rules},
		policy.Options{Namespace: "own", SourceNamespaces: []string{"vault", "attic"}})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}
