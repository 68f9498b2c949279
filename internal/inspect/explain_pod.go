package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// PodExplanation says which pull secrets a pod has, and why it lacks others.
type PodExplanation struct {
	Name    string            `json:"name"`
	Account string            `json:"serviceAccount"`
	Created string            `json:"created"` // RFC 3339
	List    []string          `json:"imagePullSecrets"`
	Names   []NameExplanation `json:"names"` // those that rules give to its service account
	// Images say which of the pod's pull secrets has an entry for the image of each container.
	Images []ImageExplanation `json:"images,omitempty"`
	// Kubelet is what the kubelet says of the pod's pull secrets.
	Kubelet []KubeletReport `json:"kubelet,omitempty"`
	Notes   []string        `json:"notes,omitempty"`
}

// pod explains a pod. A pod gets the pull secrets of its service account when it is created, if it names none itself,
// and never again. Source: the API server's ServiceAccount admission plugin.
func (e *explainer) pod(out *Explanation, name string) (*PodExplanation, error) {
	u, err := e.lookup.get(kube.Pods, types.NamespacedName{Namespace: e.namespace, Name: name})
	if err != nil {
		return nil, fmt.Errorf("read the pod: %w", err)
	}
	account, _, _ := unstructured.NestedString(u.Object, "spec", "serviceAccountName")
	if account == "" {
		account = "default"
	}
	pod := &PodExplanation{Name: name, Account: account, Created: timeText(u.GetCreationTimestamp()), List: podList(u)}
	for _, name := range slices.DeleteFunc(slices.Clone(pod.List), func(name string) bool { return name == "" }) {
		e.secret(types.NamespacedName{Namespace: e.namespace, Name: name}, func(err error) { e.snapshot.copiesDenied[name] = err })
	}
	said := e.kubelet(u)
	pod.Kubelet = said.pod
	if said.note != "" {
		pod.Notes = append(pod.Notes, said.note)
	}
	pod.Images = e.images(u, pod.List, out.Copies, said.containers)
	i := slices.IndexFunc(out.Accounts, func(a AccountExplanation) bool { return a.Name == account })
	if i < 0 {
		return pod, nil // which is said of the service account
	}
	of := out.Accounts[i]
	for _, n := range of.Names {
		n.Text = podText(pod, of, n, u.GetCreationTimestamp())
		n.Present = slices.Contains(pod.List, n.Name)
		pod.Names = append(pod.Names, n)
	}
	if len(of.Names) == 0 {
		pod.Notes = append(pod.Notes, "no rule gives its service account a pull secret: "+whyNothing(out, of))
	}
	return pod, nil
}

func podList(u *unstructured.Unstructured) []string {
	names := []string{}
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, name)
	}
	return names
}

func podText(pod *PodExplanation, of AccountExplanation, n NameExplanation, created metav1.Time) string {
	const restart = "delete the pod, or restart its workload: a new one gets it"
	own := len(pod.List) > 0 && slices.ContainsFunc(pod.List, func(name string) bool { return !slices.Contains(of.list, name) })
	switch {
	case slices.Contains(pod.List, n.Name):
		return "the pod has it"
	case own:
		return "the pod sets imagePullSecrets itself (" + strings.Join(pod.List, ", ") + "), so it gets none from its service account: remove them from its template, or add this name there"
	case !n.Present:
		return "its service account lacks it: " + n.Text
	case len(pod.List) > 0 && !before(created, of.Written):
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
