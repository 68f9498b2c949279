package admission

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestParametersAdd asks parameters as they are rendered; that the API server does the same is a test on a real one.
func TestParametersAdd(t *testing.T) {
	const rules = `
- {name: first, secrets: [{source: {name: s}}, {source: {name: missing}}], namespaces: {include: ["a*"], exclude: ["*-x"], selector: {matchLabels: {team: red}}}}
- {name: other, secrets: [{source: {name: r}, name: s}, {source: {name: t}}], serviceAccounts: {include: [default, "ci-*"], exclude: [ci-x], selector: {matchExpressions: [{key: old, operator: DoesNotExist}]}}}`
	missing := policy.Secret{Source: types.NamespacedName{Namespace: "own", Name: "missing"}, Name: "missing"}
	promises := Dependencies{
		Namespace:   "own",
		Unavailable: func(s policy.Secret) bool { return s == missing },
		Blocked:     map[string][]string{"t": {"withheld"}},
		Retained:    map[policy.Secret]Retained{missing: {Stay: []string{"a-kept"}}},
	}
	specs := map[string]any{}
	parameters, _ := Rules(policyOf(t, rules), promises)
	for _, u := range parameters {
		specs[u.GetName()] = u.Object["spec"]
	}
	p := NewParameters("own", specs)
	red := map[string]string{"team": "red"}
	for _, c := range []struct {
		why           string
		namespace     string
		labels        map[string]string
		account, name string
		want          bool
	}{
		{"the rule matches", "a", red, "default", "s", true},
		{"another account", "a", red, "builder", "s", false},
		{"a namespace without the label, of which the later rule decides", "a", nil, "default", "s", true},
		{"an excluded namespace, of which the later rule decides", "a-x", red, "default", "s", true},
		{"the earlier rule's copy is from another source", "a", red, "ci-1", "s", false},
		{"where there is no earlier rule", "b", nil, "ci-1", "s", true},
		{"an excluded account", "b", nil, "ci-x", "s", false},
		{"a name that is withheld", "withheld", nil, "default", "t", false},
		{"and is not elsewhere", "b", nil, "default", "t", true},
		{"a copy that is kept", "a-kept", red, "default", "missing", true},
		{"and is not elsewhere", "a", red, "default", "missing", false},
		{"a name that nobody asks for", "a", red, "default", "x", false},
	} {
		ns := &cluster.Namespace{Meta: cluster.Meta{Name: c.namespace}, Labels: cluster.NewLabels(c.labels)}
		sa := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: c.namespace, Name: c.account}}
		if got := p.Add(ns, sa, c.name); got != c.want {
			t.Errorf("%s: %s/%s gets %s: %t, want %t", c.why, c.namespace, c.account, c.name, got, c.want)
		}
		ns.Excluded = true
		if p.Add(ns, sa, c.name) {
			t.Errorf("%s: although the namespace is opted out", c.why)
		}
		ns.Excluded, sa.Excluded = false, true
		if p.Add(ns, sa, c.name) {
			t.Errorf("%s: although the account is opted out", c.why)
		}
	}
	old := &cluster.ServiceAccount{Meta: cluster.Meta{Name: "default"}, Labels: cluster.Labels{{Key: "old"}}}
	if p.Add(&cluster.Namespace{Meta: cluster.Meta{Name: "b"}}, old, "t") {
		t.Error("an account gets a name whose label excludes it")
	}
	if !p.Same(specs) || p.Same(map[string]any{"first": specs["first"]}) {
		t.Error("it cannot tell the same parameters from others")
	}
}

// TestParametersAddToPod asks parameters that serve pods, accounts or both.
func TestParametersAddToPod(t *testing.T) {
	all := map[string]any{"include": "^.*$"}
	spec := func(name string, attach any, accounts map[string]any) map[string]any {
		out := map[string]any{"namespaces": map[string]any{"include": "^a$"}, "serviceAccounts": accounts, "names": []any{nameEntry(name, true, true)}}
		if attach != nil {
			out["attach"] = attach
		}
		return out
	}
	labelled := map[string]any{"include": "^default$", "matchExpressions": []any{map[string]any{"key": "k", "operator": "Exists"}}}
	p := NewParameters("own", map[string]any{
		"old": spec("old", nil, all), "accounts": spec("accounts", []any{"accounts"}, all), "both": spec("both", []any{"accounts", "pods"}, all),
		"pods": spec("pods", []any{"pods"}, map[string]any{"include": "^(?:default|ci)$", "exclude": "^ci$"}),
		// For a moment, while a rule moves to accounts: labels cannot be seen at a pod.
		"labelled": spec("labelled", []any{"accounts", "pods"}, labelled),
	})
	a := &cluster.Namespace{Meta: cluster.Meta{Name: "a"}}
	for _, c := range []struct {
		name, account    string
		toPod, toAccount bool
	}{
		{"old", "default", false, true},
		{"accounts", "default", false, true},
		{"both", "default", true, true},
		{"pods", "default", true, false},
		{"pods", "", true, false}, // an account without a name there cannot be
		{"pods", "ci", false, false},
		{"labelled", "default", true, false},
		{"labelled", "ci", false, false},
	} {
		if got := p.AddToPod(a, c.account, c.name); got != c.toPod {
			t.Errorf("a pod under %q gets %s: %t", c.account, c.name, got)
		}
		if got := p.Add(a, &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "a", Name: c.account}}, c.name); got != c.toAccount {
			t.Errorf("the account %q gets %s: %t", c.account, c.name, got)
		}
		if p.AddToPod(&cluster.Namespace{Meta: cluster.Meta{Name: "b"}}, c.account, c.name) {
			t.Errorf("a pod in another namespace gets %s", c.name)
		}
		if p.AddToPod(&cluster.Namespace{Meta: cluster.Meta{Name: "a"}, Excluded: true}, c.account, c.name) {
			t.Errorf("a pod in a namespace that is opted out gets %s", c.name)
		}
	}
}

func TestAttached(t *testing.T) {
	for _, c := range []struct {
		spec any
		want []policy.Attach
	}{
		{nil, []policy.Attach{policy.AttachAccounts}},
		{map[string]any{}, []policy.Attach{policy.AttachAccounts}},
		{map[string]any{"attach": []any{"pods"}}, []policy.Attach{policy.AttachPods}},
		{map[string]any{"attach": []any{"accounts", "pods"}}, []policy.Attach{policy.AttachAccounts, policy.AttachPods}},
		{map[string]any{"attach": []any{}}, nil},
	} {
		if got := Attached(c.spec); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.spec, got, c.want)
		}
	}
}

func TestParametersThatCannotBeEvaluatedAddNothing(t *testing.T) {
	all := map[string]any{"include": "^.*$"}
	for why, spec := range map[string]map[string]any{
		"nothing":         nil,
		"no expression":   {"namespaces": map[string]any{"include": "("}, "serviceAccounts": all, "names": []any{nameEntry("s", true, true)}},
		"another type":    {"namespaces": "all", "serviceAccounts": all, "names": []any{nameEntry("s", true, true)}},
		"a list of lists": {"namespaces": all, "serviceAccounts": all, "names": []any{[]any{"s"}}},
	} {
		p := NewParameters("own", map[string]any{"r": spec})
		if p.Add(&cluster.Namespace{}, &cluster.ServiceAccount{}, "s") {
			t.Errorf("%s: a name is added", why)
		}
	}
}
