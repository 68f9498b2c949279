package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// cluster is what is written to, and what of it should come of that. A rule for all gives out one copy; every other rule gives
// the namespaces of one team a copy of a name of its own.
type cluster struct {
	t      *testing.T
	ctx    context.Context
	config *rest.Config
	client dynamic.Interface

	prefix string // of all namespaces that rules select

	mu     sync.Mutex
	teams  map[string]int      // by namespace
	extra  map[int]bool        // rules that give out a second copy
	also   map[string]bool     // service accounts besides the default ones, as NAMESPACE/NAME
	theirs map[string][]string // names in lists that somebody else put there
	secret map[string]int      // by source: how often it was rotated
	shared bool                // every rule gives out the copy of the first one too
}

// ns is the name of a namespace.
func (c *cluster) ns(i int) string { return fmt.Sprintf("%s%05d", c.prefix, i) }

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// create makes an object; one that is there is fine.
func (c *cluster) create(resource schema.GroupVersionResource, u *unstructured.Unstructured) error {
	_, err := c.client.Resource(resource).Namespace(u.GetNamespace()).Create(c.ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// namespace makes one that belongs to a team; its default account comes from the cluster. From the moment that it was asked for
// it is one of those that should have everything.
func (c *cluster) namespace(name string, team int) error {
	u := api.Object("v1", "Namespace", "", name)
	u.SetLabels(map[string]string{"team": teamName(team)})
	c.mu.Lock()
	c.teams[name] = team
	c.mu.Unlock()
	return c.create(api.Namespaces, u)
}

func teamName(team int) string { return fmt.Sprintf("t%03d", team) }

// fill makes the namespaces, each with its default account: the cluster makes those one after the other.
func (c *cluster) fill(n, rules int) {
	c.must(c.create(api.Namespaces, api.Object("v1", "Namespace", "", api.Home)))
	c.must(api.Parallel(24, n, func(i int) error {
		ns := c.ns(i)
		if err := c.namespace(ns, 1+i%(rules-1)); err != nil {
			return err
		}
		return c.create(api.Accounts, api.Object("v1", "ServiceAccount", ns, "default"))
	}))
}

// rotate gives a source another credential.
func (c *cluster) rotate(name string) error {
	c.mu.Lock()
	c.secret[name]++
	n := c.secret[name]
	c.mu.Unlock()
	u := api.Secret(api.Home, name, content(name, n))
	_, err := c.client.Resource(api.Secrets).Namespace(api.Home).Apply(c.ctx, name, u, metav1.ApplyOptions{FieldManager: "load", Force: true})
	return err
}

func content(source string, n int) string {
	return api.Credential(source+".example.com", fmt.Sprintf("password-%d", n))
}

// sources are the names of all there are.
func sources(rules int) (names []string) {
	for i := range rules {
		names = append(names, source(i))
	}
	return append(names, "extra")
}

func source(rule int) string { return fmt.Sprintf("source-%03d", rule) }

// policy applies the rules as they are to be, with a comment.
func (c *cluster) policy(rules int, comment string) {
	c.t.Helper()
	c.mu.Lock()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\napiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n", comment)
	for i := range rules {
		fmt.Fprintf(&b, "- name: rule-%03d\n  secrets:\n  - {source: {name: %s}, name: %s}\n", i, source(i), copyName(i))
		if c.shared && i > 0 {
			fmt.Fprintf(&b, "  - {source: {name: %s}, name: %s}\n", source(0), copyName(0))
		}
		if c.extra[i] {
			fmt.Fprintf(&b, "  - {source: {name: extra}, name: %s}\n", extraName(i))
		}
		fmt.Fprintf(&b, "  namespaces:\n    include: [%q]\n", c.prefix+"*")
		if i > 0 {
			fmt.Fprintf(&b, "    selector: {matchLabels: {team: %s}}\n", teamName(i))
		}
		b.WriteString("  serviceAccounts: {include: [default, \"app-*\"]}\n")
	}
	c.mu.Unlock()
	c.applyPolicy(b.String(), comment)
}

func (c *cluster) applyPolicy(text, revision string) {
	c.t.Helper()
	u := api.Object("v1", "ConfigMap", api.Home, "pullsecrets-policy")
	u.SetAnnotations(map[string]string{"pullsecrets/revision": revision})
	u.Object["data"] = map[string]any{"policy.yaml": text}
	_, err := c.client.Resource(api.ConfigMaps).Namespace(api.Home).Apply(c.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "load", Force: true})
	c.must(err)
}

func copyName(rule int) string {
	if rule == 0 {
		return "hub"
	}
	return fmt.Sprintf("team-%03d", rule)
}

func extraName(rule int) string { return fmt.Sprintf("extra-%03d", rule) }

// wanted is what should be there now: the content of each copy, and the names of each service account.
func (c *cluster) wanted() (copies map[string]string, accounts map[string][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	copies, accounts = map[string]string{}, map[string][]string{}
	for ns, team := range c.teams {
		names := []string{copyName(0), copyName(team)}
		copies[ns+"/"+names[0]] = content(source(0), c.secret[source(0)])
		copies[ns+"/"+names[1]] = content(source(team), c.secret[source(team)])
		for _, rule := range []int{0, team} {
			if c.extra[rule] {
				names = append(names, extraName(rule))
				copies[ns+"/"+extraName(rule)] = content("extra", c.secret["extra"])
			}
		}
		accounts[ns+"/default"] = names
	}
	for account := range c.also {
		ns, _, _ := strings.Cut(account, "/")
		accounts[account] = append(slices.Clone(c.theirs[account]), accounts[ns+"/default"]...)
	}
	return copies, accounts
}

// status is the state that the policy ConfigMap tells, and whether that is of the text that was applied last.
func (c *cluster) status() (state string, current bool) {
	u, err := c.client.Resource(api.ConfigMaps).Namespace(api.Home).Get(c.ctx, "pullsecrets-policy", metav1.GetOptions{})
	if err != nil {
		return "", false
	}
	a := u.GetAnnotations()
	return a["pullsecrets/status"], a["pullsecrets/observed-revision"] == a["pullsecrets/revision"]
}

// statusBytes is how large the status ConfigMap is.
func (c *cluster) statusBytes() (n int) {
	u, err := c.client.Resource(api.ConfigMaps).Namespace(api.Home).Get(c.ctx, "pullsecrets-status", metav1.GetOptions{})
	if err != nil {
		return 0
	}
	for _, field := range []string{"data", "binaryData"} {
		data, _, _ := unstructured.NestedMap(u.Object, field)
		for key, value := range data {
			text, _ := value.(string)
			n += len(key) + len(text)
		}
	}
	return n
}

// lease is who leads, and how often that changed.
func (c *cluster) lease() (holder string, transitions int64) {
	u, err := c.client.Resource(api.Leases).Namespace(api.Home).Get(c.ctx, "pullsecrets", metav1.GetOptions{})
	if err != nil {
		return "", 0
	}
	holder, _, _ = unstructured.NestedString(u.Object, "spec", "holderIdentity")
	transitions, _, _ = unstructured.NestedInt64(u.Object, "spec", "leaseTransitions")
	return holder, transitions
}
