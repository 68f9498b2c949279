package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	purgeTries = 5               // against writers in between
	purgeWatch = 3 * time.Second // how long a controller that still runs has to give itself away
)

// Purge removes our copies and our entries from a cluster, for uninstalling. It decides with the very same code as
// the controller does, for a policy without rules.
type Purge struct {
	c    *Controller
	todo []plan.Plan
}

// PurgeCount is what a Purge would do.
type PurgeCount struct{ Copies, Accounts, Namespaces int }

// NewPurge looks at the cluster and decides. It writes nothing.
func NewPurge(ctx context.Context, client dynamic.Interface, at Place, log zerolog.Logger) (*Purge, error) {
	p := &Purge{c: New(Config{
		Client: client, Namespace: at.Namespace, SourceNamespaces: at.SourceNamespaces, StatusName: at.StatusName, Log: log,
	})}
	holder, err := p.holder(ctx)
	if err != nil {
		return nil, err
	}
	if holder != "" {
		return nil, fmt.Errorf("the controller %s is at work: scale it down first, or it would put everything back", holder)
	}
	return p, p.plan(ctx)
}

// holder returns who holds the Lease, if it did not expire.
func (p *Purge) holder(ctx context.Context) (string, error) {
	resource := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	lease, err := p.c.api.Get(ctx, resource, p.c.Namespace, cluster.FieldManager)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the lease: %w", err)
	}
	holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	seconds, _, _ := unstructured.NestedInt64(lease.Object, "spec", "leaseDurationSeconds")
	renewed, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
	at, err := time.Parse(metav1.RFC3339Micro, renewed)
	if err != nil || time.Since(at) > time.Duration(seconds)*time.Second {
		return "", nil
	}
	return holder, nil
}

// Count is what is left to do.
func (p *Purge) Count() (n PurgeCount) {
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
	if err := deleteParameters(ctx, p.c); err != nil {
		return err
	}
	for range purgeTries {
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
	return fmt.Errorf("%d copies and the references of %d service accounts are left after %d tries: does a controller still run?", n.Copies, n.Accounts, purgeTries)
}

// watch gives a controller that still runs the time to put something back.
func (p *Purge) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(purgeWatch):
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
		changes := p.c.execute(ctx, todo)
		for _, res := range changes.results {
			p.c.report.logResult(todo.Namespace, res)
			if res.err != nil && kube.Classify(res.err) != kube.Stale && kube.Classify(res.err) != kube.Gone && !errors.Is(res.err, errCameBack) {
				errs = append(errs, fmt.Errorf("%s %s/%s: %s", res.Kind, todo.Namespace, res.Name, kube.Redact(res.err)))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *Purge) plan(ctx context.Context) error {
	s, err := read(ctx, p.c.Client, p.c.projector, scope{
		installation: p.c.installation(),
		status:       types.NamespacedName{Namespace: p.c.Namespace, Name: p.c.StatusName},
		everyLabel:   true,
	})
	if err == nil {
		err = errors.Join(s.denials()...)
	}
	if err != nil {
		return fmt.Errorf("look for what may be ours: %w", err)
	}
	none := &policy.Policy{}
	p.todo = nil
	for _, ns := range s.namespaces {
		if todo := s.plan(none, ns, false); todo.HasChanges() {
			p.todo = append(p.todo, todo)
		}
	}
	return nil
}
