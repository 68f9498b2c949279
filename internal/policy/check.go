package policy

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checker validates documents one after the other and compiles their rules.
type checker struct {
	opts   Options
	rules  []standing
	ruleAt map[string]string // where each rule name stands, for "is also in"
	text   *text

	nodeCredentials Registries
}

func (c *checker) document(doc *Document, t *text) {
	c.text = t
	c.constant(field.NewPath("apiVersion"), doc.APIVersion, APIVersion)
	c.constant(field.NewPath("kind"), doc.Kind, Kind)
	rules := field.NewPath("rules")
	if doc.Rules == nil {
		c.absent(rules, "must be the list of rules")
	}
	for i := range doc.Rules {
		at := rules.Index(i)
		c.rules = append(c.rules, standing{c.rule(&doc.Rules[i], at), &doc.Rules[i], t, at.String()})
	}
	c.registries(doc.NodeCredentials, field.NewPath("nodeCredentials"))
}

func (c *checker) rule(spec *RuleSpec, at *field.Path) *Rule {
	c.dnsSubdomain(at.Child("name"), spec.Name)
	place := c.text.name + ", " + at.String()
	if other, taken := c.ruleAt[spec.Name]; taken && spec.Name != "" {
		c.fail(at.Child("name"), "%q is also the name of %s", brief(spec.Name), other)
	}
	c.ruleAt[spec.Name] = place

	r := &Rule{Name: spec.Name, Force: spec.Force, Prune: spec.Prune == nil || *spec.Prune, Override: spec.Override}
	if len(spec.Secrets) == 0 {
		c.absent(at.Child("secrets"), "a rule needs a secret to copy")
	}
	copies := map[string]int{}
	for i, s := range spec.Secrets {
		at := at.Child("secrets").Index(i)
		secret := c.secret(s, at)
		if first, taken := copies[secret.Name]; taken && secret.Name != "" {
			c.fail(at, "makes copies named %q, and so does secrets[%d] of this rule: give one of them another name", brief(secret.Name), first)
		} else {
			copies[secret.Name] = i
		}
		r.Secrets = append(r.Secrets, secret)
	}
	if spec.Namespaces.Include != nil && len(spec.Namespaces.Include) == 0 {
		c.absent(at.Child("namespaces", "include"), "that would match nothing; leave it out for all namespaces, or remove the rule")
	}
	r.Namespaces = c.matcher(spec.Namespaces, at.Child("namespaces"), "*")
	r.ServiceAccounts = c.matcher(spec.ServiceAccounts, at.Child("serviceAccounts"), "default")
	r.Attach = c.attach(spec, at)
	return r
}

var attachments = []string{string(AttachAccounts), string(AttachPods)}

// attach judges how a rule's names get to pods. Of its service account a pod tells the name alone.
func (c *checker) attach(spec *RuleSpec, at *field.Path) Attach {
	if spec.Attach == "" {
		return AttachAccounts
	}
	if !slices.Contains(attachments, spec.Attach) {
		c.fail(at.Child("attach"), "%q: one of %s%s", brief(spec.Attach), strings.Join(attachments, ", "), meant(spec.Attach, attachments))
		return AttachAccounts
	}
	if s := spec.ServiceAccounts.Selector; spec.Attach == string(AttachPods) && s != nil && len(s.MatchLabels)+len(s.MatchExpressions) > 0 {
		c.fail(at.Child("serviceAccounts", "selector"), "labels of service accounts cannot be seen where names are added to pods: "+
			"select by name with include and exclude, or set attach to accounts")
	}
	return Attach(spec.Attach)
}

func (c *checker) secret(spec SecretSpec, at *field.Path) Secret {
	s := Secret{
		Source: types.NamespacedName{Namespace: spec.Source.Namespace, Name: spec.Source.Name},
		Name:   spec.Name, Verify: spec.Verify,
	}
	c.dnsSubdomain(at.Child("source", "name"), spec.Source.Name)
	switch {
	case s.Source.Namespace == "":
		s.Source.Namespace = c.opts.Namespace
	case !c.opts.AnySource && s.Source.Namespace != c.opts.Namespace && !slices.Contains(c.opts.SourceNamespaces, s.Source.Namespace):
		c.fail(at.Child("source", "namespace"), "%q: sources may only be in %s; start the controller with -source-namespaces to allow others",
			brief(s.Source.Namespace), strings.Join(append([]string{c.opts.Namespace}, c.opts.SourceNamespaces...), ", "))
	}
	if s.Name == "" {
		s.Name = s.Source.Name
	} else {
		c.dnsSubdomain(at.Child("name"), s.Name)
	}
	return s
}

func (c *checker) matcher(spec MatchSpec, at *field.Path, defaultInclude string) Matcher {
	include := spec.Include
	if include == nil {
		include = []string{defaultInclude}
	}
	m := Matcher{
		include: c.globs(include, at.Child("include")),
		exclude: c.globs(spec.Exclude, at.Child("exclude")),
	}
	m.selector = c.selector(spec.Selector, at.Child("selector"))
	return m
}

