// Package inspect looks at a cluster, or at a dump of one, without a controller: what `plan` would change, and why a namespace, a
// service account or a pod has the pull secrets that it has (`explain`). It decides on a state.View of listed objects.
package inspect

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Snapshot is a cluster at one moment, as a list of objects. It is the state.View of whoever has no caches.
type Snapshot struct {
	installation cluster.Installation // that asks
	now          time.Time

	namespaces []*cluster.Namespace
	byName     map[string]*cluster.Namespace
	accounts   map[string][]*cluster.ServiceAccount
	secrets    map[types.NamespacedName]*cluster.Source
	names      []string           // copy names in use, besides the policy's
	found      []string           // those of them that only ledgers have
	policy     *cluster.ConfigMap // nil when there is none, or nobody asked
	status     *cluster.ConfigMap // nil when there is none

	decoded   *status.Record // what decodedOf holds
	decodedOf *cluster.ConfigMap
	problems  []status.FullProblem // of decodedOf too

	states map[types.NamespacedName]policy.SourceState // of the sources of a policy; nil: work them out
	of     *policy.Policy

	// What may not be read, and why.
	statusDenied, accountsDenied error
	policyDenied                 error // for explain alone: whoever else asks has the policy
	copiesDenied                 map[string]error
	sourcesDenied                map[types.NamespacedName]error
}

func emptySnapshot(by cluster.Installation) *Snapshot {
	return &Snapshot{
		installation:  by,
		now:           time.Now(),
		byName:        map[string]*cluster.Namespace{},
		accounts:      map[string][]*cluster.ServiceAccount{},
		secrets:       map[types.NamespacedName]*cluster.Source{},
		copiesDenied:  map[string]error{},
		sourcesDenied: map[types.NamespacedName]error{},
	}
}

// newSnapshot sorts objects out by kind. Of ConfigMaps only the controller's two may be among them.
func newSnapshot(projector *cluster.Projector, by cluster.Installation, objects []*unstructured.Unstructured) (*Snapshot, error) {
	s := emptySnapshot(by)
	for _, u := range objects {
		if err := s.add(projector, u); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add takes an object in. A secret may be added twice, as a source and as a copy.
func (s *Snapshot) add(projector *cluster.Projector, u *unstructured.Unstructured) error {
	s.states = nil
	switch u.GetKind() {
	case "Namespace":
		ns := cluster.NewNamespace(u)
		s.namespaces, s.byName[ns.Name] = append(s.namespaces, ns), ns
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
func (s *Snapshot) recover() {
	s.found = slices.DeleteFunc(state.NamesInLedgers(s), func(name string) bool { return slices.Contains(s.names, name) })
	s.names = cluster.Union(s.names, s.found)
}

// Denied lists what may not be read.
func (s *Snapshot) Denied() (errs []error) {
	for _, err := range []error{s.statusDenied, s.accountsDenied} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	errs = slices.AppendSeq(errs, maps.Values(s.copiesDenied))
	return slices.AppendSeq(errs, maps.Values(s.sourcesDenied))
}

// plan decides one namespace of the snapshot. Nothing is guaranteed: whether a controller goes by admission parameters, and by
// which, cannot be seen from here.
func (s *Snapshot) plan(p *policy.Policy, ns *cluster.Namespace, hold bool) plan.Plan {
	todo, _ := state.Decide(s, p, ns.Name, s.circumstances(hold))
	return todo
}

// circumstances are what the status tells of those of the controller.
func (s *Snapshot) circumstances(hold bool) state.Circumstances {
	return state.Circumstances{HoldPrune: hold, Attached: s.attachment().Of}
}

func (s *Snapshot) attachment() status.Attachment { return s.record().Attached }

// record is what the status ConfigMap says came of the controller's work: that a write is denied, or undone again and again, is
// known to nobody else.
func (s *Snapshot) record() status.Record {
	if s.status == nil {
		return status.Record{}
	}
	if s.decoded == nil || s.decodedOf != s.status {
		r := status.Decode(s.status.Data[status.KeyRecord])
		s.decoded, s.decodedOf = &r, s.status
		s.problems, _, _ = r.AllProblems(s.status.BinaryData[status.KeyProblems]) // what somebody edited tells of the first alone
	}
	return *s.decoded
}

// allProblems are those that the status ConfigMap tells of.
func (s *Snapshot) allProblems() []status.FullProblem {
	s.record()
	return s.problems
}

// Installation is part of state.View.
func (s *Snapshot) Installation() cluster.Installation { return s.installation }

// Namespaces is part of state.View.
func (s *Snapshot) Namespaces() []*cluster.Namespace { return s.namespaces }

// Namespace is part of state.View.
func (s *Snapshot) Namespace(name string) *cluster.Namespace { return s.byName[name] }

// Accounts is part of state.View.
func (s *Snapshot) Accounts(namespace string) (accounts []*cluster.ServiceAccount, known bool) {
	return slices.Clone(s.accounts[namespace]), s.accountsDenied == nil
}

// Copies is part of state.View.
func (s *Snapshot) Copies(namespace string, p *policy.Policy) (copies map[string]plan.CopyState, looked []string) {
	copies = map[string]plan.CopyState{}
	for _, name := range slices.Concat(s.names, p.CopyNames()) {
		state := plan.CopyState{Forbidden: s.copiesDenied[name] != nil, Leaving: !slices.Contains(p.CopyNames(), name)}
		if state.Forbidden && state.Leaving && slices.Contains(s.found, name) {
			continue // as the controller, which goes by such a name only once it may be read
		}
		if source := s.secrets[types.NamespacedName{Namespace: namespace, Name: name}]; source != nil && !state.Forbidden {
			state.Secret = source.Secret
		}
		copies[name] = state
	}
	return copies, nil
}

// Sources is part of state.View.
func (s *Snapshot) Sources(p *policy.Policy) map[types.NamespacedName]policy.SourceState {
	if s.states == nil || s.of != p {
		s.of, s.states = p, map[types.NamespacedName]policy.SourceState{}
		known := s.record()
		for _, key := range p.Sources() {
			if s.states[key] = s.source(key); p.Verifies(key) {
				s.states[key] = known.JudgeSource(key, s.states[key])
			}
		}
	}
	return s.states
}

func (s *Snapshot) source(key types.NamespacedName) policy.SourceState {
	if s.sourcesDenied[key] != nil {
		return policy.SourceState{Status: policy.SourceForbidden}
	}
	state := policy.NewSourceState(s.secrets[key], s.installation)
	state.Findings = plan.Findings(state, s.now, plan.ExpiryWarning)
	return state
}
