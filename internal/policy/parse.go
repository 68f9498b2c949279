package policy

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
)

// MaxSize is the largest policy text, over all its documents, in bytes. A ConfigMap ends at 1 MiB; the status
// ConfigMap has to hold the last good text beside other things.
const MaxSize = 512 << 10

// Options are what a judgement depends on besides the text.
type Options struct {
	Namespace        string   // the controller's own: the default of a source's namespace
	SourceNamespaces []string // other namespaces that sources may be in
	AnySource        bool     // sources may be in any namespace: for whoever does not know how the controller was started
}

// Parse judges a policy's documents, by name: those of a ConfigMap are told by Documents, a file is one under its name.
// The Policy is nil when there are errors among the problems.
func Parse(documents map[string]string, opts Options) (*Policy, Problems) {
	names, problems := documentNames(documents)
	c := &checker{opts: opts, ruleAt: map[string]string{}}
	size := 0
	for _, name := range names {
		if _, problem := ReadText(documents[name]); problem == nil { // in UTF-16, a text only seems too large
			size += len(documents[name])
		}
	}
	if size > MaxSize {
		problems = append(problems, Problem{Message: fmt.Sprintf(
			"the policy is %d bytes, and at most %d are allowed: select by label or glob instead of listing names", size, MaxSize)})
		problems.sort()
		return nil, problems
	}
	var texts []*text
	for _, name := range names {
		doc, t := decode(name, documents[name])
		if doc != nil {
			c.document(doc, t)
		}
		texts = append(texts, t)
	}
	if !slices.ContainsFunc(texts, func(t *text) bool { return len(t.problems) > 0 }) {
		o := overlaps{left: maxComparisons}
		o.warn(c.rules) // of rules with mistakes, a warning may only follow from those
	}
	for _, t := range texts {
		problems = append(problems, t.problems...)
	}
	problems.sort()
	problems = slices.Compact(problems) // apimachinery may give several reasons where one remedy does
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	rules := make([]*Rule, len(c.rules))
	for i, r := range c.rules {
		rules[i] = r.rule
	}
	p := newPolicy(rules)
	p.NodeCredentials = c.nodeCredentials
	return p, problems
}

// documentNames sorts out which keys are documents: those that end in .yaml, .yml or .json.
func documentNames(documents map[string]string) (names []string, problems Problems) {
	for name := range documents {
		if IsDocument(name) {
			names = append(names, name)
			continue
		}
		problems = append(problems, Problem{Document: name, Warning: true,
			Message: "is ignored: a key holds a policy when it ends in .yaml, .yml or .json"})
	}
	slices.Sort(names)
	if len(names) == 0 {
		problems = append(problems, Problem{Message: "there is no policy: add a key that ends in .yaml, .yml or .json"})
	}
	return names, problems
}

// IsDocument reports whether a ConfigMap's key, or a file, holds a policy document.
func IsDocument(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Hash identifies a policy text. It depends on the documents alone, not on other keys.
func Hash(documents map[string]string) string {
	names, _ := documentNames(documents)
	h := sha256.New()
	for _, name := range names {
		// Lengths keep two different texts from having the same bytes in a row.
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(documents[name]), documents[name])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)[:16])
}
