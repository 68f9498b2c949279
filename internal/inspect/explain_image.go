package inspect

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
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
	ByNodes bool `json:"byNodes,omitempty"`
	Unknown bool `json:"unknown,omitempty"` // pull secrets that may not be read may have an entry
	// SourcesUnknown is of how many sources of rules it is not known here which registries they are for.
	SourcesUnknown int `json:"sourcesUnknown,omitempty"`
	// Broken is a pull secret of the pod that the kubelet cannot read: it pulls no image of the pod.
	Broken string `json:"broken,omitempty"`
	Text   string `json:"text"`
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

// images explains the images of a pod.
func (e *explainer) images(u *unstructured.Unstructured, list []string, said map[string]KubeletReport) (out []ImageExplanation) {
	look := e.pullSecrets(list)
	uses := cluster.ImageUses(u.Object)
	for _, use := range uses {
		out = append(out, ImageExplanation{Container: use.Container, Volume: use.Volume, Image: printable(use.Image)})
	}
	for n, use := range uses {
		report, ok := said[use.Container]
		if !ok || use.Container == "" {
			continue
		}
		about := n
		if volume := cluster.ReportedVolume(uses, use.Container, report.Text); volume != "" {
			about = slices.IndexFunc(uses, func(other cluster.ImageUse) bool { return other.Volume == volume })
		}
		out[about].Kubelet = &report
	}
	for i := range out {
		e.image(&out[i], look)
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
	useless         []string // in words: why one holds no credential that the kubelet could send
	broken          string   // one that the kubelet cannot read, with the cause in brackets
}

func (e *explainer) pullSecrets(list []string) (p podSecrets) {
	p.list, p.byStatus = list, map[string]bool{}
	for _, name := range list {
		key := types.NamespacedName{Namespace: e.namespace, Name: name}
		switch found := e.snapshot.secrets[key]; {
		case name == "":
		case found != nil:
			p.known = append(p.known, cluster.PullSecret{Name: name, Content: found.Content})
			if found.Broken && p.broken == "" {
				p.broken = fmt.Sprintf("%s (%s)", name, found.Cause)
			} else if found.Defect != "" {
				p.useless = append(p.useless, fmt.Sprintf("%s holds none: %s", name, found.Cause))
			}
		case e.snapshot.copiesDenied[name] != nil, !e.tried[key]:
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

// entries are those that the kubelet tries for a repository.
func (p podSecrets) entries(repository string) (out []EntryExplanation) {
	for _, entry := range cluster.Tried(p.known, repository) {
		byStatus := p.byStatus[entry.Secret]
		out = append(out, EntryExplanation{Secret: entry.Secret, Host: entry.Host, Empty: entry.Empty && !byStatus, ByStatus: byStatus})
	}
	return out
}

// image says what is known of one image.
func (e *explainer) image(i *ImageExplanation, of podSecrets) {
	repository, registry, err := cluster.Repository(i.Image)
	if err != nil {
		i.Text = "it is no reference of an image"
		return
	}
	i.Entries = of.entries(repository)
	for _, entry := range i.Entries {
		if !entry.Empty && !slices.Contains(i.Secrets, entry.Secret) {
			i.Secrets = append(i.Secrets, entry.Secret)
		}
	}
	i.Broken = of.broken
	i.ByNodes = e.policy != nil && e.policy.NodeCredentials.Cover(repository)
	i.Unknown = len(i.Secrets) == 0 && len(of.unread) > 0
	if len(i.Secrets) == 0 {
		i.Elsewhere, i.SourcesUnknown = e.elsewhere(of, repository)
	}
	i.Text = imageText(i, registry, of)
}

// elsewhere finds entries for a repository that the pod does not have: in the sources of rules. unknown is of how many of those
// it is not known which registries they are for.
func (e *explainer) elsewhere(of podSecrets, repository string) (out []EntryExplanation, unknown int) {
	if e.policy == nil {
		return nil, 0
	}
	ns := e.snapshot.Namespace(e.namespace)
	for _, rule := range e.policy.Rules {
		for _, s := range rule.Secrets {
			content, byStatus, known := e.contentOf(s.Source)
			if !known {
				unknown++
			}
			tried := cluster.Tried([]cluster.PullSecret{{Name: s.Name, Content: content}}, repository)
			tried = slices.DeleteFunc(tried, func(t cluster.Entry) bool { return t.Empty && !byStatus })
			if len(tried) == 0 || len(out) == shownOthers {
				continue
			}
			out = append(out, EntryExplanation{
				Secret: s.Name, Host: tried[0].Host, Rule: rule.Name, WhyNot: e.whyNoCopy(rule, s, ns), ByStatus: byStatus,
			})
		}
	}
	return out, unknown
}

// shownOthers is how many entries elsewhere are told of an image.
const shownOthers = 20

// whyNoCopy says why a rule does not bring its secret to the namespace; empty if it does, or is about to.
func (e *explainer) whyNoCopy(rule *policy.Rule, s policy.Secret, ns *cluster.Namespace) string {
	if why := e.whyNotNamespace(rule, ns); why != "" {
		return "it does not select the namespace: " + why
	}
	if ns.Excluded {
		return "the namespace's annotation opts it out"
	}
	for _, c := range e.copies {
		switch {
		case c.Name != s.Name:
		case c.Source != s.Source.String():
			return "its copy is not made: an earlier rule makes one of this name from another source"
		case plan.Reason(c.Reason).Problem() && plan.Reason(c.Reason) != plan.CopyForbidden && plan.Reason(c.Reason) != plan.SourceForbidden:
			return "its copy is not made: " + c.Text
		}
	}
	return ""
}

// contentOf is what a source holds. That of a rule for other namespaces was not read with the rest, and the status may tell it.
// known is false where nobody tells which registries it is for, or not all of them.
func (e *explainer) contentOf(source types.NamespacedName) (content *cluster.Content, byStatus, known bool) {
	told, all := e.toldOf(source)
	if e.raw[source] == nil && told != nil {
		return told, true, all
	}
	if e.asked < maxAsked {
		e.source(source)
	}
	found := e.snapshot.secrets[source]
	if found == nil || found.Content == nil {
		return nil, false, false
	}
	return found.Content, false, true
}

// maxAsked is how many secrets are asked for one by one: a policy may have thousands of sources, and a pod as many pull secrets.
const maxAsked = 200

func imageText(i *ImageExplanation, registry string, of podSecrets) string {
	switch {
	case i.Broken != "":
		return "the kubelet cannot read the pod's pull secret " + i.Broken + ", and pulls no image of the pod because of it"
	case len(i.Secrets) > 0:
		return entriesText(i.Entries)
	case i.ByNodes:
		return "no pull secret of the pod has an entry for " + registry + "; the nodes log in to it by themselves, as nodeCredentials of the policy says"
	}
	text := "no pull secret of the pod has an entry for " + registry
	switch {
	case len(i.Entries) > 0:
		text = entriesText(i.Entries)
	case len(of.unread) > 0:
		text = "no pull secret of the pod that you may read has an entry for " + registry
	}
	for n, other := range i.Elsewhere {
		if n == shownElsewhere {
			text += fmt.Sprintf("; and %d more rules have one", len(i.Elsewhere)-n)
			break
		}
		text += "; " + elsewhereText(other, of)
	}
	if len(of.useless) > 0 {
		text += "; " + bound.Few(of.useless)
	}
	if len(of.missing) > 0 {
		text += "; these do not exist: " + listed(of.missing)
	}
	if len(of.unread) > 0 { // one of them may have an entry
		return text + "; these you may not read: " + listed(of.unread)
	}
	if len(i.Entries) > 0 {
		return text
	}
	return text + "; it is pulled without a credential, unless the node has one"
}

// listed is a list of names in a line, which a pod can have thousands of.
func listed(names []string) string { return strings.Join(bound.List(names, ""), ", ") }

// shownElsewhere is of how many rules a text tells that have an entry.
const shownElsewhere = 3

func elsewhereText(o EntryExplanation, of podSecrets) string {
	has := o.Host
	if o.ByStatus {
		has += ", as the status says"
	}
	switch {
	case o.WhyNot != "":
		return fmt.Sprintf("rule %s has one for its copies %s (%s): %s", o.Rule, o.Secret, has, o.WhyNot)
	case slices.Contains(of.missing, o.Secret):
		return fmt.Sprintf("rule %s has one (%s) for %s, which is not there yet", o.Rule, has, o.Secret)
	case slices.Contains(of.list, o.Secret):
		return fmt.Sprintf("rule %s has one (%s) for %s, whose secret here is another", o.Rule, has, o.Secret)
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
