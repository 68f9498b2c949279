package coverage

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is what a finding is about.
type Kind string

// The kinds, in the order in which they are told. Findings about sources that are not among them have the reason that the policy's
// judgement of sources gives them, such as SourceExpired.
const (
	BrokenSecret      Kind = "BrokenSecret"      // the kubelet cannot read a pull secret, and pulls no image because of it
	NoCredential      Kind = "NoCredential"      // there is no credential for an image
	CreatedTooEarly   Kind = "CreatedTooEarly"   // a pod waits, and a new one would have the credential
	ListHides         Kind = "ListHides"         // a workload's own list keeps it from a pull secret with an entry for its image
	CredentialExpired Kind = "CredentialExpired" // the only credentials for an image have run out, and no source tells it
	PullFails         Kind = "PullFails"         // a pod waits although it has a credential
	SourceUnusable    Kind = "SourceUnusable"    // a source cannot be copied
	Pending           Kind = "Pending"           // the controller is about to bring the credential
	Lapsing           Kind = "Lapsing"           // the controller is about to take the credential away
	InvalidImage      Kind = "InvalidImage"      // the kubelet will refuse the image's name
	RegistryUncovered Kind = "RegistryUncovered" // no credential for any image of a registry
	SourceUnused      Kind = "SourceUnused"      // no image has the source's credential to be pulled with
	CopyUnused        Kind = "CopyUnused"        // no image of these namespaces has
)

var kinds = []Kind{BrokenSecret, NoCredential, CreatedTooEarly, ListHides, CredentialExpired, "", PullFails, SourceUnusable, Pending, Lapsing, InvalidImage,
	RegistryUncovered, SourceUnused, CopyUnused}

// Finding is something to know. An alarm needs somebody.
type Finding struct {
	Kind      Kind   `json:"kind"`
	Alarm     bool   `json:"alarm"`
	Namespace string `json:"namespace,omitempty"`
	Workload  string `json:"workload,omitempty"` // KIND/NAME
	Container string `json:"container,omitempty"`
	Image     string `json:"image,omitempty"`
	Registry  string `json:"registry,omitempty"`
	Source    string `json:"source,omitempty"` // NAMESPACE/NAME
	// Secrets are the pull secrets that would have an entry for the image.
	Secrets []string `json:"secrets,omitempty"`
	// Rules are those whose secrets have an entry for the image, and that do not select the namespace or the service account.
	Rules      []string `json:"rules,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"`
	Text       string   `json:"text"`
	Advice     string   `json:"advice,omitempty"`
}

// order puts alarms first, and what is told of one thing together.
func order(findings []Finding) {
	rank := func(k Kind) int {
		if i := slices.Index(kinds, k); i >= 0 {
			return i
		}
		return slices.Index(kinds, "")
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		if a.Alarm != b.Alarm {
			if a.Alarm {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(string(a.Kind), string(b.Kind)),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Registry, b.Registry), strings.Compare(a.Source, b.Source),
			strings.Compare(a.Workload, b.Workload), strings.Compare(a.Image, b.Image), strings.Compare(a.Container, b.Container))
	})
}
