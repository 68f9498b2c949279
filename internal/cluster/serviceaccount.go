package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

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
func NewServiceAccount(u metav1.Object, optOut ...string) *ServiceAccount {
	annotations := u.GetAnnotations()
	sa := &ServiceAccount{
		Meta:     newMeta(u).shared(),
		Labels:   NewLabels(u.GetLabels()),
		Excluded: optsOut(annotations, AnnotationExclude) || optsOut(annotations, optOut...),
	}
	sa.Ledger, sa.HasLedger = annotations[AnnotationAdded]
	sa.Applied, sa.OwnsList, sa.Owners = owners(u, "f:imagePullSecrets")
	sa.PullSecrets = pullSecrets(u)
	return sa
}

// pullSecrets returns the names in an account's list; nil where it is empty.
func pullSecrets(o metav1.Object) (names []string) {
	switch o := o.(type) {
	case *corev1.ServiceAccount:
		for _, entry := range o.ImagePullSecrets {
			names = append(names, intern(entry.Name))
		}
	case *unstructured.Unstructured:
		list, _ := o.Object["imagePullSecrets"].([]any)
		for _, e := range list {
			entry, _ := e.(map[string]any)
			name, _ := entry["name"].(string)
			names = append(names, intern(name))
		}
	}
	return slices.Clip(names)
}
