package soak

import (
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// policy is what the oracle reads of a policy's text, by docs/policy.md.
type policy struct {
	Rules []rule `json:"rules"`
}

type rule struct {
	Name            string   `json:"name"`
	Secrets         []secret `json:"secrets"`
	Namespaces      matcher  `json:"namespaces"`
	ServiceAccounts matcher  `json:"serviceAccounts"`
	Attach          string   `json:"attach"`
	Force           bool     `json:"force"`
	Prune           *bool    `json:"prune"`
	Override        bool     `json:"override"`
}

type secret struct {
	Source struct {
		Name string `json:"name"`
	} `json:"source"`
	Name string `json:"name"`
}

type matcher struct {
	Include  *[]string `json:"include"`
	Exclude  []string  `json:"exclude"`
	Selector *selector `json:"selector"`
}

type selector struct {
	MatchLabels      map[string]string `json:"matchLabels,omitempty"`
	MatchExpressions []expression      `json:"matchExpressions,omitempty"`
}

type expression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

func read(text string) policy {
	var p policy
	if err := yaml.Unmarshal([]byte(text), &p); err != nil {
		panic(fmt.Sprintf("the soak's own policy cannot be read: %v\n%s", err, text))
	}
	return p
}

func (r rule) prune() bool { return r.Prune == nil || *r.Prune }

// copyName is what the copies of a secret are called.
func (s secret) copyName() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Source.Name
}

// matches says whether a name and its labels are selected; usual is what is included where nothing is said.
func (m matcher) matches(usual, name string, labels map[string]string) bool {
	include := []string{usual}
	if m.Include != nil {
		include = *m.Include
	}
	glob := func(g string) bool { return globs(g, name) }
	return slices.ContainsFunc(include, glob) && !slices.ContainsFunc(m.Exclude, glob) && m.Selector.matches(labels)
}

func (s *selector) matches(labels map[string]string) bool {
	if s == nil {
		return true
	}
	for k, v := range s.MatchLabels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		value, there := labels[e.Key]
		in := there && slices.Contains(e.Values, value)
		switch e.Operator {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !there {
				return false
			}
		case "DoesNotExist":
			if there {
				return false
			}
		}
	}
	return true
}

// globs matches a whole name: * is any characters, ? is one.
func globs(glob, name string) bool {
	if glob == "" {
		return name == ""
	}
	switch glob[0] {
	case '*':
		return globs(glob[1:], name) || name != "" && globs(glob, name[1:])
	case '?':
		return name != "" && globs(glob[1:], name[1:])
	}
	return name != "" && glob[0] == name[0] && globs(glob[1:], name[1:])
}
