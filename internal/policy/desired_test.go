package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// compile turns rules, without the head of the document, into a Policy.
func compile(t testing.TB, rules string) *Policy {
	t.Helper()
	p, problems := Parse(map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + rules}, options)
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// labelled reads "name k=v k=v".
func labelled(s string) (string, cluster.Labels) {
	words := strings.Fields(s)
	labels := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		labels[k] = v
	}
	return words[0], cluster.NewLabels(labels)
}

// namespace and account read "name k=v", opted out by a leading "!".
func namespace(s string) *cluster.Namespace {
	s, out := strings.CutPrefix(s, "!")
	name, labels := labelled(s)
	return &cluster.Namespace{Meta: cluster.Meta{Name: name}, Labels: labels, Excluded: out}
}

func account(s string) *cluster.ServiceAccount {
	s, out := strings.CutPrefix(s, "!")
	name, labels := labelled(s)
	return &cluster.ServiceAccount{Meta: cluster.Meta{Name: name}, Labels: labels, Excluded: out}
}

func inputs(ns string, accounts ...string) Inputs {
	in := Inputs{Namespace: namespace(ns)}
	for _, a := range accounts {
		in.Accounts = append(in.Accounts, account(a))
	}
	return in
}

// lines writes what is desired, a fact a line.
func lines(d Desired) []string {
	var out []string
	for _, c := range d.Copies {
		out = append(out, fmt.Sprintf("copy %s of %s by %s", c.Name, c.Source, c.Rule.Name))
	}
	for _, a := range d.Accounts {
		line := "account " + a.Name + ":"
		for _, n := range a.Names {
			line += fmt.Sprintf(" %s(%s)", n.Name, n.Rule.Name)
		}
		out = append(out, line)
	}
	for _, c := range d.Conflicts {
		line := fmt.Sprintf("conflict over %s: %s after %s", c.Name, c.Rule.Name, c.Winner.Name)
		if c.Meant() {
			line += ", as it is meant"
		}
		out = append(out, line)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Protected)) {
		out = append(out, "protected "+name)
	}
	return out
}

func TestNamespacesMatchByIncludeMinusExcludeAndSelector(t *testing.T) {
	for _, tt := range []struct {
		match     string
		namespace string
		want      bool
		why       string
	}{
		{`{}`, "a", true, "everything, by default"},
		{`{include: [team-*]}`, "team-a", true, ""},
		{`{include: [team-*]}`, "a-team-a", false, "globs are anchored"},
		{`{include: [a, b]}`, "b", true, "one of several"},
		{`{exclude: ["kube-*"]}`, "kube-system", false, ""},
		{`{exclude: ["kube-*"]}`, "a", true, ""},
		{`{include: [a], exclude: [a]}`, "a", false, "exclude wins"},
		{`{include: ["*"], exclude: ["*"]}`, "a", false, ""},
		{`{selector: {}}`, "a", true, "an empty selector is everything"},
		{`{selector: null}`, "a", true, ""},
		{`{selector: {matchLabels: {team: x}}}`, "a team=x", true, ""},
		{`{selector: {matchLabels: {team: x}}}`, "a team=y", false, ""},
		{`{selector: {matchLabels: {team: x}}}`, "a", false, ""},
		{`{include: [b], selector: {matchLabels: {team: x}}}`, "a team=x", false, "the selector does not widen include"},
		{`{exclude: [a], selector: {matchLabels: {team: x}}}`, "a team=x", false, "nor does it undo exclude"},
		{`{selector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}`, "a", true, "NotIn holds without the label"},
		{`{selector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}`, "a team=x", false, ""},
		{`{selector: {matchExpressions: [{key: team, operator: In, values: [x, z]}]}}`, "a team=z", true, ""},
		{`{selector: {matchExpressions: [{key: team, operator: Exists}]}}`, "a team=", true, ""},
		{`{selector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}`, "a team=", false, ""},
		{`{selector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}}`, "a a=b", false, "all of it must hold"},
		{`{}`, "!a", false, "an opt-out is as if nothing matched"},
		{`{include: [a]}`, "!a", false, "not even by name"},
	} {
		t.Run(tt.match+" "+tt.namespace, func(t *testing.T) {
			p := compile(t, "- {name: r, secrets: [{source: {name: hub}}], namespaces: "+tt.match+"}\n")
			want := []string{"account default:"}
			if tt.want {
				want = []string{"copy hub of pullsecrets/hub by r", "account default: hub(r)"}
			}
			if diff := cmp.Diff(want, lines(p.Desired(inputs(tt.namespace, "default")))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.why, diff)
			}
		})
	}
}

