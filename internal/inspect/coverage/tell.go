package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// judged is an image with all that was found out about it.
type judged struct {
	ns         *Namespace
	group      *group
	name       name
	image      Image
	now, later verdict
	early      bool // a pod waits that has less than a new one
}

func (j judged) waits() bool { return len(j.image.Waiting) > 0 }

func (j judged) finding(kind Kind, alarm bool, text, advice string) Finding {
	if j.waits() {
		text = fmt.Sprintf("%s for it; %s", waiting(j.image.Waiting), text)
	}
	return Finding{
		Kind: kind, Alarm: alarm, Namespace: j.image.Namespace, Workload: j.image.Workload, Container: j.image.Container,
		Image: j.image.Image, Registry: j.image.Registry, Text: text, Advice: advice,
	}
}

func waiting(pods []string) string {
	if len(pods) == 1 {
		return "the pod " + pods[0] + " waits"
	}
	return fmt.Sprintf("%d pods wait (%s, …)", len(pods), pods[0])
}

// tell makes findings of an image.
func (c *computation) tell(j judged) {
	if j.now.broken != "" && j.now.state != Invalid {
		c.tellBroken(j)
		return
	}
	switch j.now.state {
	case Invalid:
		c.found(j.finding(InvalidImage, false, "it is no reference of an image: the kubelet refuses it", "write it as REGISTRY/REPOSITORY:TAG"))
	case Covered, Nodes:
		c.tellCovered(j)
	case Unknown:
		if j.waits() {
			c.found(j.finding(PullFails, false, "whether it has a credential is not known, because not everything may be read", explain(j)))
		}
	default:
		c.tellUncovered(j)
	}
}

// tellBroken tells of a pull secret that the kubelet cannot read. Whatever else has an entry for the image does not help.
func (c *computation) tellBroken(j judged) {
	name, _, _ := strings.Cut(j.now.broken, " ")
	advice := "mend " + name + ", or take it from the pod's list of pull secrets"
	if j.later.broken == "" {
		advice = "the controller is about to mend that; if it does not, pullsecrets explain " + j.image.Namespace + " says why"
	}
	f := j.finding(BrokenSecret, true, "the kubelet cannot read the pull secret "+j.now.broken+", and pulls no image of the pod because of it", advice)
	f.Secrets = []string{name}
	c.found(f)
	if len(j.now.secrets) == 0 { // what it would be pulled with is not unused
		_, _ = c.beside(j)
		_, _ = c.opening(j)
	}
}

func (c *computation) tellCovered(j judged) {
	what := "the nodes are said to log in to its registry themselves"
	if j.now.state == Covered {
		what = strings.Join(j.now.secrets, ", ") + " has an entry for it"
	}
	switch {
	case j.waits() && j.early && j.now.state == Covered:
		c.found(j.finding(CreatedTooEarly, true, "it has no credential for it; a new pod has one, because "+what,
			"delete the pod, or restart its workload; pullsecrets evict does that by itself"))
	case j.waits():
		c.found(j.finding(PullFails, false, what+": the registry may refuse it, have no such image, or be out of reach", explain(j)))
	}
	if len(j.now.ended) == len(j.now.secrets) && !c.Nodes.Cover(j.name.repository) && c.foreign(j, j.now.ended) {
		c.tellExpired(j)
	}
	if j.later.state == None {
		f := j.finding(Lapsing, true, "the controller is about to take the credential away: "+what+", and then nothing has",
			"keep a rule that gives it to the namespace; pullsecrets plan shows what changes")
		f.Secrets = j.now.secrets
		c.found(f)
	}
}

// tellExpired tells that the credentials for an image have run out. Where the controller is about to bring others, nobody has to act.
func (c *computation) tellExpired(j judged) {
	ended := strings.Join(j.now.ended, ", ")
	text, advice, alarm := "the credential for it in "+ended+" has run out", "whoever made "+ended+" has to renew it, or leave that to a rule", true
	if j.later.state == Covered && len(j.later.ended) < len(j.later.secrets) {
		text += ", and the controller is about to bring another"
		advice, alarm = "if it does not come, pullsecrets explain "+j.image.Namespace+" says why", j.waits()
	} else if source := j.ns.Now.Secrets[j.now.ended[0]].Source; source.Name != "" {
		advice = "renew the source " + source.String() + ", which " + j.now.ended[0] + " was copied from"
	}
	f := j.finding(CredentialExpired, alarm, text, advice)
	f.Secrets = j.now.ended
	c.found(f)
}

// foreign reports whether nothing else tells of one of the secrets that it has run out: it is somebody else's, or a copy that has
// not what its source has, or whose source is of no use. Of any other copy of ours, its source tells.
func (c *computation) foreign(j judged, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(name string) bool {
		s := j.ns.Now.Secrets[name]
		source := c.Sources[s.Source]
		return s.Source.Name == "" || source.Status != policy.SourceUsable || !source.Source.Content.Equal(s.Content)
	})
}

