package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var policyKinds = []kind{
	{14, editPolicy},
	{4, spoilPolicy},
	{2, deletePolicy},
	{3, restorePolicy},
}

const policyName = "pullsecrets-policy"

func pickHome(r *rand.Rand) string {
	if chance(r, 70) {
		return first
	}
	return second
}

// text writes a policy as people do.
func (p policy) text() string {
	var b strings.Builder
	b.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\n")
	if len(p.Rules) == 0 {
		return b.String() + "rules: []\n"
	}
	b.WriteString("rules:\n")
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "- name: %s\n  secrets:\n", r.Name)
		for _, one := range r.Secrets {
			fmt.Fprintf(&b, "  - source: {name: %s}\n", one.Source.Name)
			if one.Name != "" {
				fmt.Fprintf(&b, "    name: %s\n", one.Name)
			}
		}
		r.Namespaces.write(&b, "namespaces")
		r.ServiceAccounts.write(&b, "serviceAccounts")
		for _, line := range []struct {
			say  bool
			text string
		}{
			{r.Attach != "", "attach: " + r.Attach}, {r.Force, "force: true"}, {!r.prune(), "prune: false"}, {r.Override, "override: true"},
		} {
			if line.say {
				b.WriteString("  " + line.text + "\n")
			}
		}
	}
	return b.String()
}

