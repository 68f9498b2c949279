package reconcile

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// snapshot is a cluster at one moment, as a list of objects: what the controller knows from its caches, for whoever
// has no caches.
type snapshot struct {
	namespaces []*cluster.Namespace
	accounts   map[string][]*cluster.ServiceAccount
	secrets    map[types.NamespacedName]*cluster.Source
	names      []string // copy names in use, besides the policy's

	// What may not be read, and why.
	statusDenied, accountsDenied error
	copiesDenied                 map[string]error
	sourcesDenied                map[types.NamespacedName]error
}

func emptySnapshot() *snapshot {
	return &snapshot{
		accounts:      map[string][]*cluster.ServiceAccount{},
		secrets:       map[types.NamespacedName]*cluster.Source{},
		copiesDenied:  map[string]error{},
		sourcesDenied: map[types.NamespacedName]error{},
	}
}

// newSnapshot sorts objects out by kind. Of ConfigMaps only the status matters, for the names in use.
func newSnapshot(projector *cluster.Projector, objects []*unstructured.Unstructured) (*snapshot, error) {
	s := emptySnapshot()
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
		s.names = union(s.names, parseNames(cluster.NewConfigMap(u).Data[statusNames]))
	default:
		return fmt.Errorf("%s %s/%s: a decision looks at no such object", u.GetKind(), u.GetNamespace(), u.GetName())
	}
	return nil
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
	in := policy.Inputs{Namespace: ns, Accounts: s.accounts[ns.Name], Sources: map[types.NamespacedName]policy.SourceState{}}
	for _, key := range p.Sources() {
		if s.sourcesDenied[key] != nil {
			in.Sources[key] = policy.SourceState{Status: policy.SourceForbidden}
			continue
		}
		in.Sources[key] = policy.NewSourceState(s.secrets[key])
	}
	have := plan.Observed{Namespace: ns, AccountsKnown: s.accountsDenied == nil, HoldPrune: hold, Copies: map[string]plan.CopyState{}}
	for _, name := range slices.Concat(s.names, p.CopyNames()) {
		state := plan.CopyState{Forbidden: s.copiesDenied[name] != nil}
		if source := s.secrets[types.NamespacedName{Namespace: ns.Name, Name: name}]; source != nil && !state.Forbidden {
			state.Secret = source.Secret
		}
		have.Copies[name] = state
	}
	return decide(p, in, have)
}
