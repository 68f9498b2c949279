package cli

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
)

// The forms that migrate prints.
const (
	formManifests = "manifests"
	formPolicy    = "policy"
	formRBAC      = "rbac"
	formValues    = "values"
)

var migrationForms = map[string]func(*migration) ([]byte, error){
	formManifests: (*migration).manifests,
	formPolicy:    func(m *migration) ([]byte, error) { return []byte(commented(m.notes()) + m.policyText()), nil },
	formRBAC:      (*migration).rbac,
	formValues:    (*migration).values,
}

// migration is a running imagepullsecret-patcher, and the policy that makes the same of it.
type migration struct {
	foundAncestor
	home, policyName string
	credential       credentialOrigin
	rule             policy.RuleSpec
	policy           *policy.Policy
}

func (m *migration) ancestor() *ancestor { return m.settings.ancestor }

// options are what the policy is judged with.
func (m *migration) options() policy.Options {
	return policy.Options{Namespace: m.home, SourceNamespaces: m.sourceNamespaces()}
}

// sourceNamespaces are those that the controller has to be started with.
func (m *migration) sourceNamespaces() []string {
	if ns := m.ancestor().secretNamespace.text; !m.ancestor().givesCredential() && ns != m.home {
		return []string{ns}
	}
	return nil
}

// inPlace reports whether the Secret that was mounted can be the source as it is.
func (m *migration) inPlace() bool {
	c := m.credential
	return c.secret != "" && c.namespace == m.home && c.key == cluster.KeyDockerConfigJSON
}

// secret is the rule's secret.
func (m *migration) secret() policy.SecretSpec {
	copies := m.ancestor().secretName.text
	s := policy.SecretSpec{Source: policy.SourceSpec{Name: copies}}
	for _, ns := range m.sourceNamespaces() {
		s.Source.Namespace = ns
	}
	if m.inPlace() && m.credential.secret != copies {
		s.Source.Name, s.Name = m.credential.secret, copies
	}
	return s
}

func (m *migration) manifests() ([]byte, error) {
	cm := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: m.policyName, Namespace: m.home},
		Data:       map[string]string{"policy.yaml": m.policyText()},
	}
	docs := []manifest.Document{{Comment: strings.Join(m.notes(), "\n"), Object: cm}}
	return manifest.YAML(append(docs, m.roles()...))
}

func (m *migration) rbac() ([]byte, error) { return manifest.YAML(m.roles()) }

// roles are those that pullsecrets rbac prints for the policy.
func (m *migration) roles() []manifest.Document {
	return rbac.Roles(m.policy, rbac.Options{Namespace: m.home, PolicyName: m.policyName, StatusName: statusName})
}

// values are those of the Helm chart.
func (m *migration) values() ([]byte, error) {
	text := commented(m.notes()) + "policy:\n  rules:\n" + indented(m.ruleText(), "  ")
	if list := m.sourceNamespaces(); len(list) > 0 {
		text += "sourceNamespaces: " + flow(list) + "\n"
	}
	if list := m.arguments(); len(list) > 0 {
		text += "extraArgs: " + flow(list) + "\n"
	}
	return []byte(text), nil
}

// policyText is the policy as people write it.
func (m *migration) policyText() string {
	return "apiVersion: " + policy.APIVersion + "\nkind: " + policy.Kind + "\nrules:\n" + m.ruleText()
}

func (m *migration) ruleText() string {
	r, s := m.rule, m.rule.Secrets[0]
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("- name: %s", quoted(r.Name))
	line("  secrets:")
	if s.Source.Namespace != "" {
		line("  - source: {namespace: %s, name: %s}", quoted(s.Source.Namespace), quoted(s.Source.Name))
	} else {
		line("  - source: {name: %s}", quoted(s.Source.Name))
	}
	if s.Name != "" {
		line("    name: %s", quoted(s.Name))
	}
	line("  namespaces:")
	line(`    include: ["*"]`)
	if len(r.Namespaces.Exclude) > 0 {
		line("    exclude: %s", flow(r.Namespaces.Exclude))
	}
	line("  serviceAccounts:")
	line("    include: %s", flow(r.ServiceAccounts.Include))
	line("  force: %t", r.Force)
	line("  prune: %t", *r.Prune)
	return b.String()
}

// flow is a list on one line.
func flow(list []string) string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = quoted(item)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// quoted puts quotes around what YAML may take for something else than a string.
func quoted(text string) string {
	plain := text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz-.0123456789") == "" && strings.Trim(text[:1], "abcdefghijklmnopqrstuvwxyz") == ""
	if plain && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, text) {
		return text
	}
	return fmt.Sprintf("%q", text)
}

func commented(lines []string) string {
	return indented(strings.Join(lines, "\n")+"\n", "# ")
}

func indented(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}
