package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// PodExplanation says which pull secrets a pod has, and why it lacks others.
type PodExplanation struct {
	Name    string            `json:"name,omitempty"`
	Account string            `json:"serviceAccount"`
	New     bool              `json:"new,omitempty"`     // it is what a workload would make now
	Created string            `json:"created,omitempty"` // RFC 3339
	List    []string          `json:"imagePullSecrets"`
	Names   []NameExplanation `json:"names"` // those that rules give to its service account
	// Images say which of the pod's pull secrets has an entry for the image of each container.
	Images []ImageExplanation `json:"images,omitempty"`
	Evict  *EvictExplanation  `json:"evict,omitempty"`
	// Kubelet is what the kubelet says of the pod's pull secrets.
	Kubelet []KubeletReport `json:"kubelet,omitempty"`
	Notes   []string        `json:"notes,omitempty"`
}

// pod explains a pod, or what a workload makes pods from, which was not created. A pod gets the pull secrets of its service account
// when it is created, if it names none itself, and never again. Source: the API server's ServiceAccount admission plugin.
func (e *explainer) pod(out *Explanation, ns *cluster.Namespace, u *unstructured.Unstructured, isNew bool) *PodExplanation {
	pod := &PodExplanation{New: isNew, Name: u.GetName(), Account: accountOf(u), Created: timeText(u.GetCreationTimestamp()), List: podList(u)}
	of := slices.IndexFunc(out.Accounts, func(a AccountExplanation) bool { return a.Name == pod.Account })
	if isMirror(u) {
		pod.Notes = append(pod.Notes, "it is the mirror of a static pod, whose node pulls its images without pull secrets")
	}
	if pod.New {
		e.asCreated(pod, u, ns, out, of)
	}
	for i, name := range slices.DeleteFunc(slices.Clone(pod.List), func(name string) bool { return name == "" }) {
		if i == maxAsked {
			break
		}
		e.secret(types.NamespacedName{Namespace: e.namespace, Name: name}, func(err error) { e.snapshot.copiesDenied[name] = err })
	}
	said := kubeletReports{}
	if !pod.New {
		said = e.kubelet(u)
		pod.Evict = e.evict(u)
	}
	pod.Kubelet = said.pod
	if said.note != "" {
		pod.Notes = append(pod.Notes, said.note)
	}
	pod.Images = e.images(u, pod.List, said.containers)
	pod.Names = e.addedToPods(u, ns, pod)
	if of >= 0 && !isMirror(u) { // else it is said of the service account
		e.namesOfAccount(pod, out, out.Accounts[of], u.GetCreationTimestamp())
	}
	return pod
}

func accountOf(u *unstructured.Unstructured) string {
	account, _, _ := unstructured.NestedString(u.Object, "spec", "serviceAccountName")
	if account == "" {
		account, _, _ = unstructured.NestedString(u.Object, "spec", "serviceAccount") // of a template, which the API server does not complete
	}
	return cmp.Or(account, "default")
}

// isMirror reports whether a pod stands for one that a node runs from a file.
func isMirror(u *unstructured.Unstructured) bool { return cluster.NewPod(u).Mirror }

// asCreated gives what a workload makes pods from the list that a pod has once it is created now.
func (e *explainer) asCreated(pod *PodExplanation, u *unstructured.Unstructured, ns *cluster.Namespace, out *Explanation, of int) {
	if len(pod.List) == 0 && of >= 0 {
		pod.List = append(pod.List, out.Accounts[of].list...)
	}
	for _, n := range e.addedToPods(u, ns, pod) {
		if n.adds && !slices.Contains(pod.List, n.Name) {
			pod.List = append(pod.List, n.Name)
		}
	}
}

// namesOfAccount says of the names that rules give to a pod's service account whether the pod has them.
func (e *explainer) namesOfAccount(pod *PodExplanation, out *Explanation, of AccountExplanation, created metav1.Time) {
	added := map[string]bool{}
	for _, n := range pod.Names {
		added[n.Name] = true
	}
	for _, n := range of.Names {
		if added[n.Name] {
			continue
		}
		n.Text = podText(pod, of, n, added, created)
		n.Present = slices.Contains(pod.List, n.Name)
		pod.Names = append(pod.Names, n)
	}
	if len(pod.Names) == 0 && e.policy != nil {
		pod.Notes = append(pod.Notes, bound.Text("no rule gives its service account a pull secret: "+whyNothing(out, of)))
	}
}