func TestAccountsMatchByIncludeMinusExcludeAndSelector(t *testing.T) {
	for _, tt := range []struct {
		match   string
		account string
		want    bool
		why     string
	}{
		{`{}`, "default", true, "the default account, by default"},
		{`{}`, "ci", false, ""},
		{`{include: []}`, "default", false, "copies only"},
		{`{include: ["*"]}`, "ci", true, ""},
		{`{include: [ci-*]}`, "default", false, "the default account is no more than a default"},
		{`{exclude: [default]}`, "default", false, ""},
		{`{include: ["*"], exclude: [ci-*]}`, "ci-a", false, ""},
		{`{include: ["*"], exclude: [ci-*]}`, "ci", true, ""},
		{`{selector: {matchLabels: {pull: x}}}`, "default pull=x", true, ""},
		{`{selector: {matchLabels: {pull: x}}}`, "default", false, ""},
		{`{selector: {matchLabels: {pull: x}}}`, "ci pull=x", false, "the selector does not widen include"},
		{`{include: ["*"]}`, "!ci", false, "an opt-out is as if nothing matched"},
	} {
		t.Run(tt.match+" "+tt.account, func(t *testing.T) {
			p := compile(t, "- {name: r, secrets: [{source: {name: hub}}], serviceAccounts: "+tt.match+"}\n")
			name := account(tt.account).Name
			want := []string{"copy hub of pullsecrets/hub by r", "account " + name + ":"}
			if tt.want {
				want[1] += " hub(r)"
			}
			if diff := cmp.Diff(want, lines(p.Desired(inputs("a", tt.account)))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.why, diff)
			}
		})
	}
}

