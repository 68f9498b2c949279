package admission

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The kind of the admission parameters.
const (
	APIVersion = "pullsecrets.internal/v1alpha1"
	Kind       = "AdmissionRule"
)

// The API server's budget for one expression is a cost of 1,000,000. Matching a name of the longest kind against a
// regular expression costs 1.75 a byte of it for a namespace and 6.5 for a service account, also that of a pod; both bounds
// leave room.
// Beyond them the API server would stop in the middle, and the policy say nothing, so such a rule is refused here.
const (
	maxAccounts = 64 << 10  // bytes of one rule's globs and selectors of service accounts
	maxRule     = 256 << 10 // bytes of one rule in all
	maxNames    = 128       // names of one rule
)

// Dependencies are what the admission parameters depend on besides the policy.
type Dependencies struct {
	Namespace string // the controller's own, where the parameters are
	// Unavailable reports whether a name is left out, because its copy cannot be made anywhere: there is no source for
	// example. Nil leaves out none.
	Unavailable func(policy.Secret) bool
	// Blocked are the namespaces in which a copy is known not to come, by its name, sorted.
	Blocked map[string][]string
	// Retained are the namespaces in which a copy is there although its name is left out. There the name stays promised:
	// or whoever applies a list of its own takes it away, while the controller adds it, until the source is back.
	// Its keys have a source and a name alone.
	Retained map[policy.Secret]Retained
	// Attach are the ways in which a rule's parameter serves; none, and the rule gets no parameter. Nil is rule.Attach alone.
	Attach func(*policy.Rule) []policy.Attach
}

// Retained are namespaces, sorted, by what the rule says that decides the copy there.
type Retained struct{ Prune, Stay []string }

// TooLarge says that a rule is beyond the API server's budget.
type TooLarge struct{ Rule, why string }

func (e *TooLarge) Error() string { return "rule " + e.Rule + ": " + e.why }

// Rules returns the parameters by which the API server itself adds names to service accounts or pods, one for each
// rule that has names to add, in the order of the policy; and an error for each rule that is too large for it.
func Rules(p *policy.Policy, o Dependencies) (rules []*unstructured.Unstructured, errs []*TooLarge) {
	for i, rule := range p.Rules {
		spec := admissionSpec(p, i, o)
		if spec != nil && unfit(spec) != "" {
			spec = admissionSpec(p, i, o.withoutRetained()) // rather without what is kept than not at all
		}
		if spec == nil {
			continue
		}
		if why := unfit(spec); why != "" {
			errs = append(errs, &TooLarge{Rule: rule.Name, why: why})
			continue
		}
		u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		u.SetAPIVersion(APIVersion)
		u.SetKind(Kind)
		u.SetNamespace(o.Namespace)
		u.SetName(rule.Name)
		u.SetAnnotations(map[string]string{cluster.AnnotationNames: shownNames(spec)})
		rules = append(rules, u)
	}
	return rules, errs
}

// maxShown is how many bytes of names kubectl get shows.
const maxShown = 200

