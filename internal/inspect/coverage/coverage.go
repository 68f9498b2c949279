package coverage

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Input is a cluster, as far as it matters here. It is not changed.
type Input struct {
	Policy     *policy.Policy
	Nodes      policy.Registries // that the nodes log in to themselves
	Sources    map[types.NamespacedName]policy.SourceState
	Namespaces []Namespace // those that are not going, in any order
	Workloads  *Workloads
	Narrowed   []string                    // the namespaces that were asked for, where it is not all
	Ended      func(cluster.Validity) bool // whether a credential has run out by now
	UsesKnown  bool                        // all that makes pods could be read, so that a credential without an image is one that nobody uses
	Unread     []Unread
	Notes      []string
}

// Namespace is a namespace as pods find it that are made now, and when the controller has done what it is about to do.
type Namespace struct {
	*cluster.Namespace
	Now, Later Pulls
}

// Pulls is what pods of a namespace have to pull with.
type Pulls struct {
	Accounts map[string]Account // nil: they may not be read
	Secrets  map[string]Secret  // what is not there does not exist
	// Adds returns the names that the API server adds to a new pod of a service account.
	Adds func(account string) []string
}

// Account is a service account.
type Account struct {
	Labels   cluster.Labels
	Excluded bool // its annotation opts it out
	List     []string
}

// Secret is a secret under a name that pods or rules know.
type Secret struct {
	Content *cluster.Content // nil where it holds no registry credential
	Unread  bool             // it may not be read, so it may not exist either
	// Broken is why the kubelet cannot read it, so that it pulls no image of a pod that names it; empty where it can.
	Broken string
	// Source is what a copy of ours is made from; the zero value for somebody else's secret.
	Source types.NamespacedName
}

// Compute decides everything.
func Compute(in Input) *Report {
	c := &computation{Input: in, at: map[string]*Namespace{}, used: map[types.NamespacedName]int{}, wanted: map[types.NamespacedName]bool{}, needed: map[types.NamespacedName]bool{}}
	for i := range in.Namespaces {
		c.at[in.Namespaces[i].Name] = &in.Namespaces[i]
	}
	c.report = &Report{Namespaces: in.Narrowed, Findings: []Finding{}, Registries: []Registry{}, Sources: []Source{}, Images: []Image{},
		Unread: append([]Unread{}, in.Unread...), Notes: append([]string{}, in.Notes...)}
	for _, g := range in.Workloads.groups() {
		if ns := c.at[g.Namespace]; ns != nil {
			c.workload(ns, g)
		}
	}
	// What may not be read can be the very secret, or the very list, by which an image has the credential of a source.
	c.UsesKnown = c.UsesKnown && !slices.ContainsFunc(c.report.Images, func(i Image) bool { return i.State == Unknown })
	c.registries()
	c.sources()
	order(c.report.Findings)
	c.total()
	return c.report
}

// computation is a report on its way.
type computation struct {
	Input
	report *Report
	at     map[string]*Namespace
	used   map[types.NamespacedName]int  // how many images have a secret to be pulled with, now or later
	wanted map[types.NamespacedName]bool // a secret has an entry for an image without a credential beside it
	needed map[types.NamespacedName]bool // a source has one
}

func (c *computation) found(f Finding) { c.report.Findings = append(c.report.Findings, f) }

// workload judges the images of a workload.
func (c *computation) workload(ns *Namespace, g *group) {
	c.report.Totals.Workloads++
	c.report.Totals.Pods += len(g.pods)
	for _, u := range g.usesOf() {
		n := parseName(u.image)
		i := Image{Namespace: g.Namespace, Workload: shown(g.Kind + "/" + g.Name), Container: shown(u.container), Image: n.shown, Registry: n.registry, repository: n.repository}
		now, later := c.judge(g, n, ns.Now), c.judge(g, n, ns.Later)
		i.State, i.Secrets, i.Broken = now.state, now.secrets, now.broken
		if later.state != now.state {
			i.Later = later.state
		}
		early := false // a pod waits that has less than a new one
		for _, p := range g.pods {
			if !slices.Contains(p.uses, u) {
				continue
			}
			i.Pods++
			if slices.Contains(p.waiting, u.container) {
				i.Waiting = append(i.Waiting, p.name)
				had := c.verdict(n, lists{names: p.list, known: true}, ns.Now).state
				early = early || had == None || had == Public
			}
		}
		for _, secret := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(now.secrets, later.secrets)))) {
			c.used[types.NamespacedName{Namespace: g.Namespace, Name: secret}]++
		}
		c.report.Images = append(c.report.Images, i)
		c.tell(judged{ns: ns, group: g, name: n, image: i, now: now, later: later, early: early})
	}
}

func (c *computation) total() {
	t := &c.report.Totals
	t.States = map[State]int{}
	namespaces := map[string]bool{}
	for _, i := range c.report.Images {
		t.Images++
		t.States[i.State]++
		namespaces[i.Namespace] = true
	}
	t.Namespaces = len(namespaces)
	for _, f := range c.report.Findings {
		if f.Alarm {
			t.Alarms++
		}
	}
}
