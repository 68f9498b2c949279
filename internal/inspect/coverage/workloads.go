package coverage

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Workloads gathers what makes pods, and the pods that there are, an object at a time.
type Workloads struct {
	templates map[Workload]template
	owners    map[Workload]Workload // of ReplicaSets and Jobs
	pods      []pod
}

// NewWorkloads returns one without any.
func NewWorkloads() *Workloads {
	return &Workloads{templates: map[Workload]template{}, owners: map[Workload]Workload{}}
}

// Add takes a pod or what makes pods, and passes over all others.
func (w *Workloads) Add(u *unstructured.Unstructured) {
	kind := u.GroupVersionKind().GroupKind()
	if kind.Group == "" && kind.Kind == "Pod" {
		if p, ok := newPod(u); ok {
			w.pods = append(w.pods, p)
		}
		return
	}
	path, ok := cluster.TemplatePath(kind)
	if !ok || u.GetDeletionTimestamp() != nil {
		return
	}
	self := Workload{u.GetNamespace(), kind.Kind, u.GetName()}
	if owner := controllerOf(u); owner != self && (kind.Kind == "ReplicaSet" || kind.Kind == "Job") {
		w.owners[self] = owner
		return
	}
	if kind.Kind == "Job" && finished(u) {
		return
	}
	pod, _, _ := unstructured.NestedMap(u.Object, path...)
	w.templates[self] = newTemplate(pod)
}

// SecretNames are the pull secrets that pods and what makes them name, by namespace, each once and in order.
func (w *Workloads) SecretNames() map[string][]string {
	out := map[string][]string{}
	for of, t := range w.templates {
		out[of.Namespace] = append(out[of.Namespace], t.list...)
	}
	for _, p := range w.pods {
		out[p.of.Namespace] = append(out[p.of.Namespace], p.list...)
	}
	for namespace, names := range out {
		slices.Sort(names)
		out[namespace] = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
	}
	return out
}

// group is a workload with its pods.
type group struct {
	Workload
	template
	guessed bool // from one of its pods, so that the list may be that of the service account
	alone   bool // nothing makes the pod anew
	pods    []pod
}

// groups puts the pods to the workloads that made them, sorted. What nobody has read is known from its pods.
func (w *Workloads) groups() []*group {
	all := map[Workload]*group{}
	for of, t := range w.templates {
		all[of] = &group{Workload: of, template: t}
	}
	slices.SortFunc(w.pods, func(a, b pod) int {
		return cmp.Or(cmp.Compare(a.of.Namespace, b.of.Namespace), cmp.Compare(a.name, b.name))
	})
	for _, p := range w.pods {
		of := p.of
		if owner, ok := w.owners[of]; ok {
			of = owner
		}
		g := all[of]
		if g == nil {
			g = &group{Workload: of, template: p.template, guessed: true, alone: of.Kind == "Pod" || p.mirror}
			all[of] = g
		}
		g.pods = append(g.pods, p)
	}
	var sorted []*group
	for _, g := range all {
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, func(a, b *group) int { return a.compare(b.Workload) })
	return sorted
}

func (w Workload) compare(o Workload) int {
	return cmp.Or(strings.Compare(w.Namespace, o.Namespace), strings.Compare(w.Kind, o.Kind), strings.Compare(w.Name, o.Name))
}

// usesOf are the images of a template and those that only its pods have: of containers that admission added, or of an earlier template.
func (g *group) usesOf() (uses []use) {
	uses = slices.Clone(g.uses)
	for _, p := range g.pods {
		for _, u := range p.uses {
			if !slices.Contains(uses, u) {
				uses = append(uses, u)
			}
		}
	}
	return uses
}
