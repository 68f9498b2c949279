package inspect

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// ImageExplanation says which pull secrets of a pod have an entry for an image of it.
type ImageExplanation struct {
	Container string `json:"container,omitempty"`
	Volume    string `json:"volume,omitempty"` // instead of a container: the volume that is an image
	Image     string `json:"image"`
	// Secrets are the pull secrets that have an entry for it with a credential, in the order in which the kubelet tries them.
	Secrets []string `json:"secrets,omitempty"`
	// Entries are what the kubelet tries, in its order.
	Entries []EntryExplanation `json:"entries,omitempty"`
	// Elsewhere are entries that the pod has not: of copies that it does not name, and of what rules would copy.
	Elsewhere []EntryExplanation `json:"elsewhere,omitempty"`
	// ByNodes says that the nodes log in to the registry by themselves, as the policy's nodeCredentials say.
	ByNodes bool   `json:"byNodes,omitempty"`
	Unknown bool   `json:"unknown,omitempty"` // pull secrets that may not be read may have an entry
	Text    string `json:"text"`
	// Kubelet is what the kubelet says of it.
	Kubelet *KubeletReport `json:"kubelet,omitempty"`
}

// EntryExplanation is an entry of a pull secret for an image.
type EntryExplanation struct {
	Secret string `json:"secret"`
	Host   string `json:"host"` // as it is written in the secret
	Empty  bool   `json:"empty,omitempty"`
	Rule   string `json:"rule,omitempty"`   // that copies it
	WhyNot string `json:"whyNot,omitempty"` // why the rule gives the pod nothing; empty where it does
	// ByStatus says that the secret may not be read, and the status tells which registries its source is for.
	ByStatus bool `json:"byStatus,omitempty"`
}

// containerKinds are the fields of a pod's spec, and of its status, that are about containers.
var containerKinds = []struct{ specs, statuses string }{
	{"initContainers", "initContainerStatuses"},
	{"containers", "containerStatuses"},
	{"ephemeralContainers", "ephemeralContainerStatuses"},
}

// images explains the images of a pod, its volumes among them: those are pulled with the pod's pull secrets too.
func (e *explainer) images(u *unstructured.Unstructured, list []string, said map[string]KubeletReport) (out []ImageExplanation) {
	look := e.pullSecrets(list)
	for _, kind := range containerKinds {
		for _, container := range specsIn(u, kind.specs) {
			i := ImageExplanation{Container: text(container, "name"), Image: text(container, "image")}
			if report, ok := said[i.Container]; ok {
				i.Kubelet = &report
			}
			out = append(out, i)
		}
	}
	for _, volume := range specsIn(u, "volumes") {
		if image := text(volume, "image", "reference"); image != "" {
			out = append(out, ImageExplanation{Volume: text(volume, "name"), Image: image})
		}
	}
	for i := range out {
		e.image(&out[i], look)
	}
	return out
}

