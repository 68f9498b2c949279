// Package apply carries out plans: it writes with server-side apply, looks at what came back, and slows down where somebody
// reverts it or admission alters it. It decides nothing; what it cannot do it returns.
package apply

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// Options are what an Executor needs. All are required but Guarantee.
type Options struct {
	Client       kube.Client
	Writes       *state.OwnWrites
	Projector    *cluster.Projector
	Installation cluster.Installation
	// Account projects a service account as the caches do.
	Account func(metav1.Object) *cluster.ServiceAccount
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
	ahead           chan struct{} // holds one for each write that waits for no other
}

// New returns an Executor.
func New(o Options) *Executor {
	return &Executor{
		client: o.Client, writes: o.Writes, projector: o.Projector, installation: o.Installation, account: o.Account,
		guarantee: o.Guarantee, beforeOverwrite: o.BeforeOverwrite,
		contention: newContention(), alterations: newAlterations(), ahead: make(chan struct{}, mostAhead),
	}
}

// Apply carries out a plan. It goes on after a failure, with one exception: what has to come after the service accounts
// waits until all of them were written.
func (e *Executor) Apply(ctx context.Context, p plan.Plan) Result {
	result := Result{Namespace: p.Namespace, Altered: e.alterations.stand(p)}
	var first, after []plan.Action
	for _, a := range p.Actions {
		switch {
		case a.Verb == plan.None:
		case a.AfterAccounts:
			after = append(after, a)
		default:
			first = append(first, a)
		}
	}
	result.Outcomes = e.together(ctx, p.Namespace, first)
	if !slices.ContainsFunc(result.Outcomes, func(o Outcome) bool { return o.Err != nil && o.Kind == plan.KindServiceAccount }) {
		result.Outcomes = append(result.Outcomes, e.together(ctx, p.Namespace, after)...)
	}
	result.Contended = e.contention.open(p.Namespace, time.Now())
	return result
}

// mostAhead is how many writes there are, in all, that do not wait for another one of their namespace. The pods of a new namespace
// need all of them. In a roll-out many namespaces are worked on at a time, and there it is no gain.
const mostAhead = 16

// together carries out actions that need not wait for one another, and returns what came of each, in their order. The first one, of a
// service account if there is any, is sent at once, and the others right after.
func (e *Executor) together(ctx context.Context, namespace string, actions []plan.Action) []Outcome {
	outcomes := make([]Outcome, len(actions))
	do := func(i int) {
		repairs, err := e.carryOut(ctx, namespace, actions[i])
		outcomes[i] = Outcome{actions[i], err, repairs}
	}
	var ahead sync.WaitGroup
	var here []int
	for i := range actions {
		if i == 0 {
			here = append(here, i)
			continue
		}
		select {
		case e.ahead <- struct{}{}:
			ahead.Go(func() {
				defer func() { <-e.ahead }()
				do(i)
			})
		default:
			here = append(here, i)
		}
	}
	for _, i := range here {
		do(i)
	}
	ahead.Wait()
	return outcomes
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
