// Package purge removes from a cluster what pullsecrets put there, to uninstall it.
package purge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

const (
	tries    = 5               // against writers in between
	watchFor = 3 * time.Second // how long a controller that still runs has to give itself away
)

// Purge removes our copies and our entries from a cluster. It decides with the very same code as the controller does, for a
// policy without rules.
type Purge struct {
	client    dynamic.Interface
	requests  kube.Client
	at        inspect.Place
	projector *cluster.Projector
	executor  *apply.Executor
	log       zerolog.Logger
	todo      []plan.Plan
}

// Count is what a Purge would do.
type Count struct{ Copies, Accounts, Namespaces int }

// New looks at the cluster and decides. It writes nothing.
func New(ctx context.Context, client dynamic.Interface, at inspect.Place, log zerolog.Logger) (*Purge, error) {
	p := &Purge{client: client, requests: kube.New(client), at: at, projector: state.NewProjector(), log: log}
	p.executor = apply.New(apply.Options{
		Client: p.requests, Writes: state.NewOwnWrites(), Projector: p.projector, Installation: at.Installation(),
		Account:         func(o metav1.Object) *cluster.ServiceAccount { return cluster.NewServiceAccount(o) },
		BeforeOverwrite: report.BeforeOverwrite(log),
	})
	holder, err := p.holder(ctx)
	if err != nil {
		return nil, err
	}
	if holder != "" {
		return nil, fmt.Errorf("the controller %s is at work: scale it down first, or it would put everything back", holder)
	}
	return p, p.plan(ctx)
}

// Count is what is left to do.
func (p *Purge) Count() (n Count) {
	for _, todo := range p.todo {
		for _, a := range todo.Actions {
			switch {
			case a.Verb == plan.Delete:
				n.Copies++
			case a.Verb != plan.None:
				n.Accounts++
			}
		}
		n.Namespaces++
	}
	return n
}

// Run carries it out, and returns an error when something is left or comes back.
func (p *Purge) Run(ctx context.Context) error {
	if err := p.deleteParameters(ctx); err != nil {
		return err
	}
	for range tries {
		if err := p.execute(ctx); err != nil {
			return err
		}
		if err := p.plan(ctx); err != nil {
			return err
		}
		if len(p.todo) == 0 {
			return p.watch(ctx)
		}
	}
	n := p.Count()
	return fmt.Errorf("%d copies and the references of %d service accounts are left after %d tries: does a controller still run?", n.Copies, n.Accounts, tries)
}

// watch gives a controller that still runs the time to put something back.
func (p *Purge) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(watchFor):
	}
	if err := p.plan(ctx); err != nil {
		return err
	}
	if n := p.Count(); n.Namespaces > 0 {
		return fmt.Errorf("%d copies and the references of %d service accounts came back: a controller still runs; scale it down and purge again", n.Copies, n.Accounts)
	}
	return nil
}

func (p *Purge) execute(ctx context.Context) error {
	var errs []error
	for _, todo := range p.todo {
		for _, o := range p.executor.Apply(ctx, todo, false).Outcomes {
			report.LogOutcome(p.log, todo.Namespace, o)
			switch kube.Classify(o.Err) {
			case kube.OK, kube.Stale, kube.Gone:
				continue
			}
			if !errors.Is(o.Err, apply.ErrCameBack) {
				errs = append(errs, fmt.Errorf("%s %s/%s: %s", o.Kind, todo.Namespace, o.Name, kube.Redact(o.Err)))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *Purge) plan(ctx context.Context) error {
	s, err := inspect.Read(ctx, p.client, p.projector, inspect.Scope{At: p.at, EveryLabel: true})
	if err == nil {
		err = errors.Join(s.Denied()...)
	}
	if err != nil {
		return fmt.Errorf("look for what may be ours: %w", err)
	}
	p.todo = nil
	state.DecideAll(s, &policy.Policy{}, state.Circumstances{}, func(todo plan.Plan) {
		if todo.HasChanges() {
			p.todo = append(p.todo, todo)
		}
	})
	return nil
}

// deleteParameters deletes all admission parameters: while they are there, the API server puts back what is removed.
func (p *Purge) deleteParameters(ctx context.Context) error {
	var errs []string
	err := kube.Target{Resource: kube.AdmissionRules, Namespace: p.at.Namespace}.Each(ctx, p.client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
		if err := p.requests.Delete(ctx, kube.AdmissionRules, u); err != nil {
			errs = append(errs, u.GetName()+": "+kube.Redact(err))
		}
		return nil
	})
	switch {
	case apierrors.IsNotFound(err), err == nil && len(errs) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("list the admission parameters: %s", kube.Redact(err))
	}
	return fmt.Errorf("delete the admission parameters: %s", strings.Join(errs, "; "))
}
