package admission

import (
	"fmt"
	"regexp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Parameters are admission parameters as the API server evaluates them. It is the parameters that are asked and not
// the policy: a rule may be too large for one, and a prune that is held keeps an older one.
type Parameters struct {
	by     cluster.Installation
	specs  map[string]any
	adding map[string][]func() (*parameter, error) // by the names that they add, at least in some namespaces
}

// Attached are the ways in which a live parameter serves: to accounts where it does not say, as those of earlier versions.
func Attached(spec any) (ways []policy.Attach) {
	fields, _ := spec.(map[string]any)
	list, said := fields["attach"].([]any)
	if !said {
		return []policy.Attach{policy.AttachAccounts}
	}
	for _, way := range list {
		if text, ok := way.(string); ok {
			ways = append(ways, policy.Attach(text))
		}
	}
	return ways
}

// NewParameters takes the specs of AdmissionRules by their names, and the namespace that they are in. Each is made ready when it is first asked: most never
// are, and the expressions of many rules take room.
func NewParameters(home string, specs map[string]any) *Parameters {
	p := &Parameters{by: cluster.Installation{Home: home}, specs: specs, adding: map[string][]func() (*parameter, error){}}
	for _, spec := range specs {
		fields, _ := spec.(map[string]any)
		ready := sync.OnceValues(func() (*parameter, error) { return newParameter(fields) })
		names, _ := fields["names"].([]any)
		for _, n := range names {
			entry, _ := n.(map[string]any)
			if name, ok := entry["name"].(string); ok {
				p.adding[name] = append(p.adding[name], ready)
			}
		}
	}
	return p
}

// Same reports whether these are the same parameters.
func (p *Parameters) Same(specs map[string]any) bool {
	return p != nil && equality.Semantic.DeepEqual(p.specs, specs)
}

// Add reports whether the API server adds a name to an account, with each write that leaves it out.
func (p *Parameters) Add(ns *cluster.Namespace, sa *cluster.ServiceAccount, name string) bool {
	if ns.Excluded || sa.Excluded {
		return false
	}
	if _, other := p.by.Noted(sa.Namespace, cluster.ParseLedger(sa.Ledger)); other != "" {
		return false
	}
	return p.any(name, func(one *parameter) bool {
		return slices.Contains(one.attached, policy.AttachAccounts) && one.accounts.matches(sa.Name, sa.Labels) && one.add(ns, name)
	})
}

// AddToPod reports whether the API server adds a name to a new pod that runs under the account of this name; none is the
// default one. The pod may be opted out, or a mirror of one that the kubelet runs from a file: then nothing is added.
func (p *Parameters) AddToPod(ns *cluster.Namespace, account, name string) bool {
	if account == "" {
		account = "default"
	}
	return !ns.Excluded && p.any(name, func(one *parameter) bool {
		return slices.Contains(one.attached, policy.AttachPods) && one.accounts.named(account) && one.add(ns, name)
	})
}

// any asks the parameters that have a name. The API server passes over those that it cannot evaluate.
func (p *Parameters) any(name string, adds func(*parameter) bool) bool {
	return slices.ContainsFunc(p.adding[name], func(ready func() (*parameter, error)) bool {
		one, err := ready()
		return err == nil && adds(one)
	})
}

// parameter is an AdmissionRule that is ready to be asked.
type parameter struct {
	attached             []policy.Attach
	namespaces, accounts selector
	names                map[string][]answer
}

// answer is what is said of a name in some namespaces; the first that matches counts.
type answer struct {
	namespaces selector
	add        bool
}

func (p *parameter) add(ns *cluster.Namespace, name string) bool {
	if !p.namespaces.matches(ns.Name, ns.Labels) {
		return false
	}
	i := slices.IndexFunc(p.names[name], func(a answer) bool { return a.namespaces.matches(ns.Name, ns.Labels) })
	return i >= 0 && p.names[name][i].add
}

// selectorSpec and verdictSpec are as matcher and verdict write them.
type selectorSpec struct {
	Include          string                            `json:"include"`
	Exclude          string                            `json:"exclude"`
	MatchExpressions []metav1.LabelSelectorRequirement `json:"matchExpressions"`
}

type entrySpec struct {
	Name       string       `json:"name"`
	Add        bool         `json:"add"`
	Namespaces selectorSpec `json:"namespaces"` // of an earlier one
	Earlier    []entrySpec  `json:"earlier"`
}

func newParameter(fields map[string]any) (*parameter, error) {
	var spec struct {
		Namespaces      selectorSpec `json:"namespaces"`
		ServiceAccounts selectorSpec `json:"serviceAccounts"`
		Names           []entrySpec  `json:"names"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &spec); err != nil {
		return nil, err
	}
	p := &parameter{attached: Attached(fields), names: map[string][]answer{}}
	var err error
	if p.namespaces, err = newSelector(spec.Namespaces); err != nil {
		return nil, err
	}
	if p.accounts, err = newSelector(spec.ServiceAccounts); err != nil {
		return nil, err
	}
	for _, n := range spec.Names {
		for _, e := range n.Earlier {
			at, err := newSelector(e.Namespaces)
			if err != nil {
				return nil, err
			}
			p.names[n.Name] = append(p.names[n.Name], answer{at, e.Add})
		}
		p.names[n.Name] = append(p.names[n.Name], answer{p.namespaces, n.Add})
	}
	return p, nil
}

// selector matches names and labels as the expressions of the admission policy do.
type selector struct {
	include, exclude *regexp.Regexp // exclude is nil where nothing is excluded
	labels           []metav1.LabelSelectorRequirement
}

func newSelector(spec selectorSpec) (s selector, err error) {
	s.labels = spec.MatchExpressions
	if s.include, err = regexp.Compile(spec.Include); err != nil {
		return s, fmt.Errorf("include: %w", err)
	}
	if spec.Exclude != "" {
		if s.exclude, err = regexp.Compile(spec.Exclude); err != nil {
			return s, fmt.Errorf("exclude: %w", err)
		}
	}
	return s, nil
}

func (s selector) matches(name string, labels cluster.Labels) bool {
	return s.named(name) && !slices.ContainsFunc(s.labels, func(r metav1.LabelSelectorRequirement) bool {
		value, ok := labels.Lookup(r.Key)
		positive := r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpExists
		return positive != (ok && (r.Values == nil || slices.Contains(r.Values, value)))
	})
}

// named matches names alone.
func (s selector) named(name string) bool {
	return s.include.MatchString(name) && (s.exclude == nil || !s.exclude.MatchString(name))
}