func specsIn(u *unstructured.Unstructured, field string) (out []map[string]any) {
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", field)
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(object map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(object, path...)
	return s
}

// podSecrets are the pull secrets of a pod, as far as they are known.
type podSecrets struct {
	list            []string
	known           []cluster.PullSecret
	byStatus        map[string]bool // known only as the status tells of their sources
	missing, unread []string
}

func (e *explainer) pullSecrets(list []string) (p podSecrets) {
	p.list, p.byStatus = list, map[string]bool{}
	for _, name := range list {
		key := types.NamespacedName{Namespace: e.namespace, Name: name}
		switch source := e.snapshot.secrets[key]; {
		case name == "":
		case source != nil:
			p.known = append(p.known, cluster.PullSecret{Name: name, Content: source.Content})
		case e.snapshot.copiesDenied[name] != nil:
			if told := e.toldOfCopy(name); told != nil {
				p.known, p.byStatus[name] = append(p.known, cluster.PullSecret{Name: name, Content: told}), true
				break
			}
			p.unread = append(p.unread, name)
		default:
			p.missing = append(p.missing, name)
		}
	}
	return p
}

// image says what is known of one image.
func (e *explainer) image(i *ImageExplanation, of podSecrets) {
	repository, registry, err := cluster.Repository(i.Image)
	if err != nil {
		i.Text = "it is no reference of an image"
		return
	}
	for _, entry := range cluster.Tried(of.known, repository) {
		byStatus := of.byStatus[entry.Secret]
		empty := entry.Empty && !byStatus
		i.Entries = append(i.Entries, EntryExplanation{Secret: entry.Secret, Host: entry.Host, Empty: empty, ByStatus: byStatus})
		if !empty && !slices.Contains(i.Secrets, entry.Secret) {
			i.Secrets = append(i.Secrets, entry.Secret)
		}
	}
	i.ByNodes = e.policy != nil && e.policy.NodeCredentials.Cover(repository)
	i.Unknown = len(i.Entries) == 0 && len(of.unread) > 0
	i.Elsewhere = e.elsewhere(of.list, repository)
	i.Text = imageText(i, registry, of)
}

// elsewhere finds entries for a repository that the pod does not have: in the copies that the namespace has, and in the sources
// of rules.
func (e *explainer) elsewhere(list []string, repository string) (out []EntryExplanation) {
	if e.policy == nil {
		return nil
	}
	ns := e.snapshot.Namespace(e.namespace)
	for _, rule := range e.policy.Rules {
		for _, s := range rule.Secrets {
			if slices.Contains(list, s.Name) || slices.ContainsFunc(out, func(o EntryExplanation) bool { return o.Secret == s.Name && o.WhyNot == "" }) {
				continue
			}
			content, byStatus := e.contentOf(s.Source)
			tried := cluster.Tried([]cluster.PullSecret{{Name: s.Name, Content: content}}, repository)
			tried = slices.DeleteFunc(tried, func(t cluster.Entry) bool { return t.Empty && !byStatus })
			if len(tried) == 0 {
				continue
			}
			out = append(out, EntryExplanation{
				Secret: s.Name, Host: tried[0].Host, Rule: rule.Name, WhyNot: e.whyNotNamespace(rule, ns), ByStatus: byStatus,
			})
		}
	}
	return out
}

// contentOf is what a source holds. That of a rule for other namespaces was not read with the rest, and the status may tell it.
func (e *explainer) contentOf(source types.NamespacedName) (content *cluster.Content, byStatus bool) {
	if e.raw[source] == nil && e.snapshot.sourcesDenied[source] == nil {
		if told := e.toldOf(source); told != nil {
			return told, true
		}
		e.source(source)
	}
	if e.snapshot.sourcesDenied[source] != nil {
		return e.toldOf(source), true
	}
	if found := e.snapshot.secrets[source]; found != nil {
		return found.Content, false
	}
	return nil, false
}

func imageText(i *ImageExplanation, registry string, of podSecrets) string {
	switch {
	case len(i.Entries) > 0:
		return entriesText(i.Entries)
	case i.ByNodes:
		return "no pull secret of the pod has an entry for " + registry + "; the nodes log in to it by themselves, as nodeCredentials of the policy says"
	}
	text := "no pull secret of the pod has an entry for " + registry
	if len(of.unread) > 0 {
		text = "no pull secret of the pod that you may read has an entry for " + registry
	}
	for n, other := range i.Elsewhere {
		if n == shownElsewhere {
			text += fmt.Sprintf("; and %d more rules have one", len(i.Elsewhere)-n)
			break
		}
		text += "; " + elsewhereText(other)
	}
	if len(of.missing) > 0 {
		text += "; these do not exist: " + strings.Join(of.missing, ", ")
	}
	if len(of.unread) > 0 { // one of them may have an entry
		return text + "; these you may not read: " + strings.Join(of.unread, ", ")
	}
	return text + "; it is pulled without a credential, unless the node has one"
}

// shownElsewhere is of how many rules a text tells that have an entry.
const shownElsewhere = 3

func elsewhereText(o EntryExplanation) string {
	has := o.Host
	if o.ByStatus {
		has += ", as the status says"
	}
	if o.WhyNot != "" {
		return fmt.Sprintf("rule %s has one for its copies %s (%s), and does not select the namespace: %s", o.Rule, o.Secret, has, o.WhyNot)
	}
	return fmt.Sprintf("%s has one (%s), which the pod does not name", o.Secret, has)
}

func entriesText(entries []EntryExplanation) string {
	first := entries[0]
	text := fmt.Sprintf("the pod's pull secret %s has an entry for it (%s)", first.Secret, first.Host)
	switch {
	case first.ByStatus:
		text += ", as the status says: you may not read it"
	case first.Empty:
		text += ", which holds no username and password"
	}
	for n, other := range entries[1:] {
		if n == shownElsewhere {
			return text + fmt.Sprintf("; after it the kubelet tries %d more", len(entries)-1-n)
		}
		text += fmt.Sprintf("; then the kubelet tries %s (%s)", other.Secret, other.Host)
	}
	return text
}