// shownNames lists the names for kubectl get: a column shows one value, and the first alone would be taken for all.
func shownNames(spec map[string]any) string {
	text := ""
	names := spec["names"].([]any)
	for i, n := range names {
		name := n.(map[string]any)["name"].(string)
		if len(text)+len(name) > maxShown {
			return fmt.Sprintf("%s and %d more", text, len(names)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}

// admissionSpec is nil for a rule that adds no names.
func admissionSpec(p *policy.Policy, i int, o Dependencies) map[string]any {
	rule := p.Rules[i]
	attached := o.attached(rule)
	if len(rule.ServiceAccounts.Include()) == 0 || len(attached) == 0 {
		return nil
	}
	var names []any
	for _, s := range rule.Secrets {
		if o.Unavailable != nil && o.Unavailable(s) {
			if kept := retainedEntries(s, o.Retained[policy.Secret{Source: s.Source, Name: s.Name}]); len(kept) > 0 {
				n := nameEntry(s.Name, false, false)
				n["earlier"] = kept
				names = append(names, n)
			}
			continue
		}
		n := nameEntry(s.Name, true, rule.Prune)
		if earlier := earlierEntries(p, i, s, o); len(earlier) > 0 {
			n["earlier"] = earlier
		}
		names = append(names, n)
	}
	if len(names) == 0 {
		return nil
	}
	spec := map[string]any{
		"namespaces":      matcher(rule.Namespaces),
		"serviceAccounts": matcher(rule.ServiceAccounts),
		"names":           names,
	}
	if slices.Contains(attached, any(string(policy.AttachPods))) { // or it is as earlier versions wrote it
		spec["attach"] = attached
	}
	return spec
}

// attached are the ways in which a rule's parameter serves, in the order of their names.
func (o Dependencies) attached(rule *policy.Rule) (ways []any) {
	asked := []policy.Attach{rule.Attach}
	if o.Attach != nil {
		asked = o.Attach(rule)
	}
	for _, way := range []policy.Attach{policy.AttachAccounts, policy.AttachPods} {
		if slices.Contains(asked, way) {
			ways = append(ways, string(way))
		}
	}
	return ways
}

func (o Dependencies) withoutRetained() Dependencies {
	o.Retained = nil
	return o
}

// earlierEntries says where not this rule decides on a name but another, in the order in which they are asked. A
// copy has one rule that decides it, the first that matches the namespace: its source is the copy's, so a rule with
// another source adds nothing; and it says whether the name goes into the ledger.
//
// What comes last and says the same as the rule itself makes no difference, and is left out: so the many rules that
// give out one secret are as small as if each were alone.
func earlierEntries(p *policy.Policy, i int, s policy.Secret, o Dependencies) (out []any) {
	rule := p.Rules[i]
	add := func(name, namespaces map[string]any) {
		name["namespaces"] = namespaces
		out = append(out, name)
	}
	// The namesake of a copy that is the source of a rule is never written.
	if at := namesakes(p, s); len(at) > 0 {
		add(nameEntry(s.Name, false, false), exactly(at))
	}
	if at := selectable(rule.Namespaces, o.Blocked[s.Name]); len(at) > 0 {
		add(nameEntry(s.Name, false, false), exactly(at))
	}
	n, keep := 0, 0
	for other, same := range earlierRules(p, i, s) {
		if n++; !same || other.Prune != rule.Prune {
			keep = n
		}
	}
	for other, same := range earlierRules(p, i, s) {
		if keep--; keep < 0 {
			break
		}
		add(nameEntry(s.Name, same, same && other.Prune), matcher(other.Namespaces))
	}
	return out
}

// earlierRules are the rules before a rule that have a secret of the same name, and whether it is of the same source.
func earlierRules(p *policy.Policy, i int, s policy.Secret) iter.Seq2[*policy.Rule, bool] {
	return func(yield func(*policy.Rule, bool) bool) {
		for _, other := range p.Rules[:i] {
			for _, t := range other.Secrets {
				if t.Name == s.Name && !yield(other, t.Source == s.Source) {
					return
				}
			}
		}
	}
}

// selectable are those of these namespaces that a rule can select, by their names: elsewhere it adds nothing anyway, and need not be
// written anew because of what is in the way there. Labels change at any time, so they do not count.
func selectable(m policy.Matcher, namespaces []string) (out []string) {
	for _, namespace := range namespaces {
		if m.MatchesName(namespace) {
			out = append(out, namespace)
		}
	}
	return out
}

// retainedEntries says where a name that is left out is promised all the same.
func retainedEntries(s policy.Secret, at Retained) (out []any) {
	for _, k := range []struct {
		ledger     bool
		namespaces []string
	}{{true, at.Prune}, {false, at.Stay}} {
		if len(k.namespaces) > 0 {
			v := nameEntry(s.Name, true, k.ledger)
			v["namespaces"] = exactly(k.namespaces)
			out = append(out, v)
		}
	}
	return out
}

// nameEntry says of a name whether it is added, and whether it goes into the ledger then.
func nameEntry(name string, add, ledger bool) map[string]any {
	return map[string]any{"name": name, "add": add, "ledger": ledger}
}

// exactly matches these namespaces.
func exactly(namespaces []string) map[string]any {
	return map[string]any{"include": expression(namespaces)}
}

// matcher is a policy.Matcher as CEL can evaluate it: each list of globs as one regular expression.
func matcher(m policy.Matcher) map[string]any {
	out := map[string]any{"include": expression(m.Include())}
	if exclude := m.Exclude(); len(exclude) > 0 {
		out["exclude"] = expression(exclude)
	}
	var all []any
	for _, r := range m.Requirements() {
		all = append(all, requirement(r))
	}
	if len(all) > 0 {
		out["matchExpressions"] = all
	}
	return out
}

var special = strings.NewReplacer(".", `\.`, "*", ".*", "?", ".")

// expression is the RE2 expression that matches what one of the globs matches.
func expression(globs []string) string {
	if slices.Contains(globs, "*") {
		return "^.*$"
	}
	parts := make([]string, 0, len(globs))
	for _, g := range globs {
		parts = append(parts, special.Replace(g))
	}
	return "^(?:" + strings.Join(parts, "|") + ")$"
}

func requirement(r labels.Requirement) map[string]any {
	out := map[string]any{"key": r.Key()}
	switch r.Operator() {
	case selection.Exists:
		out["operator"] = string(metav1.LabelSelectorOpExists)
		return out
	case selection.DoesNotExist:
		out["operator"] = string(metav1.LabelSelectorOpDoesNotExist)
		return out
	case selection.NotIn, selection.NotEquals:
		out["operator"] = string(metav1.LabelSelectorOpNotIn)
	default: // matchLabels come as Equals
		out["operator"] = string(metav1.LabelSelectorOpIn)
	}
	var values []any
	for _, v := range r.ValuesUnsorted() {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	out["values"] = values
	return out
}

// unfit says why a rule is too large for the API server's budget; nothing if it is not.
func unfit(spec map[string]any) string {
	names, accounts, all := len(spec["names"].([]any)), size(spec["serviceAccounts"]), size(spec)
	switch {
	case names > maxNames:
		return fmt.Sprintf("%d names are too many for an admission parameter, at most %d fit: split the rule", names, maxNames)
	case accounts > maxAccounts:
		return fmt.Sprintf("what it selects service accounts by is %d bytes as an admission parameter, at most %d fit: "+
			"split the rule, or select by label or glob instead of listing names", accounts, maxAccounts)
	case all > maxRule:
		return fmt.Sprintf("it is %d bytes as an admission parameter, with what tells in which namespaces earlier rules make the copies of its names; at most %d fit: "+
			"select by label or glob instead of listing names, or give the copies other names", all, maxRule)
	}
	return ""
}

// size is how many bytes a value takes as JSON; what is of maps, lists and strings always can be that.
func size(v any) int {
	text, _ := json.Marshal(v)
	return len(text)
}

// namesakes are the namespaces in which a secret of a copy's name is another source, sorted.
func namesakes(p *policy.Policy, s policy.Secret) []string {
	return slices.DeleteFunc(p.SourceNamespaces(s.Name), func(namespace string) bool {
		return s.Source == types.NamespacedName{Namespace: namespace, Name: s.Name}
	})
}