func TestRulesCombineInOrder(t *testing.T) {
	for _, tt := range []struct {
		why   string
		rules string
		in    Inputs
		want  []string
	}{
		{
			why:  "no rules, nothing desired, and every account is still told of",
			in:   inputs("a", "default"),
			want: []string{"account default:"},
		}, {
			why: "a copy is made even if there is no account",
			rules: `
- {name: r, secrets: [{source: {name: hub}}]}
`,
			in:   inputs("a"),
			want: []string{"copy hub of pullsecrets/hub by r"},
		}, {
			why: "names are in the order of the rules and of their secrets, not of the alphabet",
			rules: `
- {name: z, secrets: [{source: {name: z2}}, {source: {name: z1}}]}
- {name: a, secrets: [{source: {name: a2}}, {source: {name: a1}}]}
`,
			in: inputs("ns", "default"),
			want: []string{
				"copy z2 of pullsecrets/z2 by z", "copy z1 of pullsecrets/z1 by z",
				"copy a2 of pullsecrets/a2 by a", "copy a1 of pullsecrets/a1 by a",
				"account default: z2(z) z1(z) a2(a) a1(a)",
			},
		}, {
			why: "a later rule with the same source adds its accounts, and the first rule decides the copy",
			rules: `
- {name: first, secrets: [{source: {name: hub}, name: reg}]}
- {name: second, secrets: [{source: {name: hub}, name: reg}], serviceAccounts: {include: [ci, default]}, force: true, prune: false}
`,
			in: inputs("a", "default", "ci"),
			want: []string{
				"copy reg of pullsecrets/hub by first",
				"account default: reg(first)", "account ci: reg(second)",
			},
		}, {
			why: "a later rule with another source is a conflict and adds nothing, but its other secrets are served",
			rules: `
- {name: first, secrets: [{source: {name: hub}, name: reg}]}
- {name: second, secrets: [{source: {name: ghcr}, name: reg}, {source: {name: quay}}], serviceAccounts: {include: [ci]}}
`,
			in: inputs("a", "default", "ci"),
			want: []string{
				"copy reg of pullsecrets/hub by first", "copy quay of pullsecrets/quay by second",
				"account default: reg(first)", "account ci: quay(second)",
				"conflict over reg: second after first",
			},
		}, {
			why: "a rule that is meant to win wins as any first rule does; its own override does not move it forward",
			rules: `
- {name: own, secrets: [{source: {name: own}, name: reg}], namespaces: {include: [a]}, override: true}
- {name: general, secrets: [{source: {name: hub}, name: reg}, {source: {name: quay}}], serviceAccounts: {include: ["*"]}}
- {name: late, secrets: [{source: {name: ghcr}, name: quay}], override: true}
`,
			in: inputs("a", "default", "ci"),
			want: []string{
				"copy reg of pullsecrets/own by own", "copy quay of pullsecrets/quay by general",
				"account default: reg(own) quay(general)", "account ci: quay(general)",
				"conflict over reg: general after own, as it is meant", "conflict over quay: late after general",
			},
		}, {
			why: "the same name in another namespace is another source",
			rules: `
- {name: first, secrets: [{source: {name: hub}}]}
- {name: second, secrets: [{source: {namespace: allowed, name: hub}}]}
`,
			in: inputs("a"),
			want: []string{
				"copy hub of pullsecrets/hub by first", "conflict over hub: second after first",
			},
		}, {
			why: "a third rule may agree with the first where the second does not",
			rules: `
- {name: first, secrets: [{source: {name: hub}, name: reg}], serviceAccounts: {include: []}}
- {name: second, secrets: [{source: {name: ghcr}, name: reg}], serviceAccounts: {include: ["*"]}}
- {name: third, secrets: [{source: {name: hub}, name: reg}], serviceAccounts: {include: ["*"]}}
`,
			in: inputs("a", "default"),
			want: []string{
				"copy reg of pullsecrets/hub by first", "account default: reg(third)", "conflict over reg: second after first",
			},
		}, {
			why: "a rule that does not match the namespace decides nothing there",
			rules: `
- {name: first, secrets: [{source: {name: hub}, name: reg}], namespaces: {include: [b]}}
- {name: second, secrets: [{source: {name: ghcr}, name: reg}]}
`,
			in:   inputs("a", "default"),
			want: []string{"copy reg of pullsecrets/ghcr by second", "account default: reg(second)"},
		}, {
			why: "an excluded account gets none, its neighbours do",
			rules: `
- {name: r, secrets: [{source: {name: hub}}], serviceAccounts: {include: ["*"]}}
`,
			in:   inputs("a", "!default", "ci"),
			want: []string{"copy hub of pullsecrets/hub by r", "account default:", "account ci: hub(r)"},
		}, {
			why: "in an excluded namespace there is no copy, no name and no conflict",
			rules: `
- {name: first, secrets: [{source: {name: hub}, name: reg}]}
- {name: second, secrets: [{source: {name: ghcr}, name: reg}]}
`,
			in:   inputs("!a", "default"),
			want: []string{"account default:"},
		}, {
			why: "sources are protected in their own namespace, whichever rule they are of, and even if it opted out",
			rules: `
- {name: first, secrets: [{source: {name: hub}}], namespaces: {include: [nowhere]}}
- {name: second, secrets: [{source: {name: ghcr}}, {source: {namespace: allowed, name: quay}}], namespaces: {include: [nowhere]}}
`,
			in:   inputs("!pullsecrets"),
			want: []string{"protected ghcr", "protected hub"},
		}, {
			why: "and only there",
			rules: `
- {name: r, secrets: [{source: {name: hub}}, {source: {namespace: allowed, name: quay}}], namespaces: {include: [nowhere]}}
`,
			in:   inputs("allowed"),
			want: []string{"protected quay"},
		}, {
			why: "a source's own namespace may match: what is asked for is told, what is protected too",
			rules: `
- {name: r, secrets: [{source: {name: hub}}]}
`,
			in:   inputs("pullsecrets", "default"),
			want: []string{"copy hub of pullsecrets/hub by r", "account default: hub(r)", "protected hub"},
		},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if tt.rules == "" {
				tt.rules = "  []\n"
			}
			if diff := cmp.Diff(tt.want, lines(compile(t, tt.rules).Desired(tt.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestACopyCarriesTheStateOfItsSourceAndTheRuleThatDecides(t *testing.T) {
	p := compile(t, `
- {name: first, secrets: [{source: {name: hub}}, {source: {name: ghcr}}], force: true, prune: false}
- {name: second, secrets: [{source: {name: hub}}]}
`)
	in := inputs("a")
	in.Sources = map[types.NamespacedName]SourceState{
		{Namespace: "pullsecrets", Name: "hub"}:  {Status: SourceMissing},
		{Namespace: "pullsecrets", Name: "ghcr"}: {Status: SourceForbidden},
		{Namespace: "a", Name: "hub"}:            {Status: SourceUsable},
	}
	copies := p.Desired(in).Copies
	var got []string
	for _, c := range copies {
		got = append(got, fmt.Sprintf("%s %s force=%t prune=%t", c.Name, c.State.Status, c.Rule.Force, c.Rule.Prune))
	}
	want := []string{"hub Missing force=true prune=false", "ghcr Forbidden force=true prune=false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASourceIsJudgedByWhatItIs(t *testing.T) {
	marked := func(mark string) *cluster.Source {
		return &cluster.Source{Secret: &cluster.Secret{Meta: cluster.Meta{Namespace: "a"}, Marks: cluster.Marks{For: mark}}}
	}
	for _, tt := range []struct {
		why    string
		source *cluster.Source
		want   SourceStatus
	}{
		{"no such secret", nil, SourceMissing},
		{"a credential", &cluster.Source{Secret: &cluster.Secret{}}, SourceUsable},
		{"no credential", &cluster.Source{Secret: &cluster.Secret{Defect: cluster.DefectNotJSON}}, SourceInvalid},
		{"our field manager applied its content", &cluster.Source{Secret: &cluster.Secret{OwnsData: true}}, SourceIsCopy},
		{"a copy of ours", marked("home/a"), SourceIsCopy},
		{"a copy that was copied here", marked("home/b"), SourceUsable},
		{"a copy of another installation", marked("other/a"), SourceUsable},
		{"the marks of an earlier version", &cluster.Source{Secret: &cluster.Secret{
			Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Source: "home/b"},
		}}, SourceIsCopy},
		{"a broken copy is a copy first", &cluster.Source{Secret: &cluster.Secret{OwnsData: true, Defect: cluster.DefectType}}, SourceIsCopy},
	} {
		got := NewSourceState(tt.source, cluster.Installation{Home: "home"})
		if got.Status != tt.want || got.Source != tt.source {
			t.Errorf("%s: got %s, want %s, with the source itself", tt.why, got.Status, tt.want)
		}
	}
}

func TestTheOrderOfAccountsChangesNothing(t *testing.T) {
	p := compile(t, `
- {name: first, secrets: [{source: {name: hub}, name: reg}], serviceAccounts: {include: ["*"], exclude: [a1]}}
- {name: second, secrets: [{source: {name: ghcr}, name: reg}, {source: {name: quay}}], serviceAccounts: {include: ["a*"]}}
- {name: third, secrets: [{source: {name: hub}, name: reg}], serviceAccounts: {include: [a1]}}
`)
	accounts := []string{"a1", "!a2", "a3", "b1", "b2", "default"}
	want := lines(p.Desired(inputs("ns", accounts...)))
	for range 20 {
		rand.Shuffle(len(accounts), func(i, j int) { accounts[i], accounts[j] = accounts[j], accounts[i] })
		d := p.Desired(inputs("ns", accounts...))
		for i, a := range d.Accounts {
			if got := strings.TrimPrefix(accounts[i], "!"); a.Name != got {
				t.Fatalf("account %d is %s, and %s was given", i, a.Name, got)
			}
		}
		slices.SortFunc(d.Accounts, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
		if diff := cmp.Diff(want, lines(d)); diff != "" {
			t.Fatalf("%v (-want +got):\n%s", accounts, diff)
		}
	}
}

// Run with -race: many workers ask one Policy at the same time.
func TestAPolicyCanBeAskedConcurrently(t *testing.T) {
	p := compile(t, `
- {name: first, secrets: [{source: {name: hub}}], namespaces: {selector: {matchLabels: {team: x}}}}
- {name: second, secrets: [{source: {name: ghcr}}]}
`)
	in := inputs("pullsecrets team=x", "default")
	want := lines(p.Desired(in))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if diff := cmp.Diff(want, lines(p.Desired(in))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkDesired asks 500 rules about 5,000 namespaces; an operation is one pass over all of them.
func BenchmarkDesired(b *testing.B) {
	const rules, namespaces = 500, 5000
	var text strings.Builder
	for i := range rules {
		fmt.Fprintf(&text, `
- name: rule-%[1]d
  secrets: [{source: {name: hub-%[1]d}}, {source: {name: ghcr-%[1]d}}]
  namespaces: {include: ["team-%[1]d-*", "shared-%[1]d"], exclude: ["*-test"], selector: {matchLabels: {pull: "true"}}}
  serviceAccounts: {include: [default, "ci-*"]}
`, i)
	}
	p := compile(b, text.String())
	var in []Inputs
	for i := range namespaces {
		in = append(in, inputs(fmt.Sprintf("team-%d-%d pull=true", i%rules, i), "default", "ci-a", "other"))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, n := range in {
			if d := p.Desired(n); len(d.Copies) != 2 {
				b.Fatal(lines(d))
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*namespaces), "ns/namespace")
}

// A rule that attaches to pods gives accounts nothing, unless the API server does not add its names: then they get them,
// or, while that is not known, keep those that they have.
func TestDesiredAttachedToPods(t *testing.T) {
	p := compile(t, `
- {name: pods, secrets: [{source: {name: a}}, {source: {name: b}}], attach: pods, serviceAccounts: {include: [default, "ci-*"], exclude: [ci-x]}}
- {name: accounts, secrets: [{source: {name: b}}, {source: {name: c}}]}
- {name: other, secrets: [{source: {name: d}, name: a}], attach: pods}`)
	text := func(names []Name) (out []string) {
		for _, n := range names {
			line := n.Name + " by " + n.Rule.Name
			if n.Keep {
				line += " kept"
			}
			out = append(out, line)
		}
		return out
	}
	in := inputs("ns", "default", "ci-1", "!ci-2")
	for _, tt := range []struct {
		attached func(*Rule) Attached
		accounts [][]string
	}{
		{nil, [][]string{{"b by accounts", "c by accounts"}, nil, nil}},
		{func(*Rule) Attached { return ToAccounts }, [][]string{{"a by pods", "b by pods", "c by accounts"}, {"a by pods", "b by pods"}, nil}},
		{func(*Rule) Attached { return Undecided }, [][]string{{"a by pods kept", "b by accounts", "c by accounts"}, {"a by pods kept", "b by pods kept"}, nil}},
	} {
		in.Attached = tt.attached
		d := p.Desired(in)
		for i, want := range tt.accounts {
			if diff := cmp.Diff(want, text(d.Accounts[i].Names)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", d.Accounts[i].Name, diff)
			}
		}
		for account, want := range map[string][]string{"default": {"a by pods", "b by pods"}, "ci-2": {"a by pods", "b by pods"}, "ci-x": nil, "other": nil} {
			if diff := cmp.Diff(want, text(d.PodNames(account))); diff != "" {
				t.Errorf("pods of %s (-want +got):\n%s", account, diff)
			}
		}
	}
	in.Namespace.Excluded = true
	if names := p.Desired(in).PodNames("default"); names != nil {
		t.Errorf("in a namespace that is opted out: %v", names)
	}
}
