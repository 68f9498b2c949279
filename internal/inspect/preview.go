package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Place says where a controller lives: its namespace and the names of its two ConfigMaps.
type Place struct {
	Namespace, PolicyName, StatusName string
	SourceNamespaces                  []string // other namespaces that its sources may be in
}

// Installation is the controller as copies and ledgers name it.
func (p Place) Installation() cluster.Installation {
	return cluster.Installation{Home: p.Namespace, Sources: p.SourceNamespaces}
}

func (p Place) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: name}
}

// ReadPolicy returns the documents of a cluster's policy ConfigMap.
func ReadPolicy(ctx context.Context, client dynamic.Interface, at Place) (map[string]string, error) {
	u, err := client.Resource(kube.ConfigMaps).Namespace(at.Namespace).Get(ctx, at.PolicyName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the policy ConfigMap: %w", err)
	}
	cm := cluster.NewConfigMap(u)
	return policy.Documents(cm.Data, cm.BinaryData), nil
}

// NamesInUse reads from the status ConfigMap which names may have copies, sorted; none where there is no status.
func NamesInUse(ctx context.Context, client dynamic.Interface, namespace, statusName string) ([]string, error) {
	saved, err := kube.New(client).Get(ctx, kube.ConfigMaps, namespace, statusName)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return cluster.SecretNames(cluster.NewConfigMap(saved).Data[status.KeyNames]), nil
}

// Preview is what a controller would do to a cluster if it were started now with a policy.
type Preview struct {
	Plans    []plan.Plan // one for each namespace, sorted
	Overlaps []Overlap
	Findings []policy.SourceFinding
	Failing  []Failing
	// Held says that removals are held back by the limit; the counts are what would go, and what there is.
	Held                          bool
	RemovedCopies, Copies         int
	RemovedReferences, References int
}

// HasChanges reports whether anything would be written.
func (v *Preview) HasChanges() bool { return slices.ContainsFunc(v.Plans, plan.Plan.HasChanges) }

// Overlap is two copies with different credentials for one registry in the same namespaces: which of them a pod uses
// is left to chance.
type Overlap struct {
	Registry      string
	First, Second OverlapSide
	Namespaces    []string
}

// OverlapSide is one of the two copies.
type OverlapSide struct{ Rule, Copy string }

// Failing is a change that the controller has tried and that did not come about, as the status tells it. The status names
// the first problems, and of each the first namespaces.
type Failing struct {
	Kind, Name     string
	Reason, Detail string // WriteFailed, Altered or Contested
	Namespaces     []string
}

// PreviewCluster decides on what it reads from the API server, with get and list alone. progress may be nil.
func PreviewCluster(ctx context.Context, client dynamic.Interface, at Place, documents map[string]string, p *policy.Policy,
	maxPrune int, progress func(done, total int)) (*Preview, error) {
	s, err := Read(ctx, client, state.NewProjector(), Scope{At: at, Policy: true, Sources: p.Sources(), CopyNames: p.CopyNames(), Progress: progress})
	if err != nil {
		return nil, err
	}
	return s.preview(p, policy.Hash(documents), maxPrune), nil
}

// Dump is a cluster in a file: all its namespaces, service accounts, secrets and ConfigMaps.
type Dump struct {
	at      Place
	objects []*unstructured.Unstructured // that a decision looks at
	all     []*unstructured.Unstructured
	policy  *cluster.ConfigMap
}

// dumpCommand says how a dump is made. The commands that take one look at different kinds.
const dumpCommand = "make it with kubectl get … -A -o yaml --show-managed-fields; the command's -h has the whole line"

// NewDump takes the objects of a dump, and refuses those that would lead to wrong conclusions.
func NewDump(at Place, objects []*unstructured.Unstructured) (*Dump, error) {
	d := &Dump{at: at, all: objects}
	kinds := map[string]bool{}
	managed := false
	for _, u := range objects {
		kind := u.GetKind()
		kinds[kind] = true
		managed = managed || len(u.GetManagedFields()) > 0
		switch {
		case kind == "Namespace" || kind == "ServiceAccount" || kind == "Secret":
		case kind == "ConfigMap" && u.GetNamespace() == at.Namespace && u.GetName() == at.StatusName:
		case kind == "ConfigMap" && u.GetNamespace() == at.Namespace && u.GetName() == at.PolicyName:
			d.policy = cluster.NewConfigMap(u)
			continue
		default:
			continue
		}
		d.objects = append(d.objects, u)
	}
	for _, kind := range []string{"Namespace", "ServiceAccount"} { // every cluster has both
		if !kinds[kind] {
			return nil, fmt.Errorf("the dump holds no %s: %s", kind, dumpCommand)
		}
	}
	if !managed {
		return nil, errors.New("the dump holds no managedFields, without which nobody can tell what is ours: " + dumpCommand)
	}
	return d, nil
}

