package cluster

import (
	"encoding/base64"
	"slices"
	"time"

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
func (p *Projector) Secret(u *unstructured.Unstructured) *Secret {
	s, _ := p.project(u)
	return s
}

// Source shrinks a v1 Secret and keeps the bytes of its credential.
func (p *Projector) Source(u *unstructured.Unstructured) *Source {
	s, value := p.project(u)
	at, ok := expires(u.GetAnnotations())
	return &Source{Secret: s, Credential: NewCredential(value), Created: u.GetCreationTimestamp().Time, Expires: at, BadExpires: !ok}
}

func (p *Projector) project(u *unstructured.Unstructured) (*Secret, []byte) {
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	secretType, _ := u.Object["type"].(string)
	immutable, _ := u.Object["immutable"].(bool)
	s := &Secret{
		Meta:      newMeta(u),
		Type:      intern(secretType),
		Immutable: immutable,
		Marks: Marks{
			ManagedBy: intern(labels[LabelManagedBy]),
			Rule:      intern(annotations[AnnotationRule]),
			Source:    intern(annotations[AnnotationSource]),
			For:       intern(annotations[AnnotationFor]),
			Prune:     intern(annotations[AnnotationPrune]),
		},
		Ancestor: labels[LabelManagedBy] == AncestorManager || annotations[LabelManagedBy] == AncestorManager,
	}
	key := DataKey(secretType)
	data, _ := u.Object["data"].(map[string]any)
	encoded, found := data[key].(string)
	for name := range data {
		if name != key {
			s.OtherKeys = append(s.OtherKeys, intern(name))
		}
	}
	slices.Sort(s.OtherKeys)
	s.Applied, s.OwnsData, s.Owners = owners(u, "f:data", "f:"+key)
	s.MarksKept = len(s.Owners) > 0 && (othersOwn(u, "f:annotations", AnnotationFor) ||
		othersOwn(u, "f:labels", LabelManagedBy) && othersOwn(u, "f:annotations", AnnotationSource))
	value, f := dataValue(key, encoded, found, s.OtherKeys)
	if f.defect == "" {
		s.Content, s.Defect, s.Cause = p.Content(secretType, value)
		s.Broken = s.Defect != "" && broken(secretType, value)
		return s, value
	}
	s.Defect, s.Cause = f.defect, f.cause
	return s, nil
}

// dataValue decodes the value under the data key of a secret's type.
func dataValue(key, encoded string, found bool, others []string) ([]byte, fault) {
	switch {
	case key == "":
		return nil, wrongType
	case !found:
		return nil, missingKey(key, others)
	}
	value, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, notBase64(key, encoded)
	}
	return value, fault{}
}