func (m matcher) write(b *strings.Builder, field string) {
	if m.Include == nil && m.Exclude == nil && m.Selector == nil {
		return
	}
	fmt.Fprintf(b, "  %s:\n", field)
	if m.Include != nil {
		fmt.Fprintf(b, "    include: %s\n", quoted(*m.Include))
	}
	if m.Exclude != nil {
		fmt.Fprintf(b, "    exclude: %s\n", quoted(m.Exclude))
	}
	if m.Selector != nil {
		text, _ := yaml.Marshal(m.Selector)
		b.WriteString("    selector:\n      " + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n      ") + "\n")
	}
}

func quoted(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%q", s))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var includes = map[string][][]string{
	first:  {nil, {"*"}, {"team-*"}, {"dev-*", "both-*"}, {"team-0?"}, {"team-1*", "dev-*"}, {"both-*"}, {"*-0?"}, {"team-03", "dev-02"}},
	second: {nil, {"two-*"}, {"both-*"}, {"two-0?", "both-0*"}, {"*"}},
}

var excludes = map[string][][]string{
	first:  {nil, nil, {"dev-*"}, {"team-07", "team-1?"}, {"both-*"}},
	second: {nil, nil, {"two-02"}, {"both-*"}},
}

// apart keeps the system's namespaces out, and those of the other installation that they do not share.
var apart = map[string][]string{
	first:  {"kube-*", "default", second, "two-*"},
	second: {"kube-*", "default", first, "team-*", "dev-*"},
}

func newRule(s *soak, home string, r *rand.Rand) rule {
	one := rule{Name: s.world.next("r")}
	for range 1 + r.IntN(2) {
		var x secret
		x.Source.Name = pick(r, registries)
		if chance(r, 60) {
			x.Name = pick(r, copyNames[:3])
		}
		if !slices.ContainsFunc(one.Secrets, func(o secret) bool { return o.copyName() == x.copyName() }) {
			one.Secrets = append(one.Secrets, x)
		}
	}
	one.Force, one.Override = chance(r, 20), chance(r, 20)
	if chance(r, 15) {
		one.Prune = ptr(false)
	}
	one.Namespaces = newNamespaces(home, one.Force, r)
	if chance(r, 30) {
		one.Attach = "pods"
	}
	one.ServiceAccounts = newAccounts(one.Attach == "pods", r)
	return one
}

func newNamespaces(home string, force bool, r *rand.Rand) matcher {
	m := matcher{Exclude: slices.Concat(apart[home], pick(r, excludes[home]))}
	if include := pick(r, includes[home]); include != nil {
		m.Include = &include
	}
	if force || chance(r, 70) {
		m.Exclude = append(m.Exclude, home)
	}
	if chance(r, 35) {
		m.Selector = newSelector("team", []string{"red", "blue", "green"}, r)
	}
	return m
}

func newAccounts(byName bool, r *rand.Rand) (m matcher) {
	if include := pick(r, [][]string{nil, nil, {"default", "ci-*"}, {"*"}, {}, {"ci-?uild", "deployer"}}); include != nil {
		m.Include = &include
	}
	if chance(r, 20) {
		m.Exclude = []string{"ci-test"}
	}
	if !byName && chance(r, 20) {
		m.Selector = newSelector("sa", []string{"build", "deploy"}, r)
	}
	return m
}

func newSelector(label string, values []string, r *rand.Rand) *selector {
	s := &selector{}
	if chance(r, 50) {
		s.MatchLabels = map[string]string{label: pick(r, values)}
		return s
	}
	operator := pick(r, []string{"In", "NotIn", "Exists", "DoesNotExist"})
	e := expression{Key: label, Operator: operator}
	if operator == "In" || operator == "NotIn" {
		e.Values = []string{values[0], values[1]}
	}
	s.MatchExpressions = append(s.MatchExpressions, e)
	return s
}

// editedPolicy is a policy in which one thing is another, in words too.
func editedPolicy(s *soak, home string, p policy, r *rand.Rand) (policy, string) {
	rules := slices.Clone(p.Rules)
	most := map[string]int{first: 7, second: 3}[home]
	n := r.IntN(10)
	switch {
	case len(rules) == 0 || n < 3 && len(rules) < most:
		one := newRule(s, home, r)
		at := r.IntN(len(rules) + 1)
		return policy{Rules: slices.Insert(rules, at, one)}, fmt.Sprintf("rule %s is added as number %d", one.Name, at+1)
	case n < 5 && (len(rules) > 2 || chance(r, 20)):
		at := r.IntN(len(rules))
		return policy{Rules: slices.Delete(rules, at, at+1)}, fmt.Sprintf("rule %s is removed", p.Rules[at].Name)
	case n == 5 && len(rules) > 1:
		at := r.IntN(len(rules) - 1)
		rules[at], rules[at+1] = rules[at+1], rules[at]
		return policy{Rules: rules}, fmt.Sprintf("rules %s and %s change places", rules[at].Name, rules[at+1].Name)
	}
	at := r.IntN(len(rules))
	one, fresh := &rules[at], newRule(s, home, r)
	what := ""
	switch r.IntN(7) {
	case 0:
		one.Secrets, what = fresh.Secrets, "has other secrets"
	case 1:
		one.Namespaces, what = newNamespaces(home, one.Force, r), "has other namespaces"
	case 2:
		one.ServiceAccounts, what = newAccounts(one.Attach == "pods", r), "has other service accounts"
	case 3:
		one.Force, what = !one.Force, "changes force"
		one.Namespaces = newNamespaces(home, one.Force, r)
	case 4:
		one.Prune, what = ptr(!one.prune()), "changes prune"
	case 5:
		one.Override, what = !one.Override, "changes override"
	case 6:
		what = "attaches the other way"
		if one.Attach == "pods" {
			one.Attach = ""
		} else {
			one.Attach = "pods"
			one.ServiceAccounts.Selector = nil
		}
	}
	return policy{Rules: rules}, "rule " + one.Name + " " + what
}

func editPolicy(s *soak, r *rand.Rand) *operation {
	home := pickHome(r)
	p, what := editedPolicy(s, home, s.world.rules[home], r)
	return s.accept(home, p, what)
}

// accept is the operation that puts a valid policy into the ConfigMap.
func (s *soak) accept(home string, p policy, what string) *operation {
	text := p.text()
	p = read(text)
	s.world.rules[home] = p
	return &operation{fmt.Sprintf("policy of %s: %s", home, what), func(ctx context.Context) (string, error) {
		s.world.policies[home] = append(s.world.policies[home], p)
		return "", s.putPolicy(ctx, home, text, false)
	}}
}

func (s *soak) putPolicy(ctx context.Context, home, text string, invalid bool) error {
	w := s.world
	w.written++
	revision := fmt.Sprintf("v%d", w.written)
	u := api.Object("v1", "ConfigMap", home, policyName)
	u.SetAnnotations(map[string]string{"pullsecrets/revision": revision})
	u.Object["data"] = map[string]any{"policy.yaml": text}
	_, err := s.client.Resource(configMaps).Namespace(home).Apply(ctx, policyName, u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	if err == nil {
		w.texts[home], w.invalid[home], w.revisions[home] = text, invalid, revision
	}
	return err
}

// observed waits until an installation has judged the text that is there, so that it is known which policy is the last good one.
func (s *soak) observed(ctx context.Context, home string) error {
	if s.world.texts[home] == "" {
		return nil
	}
	began := time.Now()
	return until(ctx, patience, func() (bool, error) {
		if time.Since(began) > 5*time.Second { // nobody may judge anything while there is a fault
			s.endFault()
		}
		u, err := s.get(ctx, configMaps, key{home, policyName})
		if err != nil || u == nil {
			return false, err
		}
		return u.GetAnnotations()["pullsecrets/observed-revision"] == s.world.revisions[home], nil
	})
}

// spoilPolicy puts a text into the ConfigMap that is refused.
func spoilPolicy(s *soak, r *rand.Rand) *operation {
	home := pickHome(r)
	good := s.world.rules[home].text()
	wrong := pick(r, []struct{ what, text string }{
		{"an unknown field", good + "rulez: []\n"},
		{"no rules", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\n"},
		{"no YAML", good + "  : [\n"},
		{"a rule without secrets", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: []\n"},
		{"a glob that cannot be", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: hub}}]\n  namespaces: {include: [\"{a,b}\"]}\n"},
		{"attach: pods by labels of accounts", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  attach: pods\n  secrets: [{source: {name: hub}}]\n  serviceAccounts: {selector: {matchLabels: {a: b}}}\n"},
	})
	return &operation{fmt.Sprintf("policy of %s: invalid, with %s", home, wrong.what), func(ctx context.Context) (string, error) {
		if err := s.observed(ctx, home); err != nil {
			return "", fmt.Errorf("the text before was not judged: %w", err)
		}
		return "", s.putPolicy(ctx, home, wrong.text, true)
	}}
}

func deletePolicy(s *soak, r *rand.Rand) *operation {
	home := pickHome(r)
	return &operation{fmt.Sprintf("policy of %s: the ConfigMap is deleted", home), func(ctx context.Context) (string, error) {
		if err := s.observed(ctx, home); err != nil {
			return "", fmt.Errorf("the text before was not judged: %w", err)
		}
		err := s.client.Resource(configMaps).Namespace(home).Delete(ctx, policyName, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nothing, nil
		}
		s.world.texts[home] = ""
		return "", err
	}}
}

// restorePolicy puts the last good text back.
func restorePolicy(s *soak, r *rand.Rand) *operation {
	home := pickHome(r)
	return s.accept(home, s.world.rules[home], "the last good text is put back")
}
