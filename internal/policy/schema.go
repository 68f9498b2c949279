package policy

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The only apiVersion and kind of a document.
const (
	APIVersion = "pullsecrets/v1alpha1"
	Kind       = "Policy"
)

// Document is one policy document as it is written.
type Document struct {
	// APIVersion is always pullsecrets/v1alpha1.
	APIVersion string `json:"apiVersion"`
	// Kind is always Policy.
	Kind string `json:"kind"`
	// Rules in order: where two want the same copy in a namespace, the first decides. An empty list removes everything.
	Rules []RuleSpec `json:"rules"`
	// NodeCredentials are globs of the registries that the nodes log in to by themselves, so that coverage does not miss a credential for them: "*.dkr.ecr.*.amazonaws.com". Nothing is distributed by it.
	NodeCredentials []string `json:"nodeCredentials,omitempty"`
}

// RuleSpec gives some secrets to some namespaces, and their names to some service accounts there.
type RuleSpec struct {
	// Name of the rule, in messages and on its copies; unique over all documents.
	Name string `json:"name"`
	// Secrets are the secrets to copy; at least one.
	Secrets []SecretSpec `json:"secrets"`
	// Namespaces that get the copies; all of them when left out.
	Namespaces MatchSpec `json:"namespaces,omitempty"`
	// ServiceAccounts in those namespaces whose imagePullSecrets get the copies' names; "default" when left out.
	ServiceAccounts MatchSpec `json:"serviceAccounts,omitempty"`
	// Attach is how pods get the names: accounts, by the lists of the service accounts; or pods, where the API server adds them to the pods of these service accounts as they are created, which needs Kubernetes 1.36. accounts when left out.
	Attach string `json:"attach,omitempty"`
	// Force takes over a secret of the same name that is not ours, after logging what changes.
	Force bool `json:"force,omitempty"`
	// Prune removes copies and references that the rule no longer asks for; true when left out.
	Prune *bool `json:"prune,omitempty"`
	// Override says that the rule is meant to win over later ones that make a copy of the same name from another source: that is no conflict then, and no warning.
	Override bool `json:"override,omitempty"`
}

// SecretSpec is one secret of a rule.
type SecretSpec struct {
	// Source is the secret that is copied.
	Source SourceSpec `json:"source"`
	// Name of the copies; the source's name when left out.
	Name string `json:"name,omitempty"`
	// Verify asks the registries whether they take the credential before copies get it; one that a registry refuses is not rolled out. The controller needs a way to the registries for it.
	Verify bool `json:"verify,omitempty"`
}

// SourceSpec names a source.
type SourceSpec struct {
	// Namespace of the source; the controller's own when left out. Others need -source-namespaces.
	Namespace string `json:"namespace,omitempty"`
	// Name of the source.
	Name string `json:"name"`
}

// MatchSpec selects by name and by label: include minus exclude, and selector.
type MatchSpec struct {
	// Include are globs, anchored at both ends; only * and ? are special. For service accounts, [] makes copies only.
	Include []string `json:"include,omitzero"`
	// Exclude are globs that win over include.
	Exclude []string `json:"exclude,omitempty"`
	// Selector is a label selector; null or {} is everything.
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}
