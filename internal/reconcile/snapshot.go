package reconcile

import (
	"fmt"
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
}

// newSnapshot sorts objects out by kind. Of ConfigMaps only the status matters, for the names in use.
func newSnapshot(projector *cluster.Projector, objects []*unstructured.Unstructured) (*snapshot, error) {
	s := &snapshot{
		accounts: map[string][]*cluster.ServiceAccount{},
		secrets:  map[types.NamespacedName]*cluster.Source{},
	}
	for _, u := range objects {
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
			return nil, fmt.Errorf("%s %s/%s: a decision looks at no such object", u.GetKind(), u.GetNamespace(), u.GetName())
		}
	}
	return s, nil
}

// plan decides one namespace of the snapshot.
func (s *snapshot) plan(p *policy.Policy, ns *cluster.Namespace, hold bool) plan.Plan {
	in := policy.Inputs{Namespace: ns, Accounts: s.accounts[ns.Name], Sources: map[types.NamespacedName]policy.SourceState{}}
	for _, key := range p.Sources() {
		in.Sources[key] = policy.NewSourceState(s.secrets[key])
	}
	have := plan.Observed{Namespace: ns, AccountsKnown: true, HoldPrune: hold, Copies: map[string]plan.CopyState{}}
	for _, name := range slices.Concat(s.names, p.CopyNames()) {
		state := plan.CopyState{}
		if source := s.secrets[types.NamespacedName{Namespace: ns.Name, Name: name}]; source != nil {
			state.Secret = source.Secret
		}
		have.Copies[name] = state
	}
	return decide(p, in, have)
}
