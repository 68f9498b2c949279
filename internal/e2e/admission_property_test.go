package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestAdmissionDecidesAsTheControllerDoes makes up policies, namespaces, accounts and pods, has the API server create and
// update accounts, and create pods, in dry runs, and compares what comes out with what the pure decision adds, and with
// what is said of the parameters.
func TestAdmissionDecidesAsTheControllerDoes(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), s: s, projector: cluster.NewProjector([]byte("k"))}
	for range 12 {
		g.addNamespace()
	}
	g.addAccounts()
	added, compared, toPods, pods := 0, 0, 0, 0
	for range 25 {
		p := g.newPolicy()
		world := g.newState(p)
		world.told = s.Parameters(p, world.promises(p))
		for _, ns := range g.namespaces {
			for _, sa := range []*unstructured.Unstructured{g.account(ns, false), g.account(ns, true)} {
				n := world.compare(p, ns, sa)
				added += n
				compared++
			}
			for range 3 {
				toPods += world.comparePod(p, ns, g.pod(ns))
				pods++
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d accounts compared, %d names added; %d pods compared, %d names added", compared, added, pods, toPods)
	if added < compared/10 || toPods < pods/20 {
		t.Errorf("only %d names were added to %d accounts, and %d to %d pods: the policies match too little to tell anything",
			added, compared, toPods, pods)
	}
}

type generator struct {
	*rand.Rand
	s          *sandbox
	projector  *cluster.Projector
	namespaces []*cluster.Namespace
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) labels() map[string]string {
	out := map[string]string{}
	for _, key := range []string{"team", "example.com/tier"} {
		if g.IntN(3) > 0 {
			out[key] = pick(g, "a", "b", "")
		}
	}
	return out
}

func (g *generator) annotations(optOuts ...string) map[string]string {
	out := map[string]string{}
	for _, key := range optOuts {
		switch g.IntN(12) {
		case 0:
			out[key] = "true"
		case 1:
			out[key] = pick(g, "false", "True", "")
		}
	}
	if g.IntN(2) == 0 {
		out["unrelated"] = "x"
	}
	return out
}

func (g *generator) addNamespace() {
	u := api.Object("v1", "Namespace", "", g.s.Name(fmt.Sprintf("%s-%d", pick(g, "x", "y", "prod"), len(g.namespaces))))
	u.SetLabels(g.labels())
	u.SetAnnotations(g.annotations(cluster.AnnotationExclude, cluster.AnnotationExcludeAncestor))
	u, err := g.s.Client.Resource(api.Namespaces).Create(g.s.Ctx, u, metav1.CreateOptions{})
	harness.Must(g.s.T, err)
	g.namespaces = append(g.namespaces, cluster.NewNamespace(u))
}

var propertyNames = []string{"reg-a", "reg-b", "reg.c", "hub"}

// newPolicy makes up to five rules that share few sources and names, so that they meet.
func (g *generator) newPolicy() *policy.Policy {
	var b strings.Builder
	b.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
	for i := range 1 + g.IntN(5) {
		fmt.Fprintf(&b, "- name: rule-%d\n  force: %t\n  prune: %t\n  override: %t\n  secrets:\n", i, g.IntN(2) == 0, g.IntN(3) > 0, g.IntN(2) == 0)
		names := slices.Clone(propertyNames)
		g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names[:1+g.IntN(3)] {
			fmt.Fprintf(&b, "  - {source: {name: %s, namespace: %s}, name: %s}\n",
				pick(g, "hub", "hub", "hub", "other", "other", "missing"), pick(g, api.Home, api.Home, g.namespaces[0].Name), name)
		}
		fmt.Fprintf(&b, "  namespaces: {include: [%s], exclude: [%s]%s}\n",
			pick(g, `"*"`, `"*"`, `"PREFIX*"`, `"PREFIXx-*", "*prod*"`, `"PREFIXx-?"`),
			pick(g, "", "", `"*-3"`, `"PREFIXy-*", "*-1?"`), g.selector())
		attach, selector := "accounts", g.selector()
		if g.IntN(2) == 0 { // a pod has no labels of its account
			attach, selector = "pods", ""
		}
		fmt.Fprintf(&b, "  attach: %s\n  serviceAccounts: {include: [%s], exclude: [%s]%s}\n", attach,
			pick(g, `"*"`, `"*"`, "default", `"ci-*", default`, `"*.b*"`, "", `"ci-?", "x?y"`),
			pick(g, "", "", `"ci-2"`, `"*-1"`), selector)
	}
	text := g.s.Expand(b.String())
	p, problems := policy.Parse(map[string]string{"policy.yaml": text},
		policy.Options{Namespace: api.Home, SourceNamespaces: []string{g.namespaces[0].Name}})
	if p == nil {
		g.s.T.Fatalf("%v\n%s", problems, text)
	}
	return p
}

func (g *generator) selector() string {
	if g.IntN(3) > 0 {
		return ""
	}
	return ", selector: {" + pick(g,
		`matchLabels: {team: a}`,
		`matchLabels: {team: ""}`,
		`matchExpressions: [{key: team, operator: In, values: [a, b]}]`,
		`matchExpressions: [{key: team, operator: NotIn, values: [a]}]`,
		`matchExpressions: [{key: example.com/tier, operator: Exists}]`,
		`matchExpressions: [{key: example.com/tier, operator: DoesNotExist}]`,
		`matchLabels: {team: b}, matchExpressions: [{key: example.com/tier, operator: NotIn, values: [a, ""]}, {key: team, operator: Exists}]`) + "}"
}

// account makes up an account as somebody writes it; one that exists is written again with a list of its own.
func (g *generator) account(ns *cluster.Namespace, exists bool) *unstructured.Unstructured {
	u := api.Object("v1", "ServiceAccount", ns.Name, pick(g, "default", "ci-1", "ci-2", "a.b", "xzy"))
	if exists {
		u.SetName("default")
		g.s.Eventually("the default account is born", func() (err error) {
			u, err = g.s.Client.Resource(api.Accounts).Namespace(ns.Name).Get(g.s.Ctx, "default", metav1.GetOptions{})
			return err
		})
		delete(u.Object, "imagePullSecrets")
		u.SetResourceVersion("")
	} else if u.GetName() == "default" {
		u.SetName("xay") // the real one is in the way
	}
	if g.IntN(3) > 0 {
		u.SetLabels(g.labels())
	}
	annotations := g.annotations(cluster.AnnotationExclude)
	if g.IntN(2) == 0 {
		annotations[cluster.AnnotationAdded] = pick(g, "", "reg-a", "reg-b,hub", " reg-a ,,reg-a,gone", "gone",
			here.Ledger(ns.Name, []string{"reg-a", "gone"}), " "+api.Home+"/"+ns.Name+" : hub ,, hub", here.For(ns.Name)+":",
			here.Ledger("elsewhere", []string{"reg-a"}), "other/"+ns.Name+": reg-a", "other/elsewhere: reg-a", ": reg-a", "/"+ns.Name+": reg-a")
	}
	if g.IntN(4) > 0 {
		u.SetAnnotations(annotations)
	} else {
		u.SetAnnotations(nil)
	}
	var list []any
	for range g.IntN(4) {
		name := pick(g, "", "theirs", "theirs", "reg-a", "hub")
		entry := map[string]any{}
		if name != "" {
			entry["name"] = name
		}
		list = append(list, entry)
	}
	if list != nil || g.IntN(2) == 0 {
		u.Object["imagePullSecrets"] = append([]any{}, list...)
	}
	return u
}
