// Package apply carries out plans: it writes with server-side apply, looks at what came back, and slows down where somebody
// reverts it or admission alters it. It decides nothing; what it cannot do it returns.
package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// Options are what an Executor needs. All are required but Workers and Guarantee.
type Options struct {
	Client       kube.Client
	Writes       *state.OwnWrites
	Projector    *cluster.Projector
	Installation cluster.Installation
	// Account projects a service account as the caches do.
	Account func(metav1.Object) *cluster.ServiceAccount
	// Workers is how many namespaces are worked on at a time. There are at most as many writes again, for what is urgent.
	Workers int
	// Guarantee is the admission guarantee; nil if there is none.
	Guarantee Guarantee
	// BeforeOverwrite is called before a write replaces what somebody else wrote, which it logs.
	BeforeOverwrite func(namespace string, a plan.Action)
}

// Guarantee is what the Executor has to know of the API server that adds names by itself.
type Guarantee interface {
	Effective() bool  // it acts on the parameters, as far as is known
	MarkIneffective() // it was seen not to
}

// Executor carries out plans, of several namespaces at a time.
type Executor struct {
	client          kube.Client
	writes          *state.OwnWrites
	projector       *cluster.Projector
	installation    cluster.Installation
	account         func(metav1.Object) *cluster.ServiceAccount
	guarantee       Guarantee
	beforeOverwrite func(namespace string, a plan.Action)
	contention      *contention
	alterations     *alterations
	extra           chan struct{} // holds one for each write that an urgent namespace has under way besides its first
}

// New returns an Executor.
func New(o Options) *Executor {
	return &Executor{
		client: o.Client, writes: o.Writes, projector: o.Projector, installation: o.Installation, account: o.Account,
		guarantee: o.Guarantee, beforeOverwrite: o.BeforeOverwrite,
		contention: newContention(), alterations: newAlterations(), extra: make(chan struct{}, min(mostExtra, max(0, o.Workers-1))),
	}
}

// Apply carries out a plan in the order of its actions. It goes on after a failure, with one exception: what has to come after the
// service accounts waits until all of them were written. What is urgent does not wait for more than it has to, see atOnce.
func (e *Executor) Apply(ctx context.Context, p plan.Plan, urgent bool) Result {
	result := Result{Namespace: p.Namespace, Altered: e.alterations.stand(p)}
	actions := slices.DeleteFunc(slices.Clone(p.Actions), func(a plan.Action) bool { return a.Verb == plan.None })
	if urgent {
		n := slices.IndexFunc(actions, func(a plan.Action) bool { return a.AfterAccounts })
		if n < 0 {
			n = len(actions)
		}
		result.Outcomes, actions = e.atOnce(ctx, p.Namespace, actions[:n]), actions[n:]
	}
	for _, a := range actions {
		if a.AfterAccounts && slices.ContainsFunc(result.Outcomes, func(o Outcome) bool { return o.Err != nil && o.Kind == plan.KindServiceAccount }) {
			continue
		}
		result.Outcomes = append(result.Outcomes, e.outcome(ctx, p.Namespace, a))
	}
	result.Contended = e.contention.open(p.Namespace, time.Now())
	return result
}

func (e *Executor) outcome(ctx context.Context, namespace string, a plan.Action) Outcome {
	repairs, err := e.carryOut(ctx, namespace, a)
	return Outcome{a, err, repairs}
}

// Forget drops what is remembered of a namespace: what ended with it was no contention.
func (e *Executor) Forget(namespace string) {
	e.contention.forget(namespace)
	e.alterations.forget(namespace)
}

// ForgetAccount drops what is remembered of a service account that was deleted.
func (e *Executor) ForgetAccount(account cluster.Object) {
	key := kube.Key{Kind: plan.KindServiceAccount, ObjectName: kube.NameOf(account)}
	e.contention.gone(key, newObjectID(plan.KindServiceAccount, account.GetUID()))
}

// Insisted reports whether another field manager wrote its own content of a copy again after each of our repairs.
func (e *Executor) Insisted(namespace, name string) bool {
	return e.contention.insisted(kube.KeyOf(namespace, plan.Action{Kind: plan.KindSecret, Name: name}), time.Now())
}

// carryOut does one action, unless it has to wait: what admission alters is not written again and again, nor what
// somebody undoes.
func (e *Executor) carryOut(ctx context.Context, namespace string, a plan.Action) (repairs int, err error) {
	key := kube.KeyOf(namespace, a)
	meant := func() intent { return e.intent(a) }
	if err := e.alterations.wait(key, a, meant, time.Now()); err != nil {
		return 0, err
	}
	repairs, err = e.contention.repair(key, a, func() error {
		if len(a.Diff) > 0 && !e.alterations.known(key) { // else what is there is what admission made of our own write
			e.beforeOverwrite(namespace, a)
		}
		return e.act(ctx, namespace, a)
	})
	return repairs, e.alterations.note(key, a, meant, err, time.Now())
}

func (e *Executor) act(ctx context.Context, namespace string, a plan.Action) error {
	live := &cluster.Meta{Namespace: namespace, Name: a.Name, UID: a.UID, ResourceVersion: a.ResourceVersion}
	switch a.Verb {
	case plan.SetList:
		return e.setList(ctx, namespace, a)
	case plan.Release:
		if a.Kind == plan.KindSecret {
			return e.releaseCopy(ctx, namespace, a)
		}
		return e.releaseAccount(ctx, namespace, a)
	case plan.Create, plan.Update:
		return e.applyCopy(ctx, namespace, a)
	case plan.Replace:
		if err := e.deleteCopy(ctx, live); err != nil {
			return err
		}
		return e.applyCopy(ctx, namespace, a)
	case plan.Delete:
		return e.deleteCopy(ctx, live)
	}
	return errors.New("unknown verb " + string(a.Verb))
}