// Doubts are reasons to believe that the dump is not of the whole cluster. They can be wrong.
func (d *Dump) Doubts() (doubts []string) {
	secrets, namespaces, served := 0, 0, map[string]bool{}
	for _, u := range d.objects {
		switch u.GetKind() {
		case "Secret":
			secrets++
		case "Namespace":
			namespaces++
		case "ServiceAccount":
			served[u.GetNamespace()] = true
		}
	}
	if secrets == 0 {
		doubts = append(doubts, "the dump holds no Secret at all, so every source counts as missing: "+dumpCommand)
	}
	if namespaces > 2*len(served) {
		doubts = append(doubts, fmt.Sprintf("only %d of %d namespaces of the dump have a service account: was it made with -A? %s",
			len(served), namespaces, dumpCommand))
	}
	return doubts
}

// Policy returns the documents of the policy ConfigMap in the dump.
func (d *Dump) Policy() (map[string]string, error) {
	if d.policy == nil {
		return nil, fmt.Errorf("the dump holds no policy ConfigMap %s/%s: give -f", d.at.Namespace, d.at.PolicyName)
	}
	return policy.Documents(d.policy.Data, d.policy.BinaryData), nil
}

// Preview decides on the dump.
func (d *Dump) Preview(documents map[string]string, p *policy.Policy, maxPrune int) (*Preview, error) {
	s, err := newSnapshot(state.NewProjector(), d.at.Installation(), d.objects)
	if err != nil {
		return nil, err
	}
	s.policy = d.policy
	s.recover()
	return s.preview(p, policy.Hash(documents), maxPrune), nil
}

// preview decides all namespaces, and holds back what the controller would.
func (s *Snapshot) preview(p *policy.Policy, hash string, maxPrune int) *Preview {
	v := &Preview{}
	slices.SortFunc(s.namespaces, func(a, b *cluster.Namespace) int { return strings.Compare(a.Name, b.Name) })
	decide := func(hold bool) (gone, there plan.Count) {
		v.Plans = nil
		state.DecideAll(s, p, s.circumstances(hold), func(todo plan.Plan) {
			v.Plans = append(v.Plans, todo)
			gone, there = gone.Plus(todo.Removed()), there.Plus(todo.There)
		})
		return gone, there
	}
	gone, all := decide(false)
	used := ""
	if s.status != nil {
		used = status.Decode(s.status.Data[status.KeyRecord]).Confirmed
	}
	limit := prune.NewLimit(maxPrune)
	if limit.TooMany(gone, all) && !prune.Confirmed(s.policy, hash, used) {
		v.Held = true
		decide(true)
	}
	v.RemovedCopies, v.Copies = gone.Copies, all.Copies
	v.RemovedReferences, v.References = gone.References, all.References
	v.Overlaps, v.Findings = s.overlaps(p), policy.SourceFindings(s.Sources(p))
	v.Failing = failing(s.record().Totals, v.Plans)
	return v
}

// failing finds what the status tells of the changes of plans. What else it tells, a plan decides itself.
func failing(t status.Totals, plans []plan.Plan) (out []Failing) {
	for _, p := range t.First {
		if !slices.Contains([]string{report.WriteFailed, report.AccountsForbidden, report.Contested, report.Altered}, p.Reason) {
			continue
		}
		f := Failing{Kind: p.Kind, Name: p.Name, Reason: p.Reason, Detail: p.Detail}
		for _, n := range plans {
			if (n.Namespace == p.Example || slices.Contains(p.Others, n.Namespace)) && touches(n, p.Kind, p.Name) {
				f.Namespaces = append(f.Namespaces, n.Namespace)
			}
		}
		if len(f.Namespaces) > 0 {
			out = append(out, f)
		}
	}
	return out
}

func touches(p plan.Plan, kind, name string) bool {
	return slices.ContainsFunc(p.Actions, func(a plan.Action) bool {
		return a.Verb != plan.None && string(a.Kind) == kind && a.Name == name
	})
}

// ConfigMap is one of the installation's two in the dump, by its name; nil if the dump has none.
func (d *Dump) ConfigMap(name string) *cluster.ConfigMap {
	u, err := dumpLookup(d.all).get(kube.ConfigMaps, d.at.key(name))
	if err != nil {
		return nil
	}
	return cluster.NewConfigMap(u)
}

// Namespaces are those of the dump.
func (d *Dump) Namespaces() (out []*cluster.Namespace) {
	for _, u := range d.all {
		if u.GetKind() == "Namespace" {
			out = append(out, cluster.NewNamespace(u))
		}
	}
	return out
}
