package cluster

import (
	"encoding/base64"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Marks are what a copy says of itself.
type Marks struct {
	ManagedBy string
	Rule      string
	Source    string // namespace/name
	For       string // HOME/NAMESPACE: the installation that made it, and the namespace that it was made for
	Prune     string // "false", or absent
}

// Secret is a secret under a copy's name, ours or somebody else's.
type Secret struct {
	Meta
	Type      string
	Immutable bool
	Content   *Content // nil when Defect says why
	Defect    Defect
	Cause     string   // of the defect, in words and without any value
	Broken    bool     // the kubelet cannot read it, and pulls no image of a pod that names it
	OtherKeys []string // the names of other data keys than its type's, sorted
	Marks     Marks
	Ancestor  bool    // imagepullsecret-patcher or a fork of it made it
	Applied   bool    // managedFields has our Apply entry
	OwnsData  bool    // and that owns the data key of its type
	Owners    []Owner // others that own the data key of its type
	MarksKept bool    // others own the marks that make it ours, so that they stay if we take ours off
}

// IsOthers reports whether a copy can be left to others: what it holds is theirs alone, and without our marks it is no
// longer ours. Where a manifest has our marks, as one that was made from the copy, they come back with each write.
func (s *Secret) IsOthers() bool { return len(s.Owners) > 0 && !s.OwnsData && !s.MarksKept }

// SameContent reports whether two secrets are of one type and mean the same to whoever pulls with them.
func (s *Secret) SameContent(other *Secret) bool {
	return s.Type == other.Type && s.Content.Equal(other.Content)
}

// Source is a secret that a rule copies from. It alone holds the credential's bytes.
type Source struct {
	*Secret
	Credential Credential
	Created    time.Time
	Expires    time.Time // as its annotation says, in UTC; zero if that is not known
	BadExpires bool      // it has the annotation, and that is no time
}

// Secret shrinks a v1 Secret to a projection.
func (p *Projector) Secret(u metav1.Object) *Secret {
	s, _ := p.project(u)
	return s
}

// Source shrinks a v1 Secret and keeps the bytes of its credential.
func (p *Projector) Source(u metav1.Object) *Source {
	s, value := p.project(u)
	at, ok := expires(u.GetAnnotations())
	return &Source{Secret: s, Credential: NewCredential(value), Created: u.GetCreationTimestamp().Time, Expires: at, BadExpires: !ok}
}

func (p *Projector) project(u metav1.Object) (*Secret, []byte) {
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	secretType, immutable := kindOfSecret(u)
	s := &Secret{
		Meta:      newMeta(u).shared(),
		Type:      intern(secretType),
		Immutable: immutable,
		Marks: Marks{
			ManagedBy: intern(labels[LabelManagedBy]),
			Rule:      intern(annotations[AnnotationRule]),
			Source:    intern(annotations[AnnotationSource]),
			For:       annotations[AnnotationFor],
			Prune:     intern(annotations[AnnotationPrune]),
		},
		Ancestor: labels[LabelManagedBy] == AncestorManager || annotations[LabelManagedBy] == AncestorManager,
	}
	key := DataKey(secretType)
	s.OtherKeys = otherKeys(u, key)
	s.Applied, s.OwnsData, s.Owners = owners(u, "f:data", "f:"+key)
	s.MarksKept = len(s.Owners) > 0 && (othersOwn(u, "f:annotations", AnnotationFor) ||
		othersOwn(u, "f:labels", LabelManagedBy) && othersOwn(u, "f:annotations", AnnotationSource))
	value, f := dataValue(u, key, s.OtherKeys)
	if f.defect == "" {
		s.Content, s.Defect, s.Cause = p.Content(secretType, value)
		s.Broken = s.Defect != "" && broken(secretType, value)
		return s, value
	}
	s.Defect, s.Cause = f.defect, f.cause
	return s, nil
}

func kindOfSecret(o metav1.Object) (secretType string, immutable bool) {
	switch o := o.(type) {
	case *corev1.Secret:
		secretType, immutable = string(o.Type), o.Immutable != nil && *o.Immutable
	case *unstructured.Unstructured:
		secretType, _ = o.Object["type"].(string)
		immutable, _ = o.Object["immutable"].(bool)
	}
	return secretType, immutable
}

// otherKeys returns the data keys of a secret besides this one, sorted.
func otherKeys(o metav1.Object, key string) (others []string) {
	add := func(name string) {
		if name != key {
			others = append(others, intern(name))
		}
	}
	switch o := o.(type) {
	case *corev1.Secret:
		for name := range o.Data {
			add(name)
		}
	case *unstructured.Unstructured:
		data, _ := o.Object["data"].(map[string]any)
		for name := range data {
			add(name)
		}
	}
	slices.Sort(others)
	return others
}

// dataValue returns the value under the data key of a secret's type, decoded.
func dataValue(o metav1.Object, key string, others []string) (value []byte, f fault) {
	if key == "" {
		return nil, wrongType
	}
	found, encoded := false, ""
	switch o := o.(type) {
	case *corev1.Secret:
		value, found = o.Data[key]
	case *unstructured.Unstructured:
		data, _ := o.Object["data"].(map[string]any)
		if encoded, found = data[key].(string); found {
			var err error
			if value, err = base64.StdEncoding.DecodeString(encoded); err != nil {
				return nil, notBase64(key, encoded)
			}
		}
	}
	if !found {
		return nil, missingKey(key, others)
	}
	return value, fault{}
}
