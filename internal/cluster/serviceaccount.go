package cluster

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// ServiceAccount is a service account as rules see it, with its list of pull secrets.
type ServiceAccount struct {
	Meta
	Labels      Labels
	Excluded    bool     // its annotation opts it out
	PullSecrets []string // imagePullSecrets in live order; an entry without a name is ""
	Ledger      string   // AnnotationAdded, verbatim
	HasLedger   bool     // the annotation exists, if only empty
	Applied     bool     // managedFields has our Apply entry
	OwnsList    bool     // and that owns imagePullSecrets: others need force to apply another list
	Owners      []Owner  // others that own imagePullSecrets
}

// NewServiceAccount shrinks a v1 ServiceAccount. optOut are other annotations that opt it out.
func NewServiceAccount(u *unstructured.Unstructured, optOut ...string) *ServiceAccount {
	annotations := u.GetAnnotations()
	sa := &ServiceAccount{
		Meta:     newMeta(u),
		Labels:   NewLabels(u.GetLabels()),
		Excluded: optsOut(annotations, AnnotationExclude) || optsOut(annotations, optOut...),
	}
	sa.Ledger, sa.HasLedger = annotations[AnnotationAdded]
	sa.Ledger = intern(sa.Ledger)
	sa.Applied, sa.OwnsList, sa.Owners = owners(u, "f:imagePullSecrets")
	if list, ok := u.Object["imagePullSecrets"].([]any); ok && len(list) > 0 {
		sa.PullSecrets = make([]string, 0, len(list))
		for _, e := range list {
			entry, _ := e.(map[string]any)
			name, _ := entry["name"].(string)
			sa.PullSecrets = append(sa.PullSecrets, intern(name))
		}
	}
	return sa
}
