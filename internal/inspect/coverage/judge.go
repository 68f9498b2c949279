package coverage

import (
	"fmt"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// lists are the pull secrets of a new pod.
type lists struct {
	names []string
	known bool // nothing else may be among them
	own   bool // its template names some, so that it gets none of its service account
}

// lists are those that a new pod of the workload has. The API server gives a pod its service account's list where it names
// nothing itself, not so much as an entry without a name. Source: its ServiceAccount admission plugin.
func (g *group) lists(p Pulls) (l lists) {
	account, there := p.Accounts[g.account]
	var adds []string
	if !g.excluded && !g.alone && p.Adds != nil {
		adds = p.Adds(g.account)
	}
	own := g.list
	if g.guessed {
		own = g.guess(account.List, p)
	}
	switch {
	case g.alone: // it has what it has
		l = lists{names: g.list, known: true, own: len(own) > 0 && p.Accounts != nil}
	case len(own) > 0:
		l = lists{names: own, known: true, own: true}
	case there || p.Accounts != nil:
		l = lists{names: account.List, known: true}
	default:
		l = lists{names: g.list, known: g.guessed} // of a pod that took over its account's
	}
	l.names = slices.Clone(l.names)
	for _, name := range adds {
		if !slices.Contains(l.names, name) {
			l.names = append(l.names, name)
		}
	}
	return l
}

// guess tells from a pod which pull secrets its template names: none where it has nothing that its account has not, and that the
// API server does not add.
func (g *group) guess(account []string, p Pulls) []string {
	var added []string
	if p.Adds != nil {
		added = p.Adds(g.account)
	}
	list := slices.DeleteFunc(slices.Clone(g.list), func(name string) bool { return slices.Contains(added, name) })
	if slices.ContainsFunc(list, func(name string) bool { return !slices.Contains(account, name) }) {
		return list
	}
	return nil
}

// verdict is what there is to say of an image.
type verdict struct {
	lists
	state   State
	secrets []string // with an entry for it, in the order in which the kubelet tries them
	ended   []string // those of them whose entries have all run out
	broken  string   // a pull secret that the kubelet cannot read, with the cause in brackets: it pulls nothing then
}

func (c *computation) judge(g *group, n name, p Pulls) verdict { return c.verdict(n, g.lists(p), p) }

func (c *computation) verdict(n name, l lists, p Pulls) (v verdict) {
	v.lists = l
	if n.registry == "" {
		v.state = Invalid
		return v
	}
	unread := !l.known
	var secrets []cluster.PullSecret
	for _, name := range l.names {
		s := p.Secrets[name]
		unread = unread || s.Unread
		if s.Broken != "" && v.broken == "" {
			v.broken = fmt.Sprintf("%s (%s)", shown(name), s.Broken)
		}
		secrets = append(secrets, cluster.PullSecret{Name: name, Content: s.Content})
	}
	good := map[string]bool{}
	for _, e := range cluster.Tried(secrets, n.repository) {
		if e.Empty {
			continue
		}
		if !slices.Contains(v.secrets, e.Secret) {
			v.secrets = append(v.secrets, e.Secret)
		}
		good[e.Secret] = good[e.Secret] || !c.ended(p.Secrets[e.Secret].Content, e.Host)
	}
	v.ended = slices.DeleteFunc(slices.Clone(v.secrets), func(name string) bool { return good[name] })
	switch {
	case v.broken != "":
		v.state = None
	case len(v.secrets) > 0:
		v.state = Covered
	case c.Nodes.Cover(n.repository):
		v.state = Nodes
	case n.public():
		v.state = Public
	case unread:
		v.state = Unknown
	default:
		v.state = None
	}
	return v
}

// ended reports whether a credential says itself that it has run out for a host. Several of its entries can be of one host as it is
// printed, and one of them that is good is enough.
func (c *computation) ended(content *cluster.Content, host string) bool {
	return !slices.ContainsFunc(content.Registries, func(r cluster.Registry) bool {
		return r.Host == host && len(r.Fields) > 0 && !c.Ended(r.Validity)
	})
}
