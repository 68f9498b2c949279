package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Namespace is a namespace as rules see it. Labels are the namespace's own.
type Namespace struct {
	Meta
	Labels      Labels
	Excluded    bool // its annotations opt it out
	Terminating bool // it accepts no new objects
	KeepsPods   bool // its annotation says that its pods are not to be evicted
}

// NewNamespace shrinks a v1 Namespace. optOut are other annotations that opt it out.
func NewNamespace(u metav1.Object, optOut ...string) *Namespace {
	annotations := u.GetAnnotations()
	ns := &Namespace{
		Meta:     newMeta(u),
		Labels:   NewLabels(u.GetLabels()),
		Excluded: optsOut(annotations, AnnotationExclude) || optsOut(annotations, AnnotationExcludeAncestor) || optsOut(annotations, optOut...),

		KeepsPods: keepsPods(annotations),
	}
	ns.Terminating = ns.Deleting || phaseOf(u) == string(corev1.NamespaceTerminating)
	return ns
}

func phaseOf(o metav1.Object) (phase string) {
	switch o := o.(type) {
	case *corev1.Namespace:
		phase = string(o.Status.Phase)
	case *unstructured.Unstructured:
		phase, _, _ = unstructured.NestedString(o.Object, "status", "phase")
	}
	return phase
}

// optsOut reports whether one of these annotations is "true".
func optsOut(annotations map[string]string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return annotations[name] == "true" })
}

// keepsPods reports whether the annotations of a pod, or of its namespace, forbid to evict it.
func keepsPods(annotations map[string]string) bool { return annotations[AnnotationEvict] == "false" }

// SameDecision reports whether nothing that a decision depends on differs between two versions.
func (n *Namespace) SameDecision(o *Namespace) bool {
	return n.UID == o.UID && n.Excluded == o.Excluded && n.Terminating == o.Terminating && slices.Equal(n.Labels, o.Labels)
}