func (c *checker) globs(patterns []string, at *field.Path) []glob {
	out := make([]glob, 0, len(patterns))
	for i, p := range patterns {
		switch {
		case p == "":
			c.fail(at.Index(i), "is empty: a glob is a name in which * and ? stand for other characters")
		case strings.HasPrefix(p, "!"):
			c.fail(at.Index(i), "%q: put %q under exclude instead", brief(p), brief(p[1:]))
		case strings.ContainsFunc(strings.ToLower(p), notInGlobs):
			c.fail(at.Index(i), "%q can match nothing: names have only a-z, 0-9, - and ., and only * and ? are special", brief(p))
		case p != strings.ToLower(p):
			c.fail(at.Index(i), "%q can match nothing: names are in lower case", brief(p))
		}
		out = append(out, glob(p))
	}
	return out
}

func notInGlobs(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.*?", r)
}

func (c *checker) selector(spec *metav1.LabelSelector, at *field.Path) labels.Selector {
	if spec == nil {
		return labels.Everything()
	}
	if errs := selectorErrors(spec, at); len(errs) > 0 {
		for _, err := range errs {
			if key := c.text.keys[err.Field]; key != nil && err.Origin == labelKeyOrigin {
				c.text.addNode(err.Field, key, c.selectorMessage(err))
				continue
			}
			c.text.addAt(err.Field, c.selectorMessage(err))
		}
		return labels.Nothing()
	}
	s, err := metav1.LabelSelectorAsSelector(spec)
	if err != nil {
		c.fail(at, "%v", err)
		return labels.Nothing()
	}
	return s
}

// selectorErrors is apimachinery's ValidateLabelSelector, but says which of the matchLabels is wrong.
func selectorErrors(spec *metav1.LabelSelector, at *field.Path) (errs field.ErrorList) {
	for key, value := range spec.MatchLabels {
		label := map[string]string{key: value}
		errs = append(errs, metav1validation.ValidateLabels(label, at.Child("matchLabels").Key(key))...)
	}
	for i, r := range spec.MatchExpressions {
		errs = append(errs, metav1validation.ValidateLabelSelectorRequirement(
			r, metav1validation.LabelSelectorValidationOptions{}, at.Child("matchExpressions").Index(i))...)
	}
	return errs
}

var operators = []string{
	string(metav1.LabelSelectorOpIn), string(metav1.LabelSelectorOpNotIn),
	string(metav1.LabelSelectorOpExists), string(metav1.LabelSelectorOpDoesNotExist),
}

// labelKeyOrigin is what apimachinery's errors about a label's key have, and those about its value have not.
const labelKeyOrigin = "format=k8s-label-key"

// What is allowed in a label, in fewer words than apimachinery's, which quote regular expressions.
const (
	labelKeys = "a label's key is a name of at most 63 letters, digits, -, _ and ., the first and the last a letter or digit; " +
		"a DNS name and / may stand before it"
	labelValues = "a label's value is empty, or at most 63 letters, digits, -, _ and ., the first and the last a letter or digit"
)

// selectorMessage says what is allowed where apimachinery only says that the value is not.
func (c *checker) selectorMessage(err *field.Error) string {
	value := fmt.Sprint(err.BadValue)
	found := fmt.Sprintf("%q", brief(value))
	if value == "" {
		found = c.text.absence(err.Field)
	}
	switch {
	case strings.HasSuffix(err.Field, ".operator"):
		return found + ": one of " + strings.Join(operators, ", ") + meant(value, operators)
	case strings.HasSuffix(err.Field, ".values"):
		if err.Type == field.ErrorTypeForbidden {
			return "must be left out: the operators Exists and DoesNotExist take no values"
		}
		return c.text.absence(err.Field) + ": the operators In and NotIn need at least one value"
	case value == "":
		return found + ": must be a label's key"
	case err.Origin == labelKeyOrigin:
		return found + ": " + labelKeys
	}
	return found + ": " + labelValues
}

func (c *checker) constant(at *field.Path, value, want string) {
	if value == "" {
		c.absent(at, "must be "+want)
	} else if value != want {
		c.fail(at, "%q: must be %s", brief(value), want)
	}
}

func (c *checker) dnsSubdomain(at *field.Path, value string) {
	if value == "" {
		c.absent(at, "must be a name of a-z, 0-9, - and .")
		return
	}
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		c.fail(at, "%q: must be at most 253 characters of a-z, 0-9, - and ., and start and end with a letter or digit", brief(value))
	}
}

func (c *checker) fail(at *field.Path, format string, args ...any) {
	c.text.addAt(at.String(), fmt.Sprintf(format, args...))
}

// absent fails a required value that is missing, null or empty.
func (c *checker) absent(at *field.Path, remedy string) {
	c.fail(at, "%s: %s", c.text.absence(at.String()), remedy)
}