// addedToPods says of the names that the API server adds to pods as they are created whether a pod has them.
func (e *explainer) addedToPods(u *unstructured.Unstructured, ns *cluster.Namespace, pod *PodExplanation) (out []NameExplanation) {
	if e.policy == nil {
		return nil
	}
	todo := e.snapshot.plan(e.policy, ns, false)
	for _, n := range e.desired.PodNames(pod.Account) {
		if e.snapshot.attachment().Of(n.Rule) != policy.ToPods {
			continue // its service account has it in the meantime
		}
		name := NameExplanation{Name: n.Name, Rule: n.Rule.Name, Present: slices.Contains(pod.List, n.Name)}
		copied := todo.Find(plan.KindSecret, n.Name)
		switch {
		case name.Present && !pod.New:
			name.Text = "the pod has it"
		case optsOut(u):
			name.Text = "not added: its annotation opts the pod out"
		case isMirror(u):
			name.Text = "not added: it is the mirror of a static pod, which may name no secret"
		case ns.Terminating || copied.Blocked() || copied.Defect != "":
			name.Text = notAdded(ns, copied)
		case pod.New:
			name.adds, name.Present, name.Text = true, true, "the API server adds it to a new pod"
		default:
			name.Text = fmt.Sprintf("the API server adds it to pods as they are created, and did not yet when this one was (%s): %s", pod.Created, restart)
		}
		out = append(out, name)
	}
	return out
}

func optsOut(u *unstructured.Unstructured) bool { return cluster.NewPod(u).Excluded }

func podList(u *unstructured.Unstructured) []string {
	names := []string{}
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, printable(name)) // the API server takes any text, and no secret has such a name
	}
	return names
}

const restart = "delete the pod, or restart its workload: a new one gets it"

// podText words whether a pod has a name of its account. What the API server added is not the pod's own list.
func podText(pod *PodExplanation, of AccountExplanation, n NameExplanation, added map[string]bool, created metav1.Time) string {
	list := slices.DeleteFunc(slices.Clone(pod.List), func(name string) bool { return added[name] })
	own := slices.ContainsFunc(list, func(name string) bool { return !slices.Contains(of.list, name) })
	switch {
	case slices.Contains(pod.List, n.Name) && pod.New:
		return "a new pod has it"
	case slices.Contains(pod.List, n.Name):
		return "the pod has it"
	case own:
		return "the pod sets imagePullSecrets itself (" + strings.Join(list, ", ") + "), so it gets none from its service account: remove them from its template, or add this name there"
	case !n.Present:
		return "its service account lacks it: " + n.Text
	case len(list) > 0 && !before(created, of.Written):
		return "the pod sets imagePullSecrets itself, to some of its service account's, so it gets no others: remove them from its template, or add this name there"
	}
	return fmt.Sprintf("the pod was created (%s) before its service account had the name: %s", pod.Created, restart)
}

// before reports whether a time is not after another, given as text; unknown counts as later.
func before(t metav1.Time, other string) bool {
	at, err := time.Parse(time.RFC3339, other)
	return err != nil || !t.After(at)
}

// whyNothing says for each rule why it gives an account nothing.
func whyNothing(out *Explanation, of AccountExplanation) string {
	var parts []string
	parts = append(parts, of.Notes...)
	for _, r := range out.Rules {
		if r.WhyNot != "" {
			parts = append(parts, fmt.Sprintf("rule %s does not select the namespace (%s)", r.Rule, r.WhyNot))
		}
	}
	for _, r := range of.Rules {
		if r.WhyNot != "" {
			parts = append(parts, fmt.Sprintf("rule %s does not select the service account (%s)", r.Rule, r.WhyNot))
		}
	}
	if len(parts) == 0 {
		return "the policy has no rules for it"
	}
	return strings.Join(parts, "; ")
}