func (c *computation) tellUncovered(j judged) {
	text := "there is no credential for it"
	var f Finding
	beside, hidden := c.beside(j)
	static := j.group.Kind == staticPod
	switch {
	case j.later.state == Covered:
		f = j.finding(Pending, j.waits(), text+" yet: the controller is about to bring "+strings.Join(j.later.secrets, ", "),
			"if it does not come, pullsecrets explain "+j.image.Namespace+" says why")
		f.Secrets = j.later.secrets
	case len(hidden) > 0 && !static:
		f = j.finding(ListHides, j.waits() || j.now.state == None && !j.group.guessed,
			fmt.Sprintf("%s: its own list of pull secrets (%s) keeps it from %s, which has an entry", text, listed(j.now.names), strings.Join(hidden, ", ")),
			"add "+strings.Join(hidden, ", ")+" to imagePullSecrets of its template, or remove the list there; with attach: pods in the rule, it gets the name as well")
		f.Secrets = hidden
	case j.group.alone && !static && !j.now.own && len(c.given(j, beside)) > 0:
		f = j.finding(CreatedTooEarly, j.waits(), text+": its service account has got "+strings.Join(c.given(j, beside), ", ")+" since it was made", "make the pod anew")
		f.Secrets = c.given(j, beside)
	case j.now.state == Public && !j.waits():
		return
	default:
		f = j.finding(NoCredential, j.waits(), text, "")
		var why reasons
		f.Rules, why = c.opening(j)
		f.Secrets = beside
		f.Advice = c.advice(j, beside, why)
	}
	c.found(f)
}

func listed(names []string) string {
	if names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" }); len(names) == 0 {
		return "entries without a name"
	}
	return shown(strings.Join(names, ", "))
}

// beside are the secrets of the namespace that the pod does not name and that have an entry for the image; hidden are those of
// them that it would have if its template named none: that its service account names, or is about to.
func (c *computation) beside(j judged) (all, hidden []string) {
	account := slices.Concat(j.ns.Now.Accounts[j.group.account].List, j.ns.Later.Accounts[j.group.account].List)
	for _, name := range slices.Sorted(maps.Keys(j.ns.Now.Secrets)) {
		s := j.ns.Now.Secrets[name]
		if slices.Contains(j.now.names, name) || !s.Content.Covers(j.name.repository) {
			continue
		}
		all = append(all, name)
		c.wanted[types.NamespacedName{Namespace: j.ns.Name, Name: name}] = true
		if j.now.own && slices.Contains(account, name) {
			hidden = append(hidden, name)
		}
	}
	return all, hidden
}

// given are those of the secrets that the service account names.
func (c *computation) given(j judged, secrets []string) []string {
	list := j.ns.Now.Accounts[j.group.account].List
	return slices.DeleteFunc(slices.Clone(secrets), func(name string) bool { return !slices.Contains(list, name) })
}

// reasons are why rules do not give a pod what they have: somebody opted it out, or they do not select it.
type reasons struct{ optedOut, unselected []string }

// opening are the rules whose secrets have an entry for the image, and why they do not give it to the pod.
func (c *computation) opening(j judged) (rules []string, why reasons) {
	for _, rule := range c.Policy.Rules {
		i := slices.IndexFunc(rule.Secrets, func(s policy.Secret) bool { return c.covers(s.Source, j.name.repository) })
		if i < 0 {
			continue
		}
		c.needed[rule.Secrets[i].Source] = true
		rules = append(rules, rule.Name)
		account := j.ns.Now.Accounts[j.group.account]
		switch {
		case j.ns.Excluded:
			why.optedOut = append(why.optedOut, "the namespace is opted out of rule "+rule.Name)
		case rule.Namespaces.WhyNot(j.ns.Name, j.ns.Labels) != "":
			why.unselected = append(why.unselected, fmt.Sprintf("rule %s does not select the namespace (%s)", rule.Name, rule.Namespaces.WhyNot(j.ns.Name, j.ns.Labels)))
		case account.Excluded:
			why.optedOut = append(why.optedOut, fmt.Sprintf("the service account %s is opted out of rule %s", j.group.account, rule.Name))
		case rule.ServiceAccounts.WhyNot(j.group.account, account.Labels) != "":
			why.unselected = append(why.unselected, fmt.Sprintf("rule %s does not select the service account %s (%s)", rule.Name, j.group.account,
				rule.ServiceAccounts.WhyNot(j.group.account, account.Labels)))
		}
	}
	return rules, why
}

// covers reports whether a source can be copied and has an entry for images of a repository.
func (c *computation) covers(source types.NamespacedName, repository string) bool {
	s := c.Sources[source]
	return s.Status == policy.SourceUsable && s.Source.Content.Covers(repository)
}

func (c *computation) advice(j judged, beside []string, why reasons) string {
	switch {
	case j.group.Kind == staticPod:
		return "if it is not public: a node runs it from a file, and no rule gives such a pod a pull secret: its node needs the credential"
	case len(why.unselected) > 0:
		return strings.Join(slices.Concat(why.optedOut, why.unselected), "; ") + ": widen it"
	case len(why.optedOut) > 0:
		return strings.Join(why.optedOut, "; ") + ": if that is no longer meant so, take the annotation off"
	case len(beside) > 0 && j.group.excluded:
		return "its annotation opts it out of what the API server adds to pods, such as " + strings.Join(beside, ", ")
	case len(beside) > 0 && j.now.own:
		return strings.Join(beside, ", ") + " of the namespace has an entry, which its own list of pull secrets does not name: add it there"
	case len(beside) > 0:
		return strings.Join(beside, ", ") + " of the namespace has an entry, which no list names: name it, or leave that to a rule"
	}
	return "if it is not public: a source with an entry for " + j.name.registry + " in a rule that selects the namespace"
}

func explain(j judged) string {
	return fmt.Sprintf("pullsecrets explain %s pod/%s repeats what the kubelet says", j.image.Namespace, j.image.Waiting[0])
}
