package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// snapshot is a cluster at one moment, as a list of objects: what the controller knows from its caches, for whoever
// has no caches.
type snapshot struct {
	installation cluster.Installation // that asks

	namespaces []*cluster.Namespace
	accounts   map[string][]*cluster.ServiceAccount
	secrets    map[types.NamespacedName]*cluster.Source
	names      []string           // copy names in use, besides the policy's
	found      []string           // those of them that only ledgers have
	policy     *cluster.ConfigMap // nil when there is none, or nobody asked
	status     *cluster.ConfigMap // nil when there is none

	// What may not be read, and why.
	statusDenied, accountsDenied error
	copiesDenied                 map[string]error
	sourcesDenied                map[types.NamespacedName]error
}

func emptySnapshot(by cluster.Installation) *snapshot {
	return &snapshot{
		installation:  by,
		accounts:      map[string][]*cluster.ServiceAccount{},
		secrets:       map[types.NamespacedName]*cluster.Source{},
		copiesDenied:  map[string]error{},
		sourcesDenied: map[types.NamespacedName]error{},
	}
}

// newSnapshot sorts objects out by kind. Of ConfigMaps only the controller's two may be among them.
func newSnapshot(projector *cluster.Projector, by cluster.Installation, objects []*unstructured.Unstructured) (*snapshot, error) {
	s := emptySnapshot(by)
	for _, u := range objects {
		if err := s.add(projector, u); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add takes an object in. A secret may be added twice, as a source and as a copy.
func (s *snapshot) add(projector *cluster.Projector, u *unstructured.Unstructured) error {
	switch u.GetKind() {
	case "Namespace":
		s.namespaces = append(s.namespaces, cluster.NewNamespace(u))
	case "ServiceAccount":
		s.accounts[u.GetNamespace()] = append(s.accounts[u.GetNamespace()], cluster.NewServiceAccount(u))
	case "Secret":
		s.secrets[types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}] = projector.Source(u)
	case "ConfigMap":
		cm := cluster.NewConfigMap(u)
		if _, ok := cm.Data[status.KeyNames]; !ok {
			s.policy = cm
			break
		}
		s.status, s.names = cm, cluster.Union(s.names, cluster.SecretNames(cm.Data[status.KeyNames]))
	default:
		return fmt.Errorf("%s %s/%s: a decision looks at no such object", u.GetKind(), u.GetNamespace(), u.GetName())
	}
	return nil
}

// recover adds the names in the ledgers to those that the status has: the status may be lost, and a backup may bring
// back a ledger with its copies.
func (s *snapshot) recover() {
	for _, ns := range s.namespaces {
		if ns.Terminating {
			continue
		}
		for _, sa := range s.accounts[ns.Name] {
			for _, name := range s.installation.SecretsNotedOn(sa) {
				if !slices.Contains(s.names, name) {
					s.found = append(s.found, name)
				}
			}
		}
	}
	s.found = cluster.Union(s.found, nil)
	s.names = cluster.Union(s.names, s.found)
}

// denials lists what may not be read.
func (s *snapshot) denials() (errs []error) {
	for _, err := range []error{s.statusDenied, s.accountsDenied} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	errs = slices.AppendSeq(errs, maps.Values(s.copiesDenied))
	return slices.AppendSeq(errs, maps.Values(s.sourcesDenied))
}

// plan decides one namespace of the snapshot.
func (s *snapshot) plan(p *policy.Policy, ns *cluster.Namespace, hold bool) plan.Plan {
	return decide(p, s.inputs(p, ns), s.observe(p, ns, hold))
}

// observe is what a decision looks at. Nothing is promised: whether a controller goes by admission parameters, and by
// which, cannot be seen from here.
func (s *snapshot) observe(p *policy.Policy, ns *cluster.Namespace, hold bool) plan.Observed {
	have := plan.Observed{Namespace: ns, Installation: s.installation, AccountsKnown: s.accountsDenied == nil, HoldPrune: hold, Copies: map[string]plan.CopyState{}}
	for _, name := range slices.Concat(s.names, p.CopyNames()) {
		state := plan.CopyState{Forbidden: s.copiesDenied[name] != nil, Leaving: !slices.Contains(p.CopyNames(), name)}
		if state.Forbidden && state.Leaving && slices.Contains(s.found, name) {
			continue // as the controller, which goes by such a name only once it may be read
		}
		if source := s.secrets[types.NamespacedName{Namespace: ns.Name, Name: name}]; source != nil && !state.Forbidden {
			state.Secret = source.Secret
		}
		have.Copies[name] = state
	}
	return have
}

func (s *snapshot) inputs(p *policy.Policy, ns *cluster.Namespace) policy.Inputs {
	in := policy.Inputs{
		Namespace: ns,
		Accounts:  slices.Clone(s.accounts[ns.Name]),
		Sources:   s.sources(p),
	}
	slices.SortFunc(in.Accounts, func(a, b *cluster.ServiceAccount) int { return strings.Compare(a.Name, b.Name) })
	return in
}

func (s *snapshot) sources(p *policy.Policy) map[types.NamespacedName]policy.SourceState {
	states := map[types.NamespacedName]policy.SourceState{}
	for _, key := range p.Sources() {
		states[key] = s.source(key)
	}
	return states
}

func (s *snapshot) source(key types.NamespacedName) policy.SourceState {
	if s.sourcesDenied[key] != nil {
		return policy.SourceState{Status: policy.SourceForbidden}
	}
	return policy.NewSourceState(s.secrets[key], s.installation)
}
