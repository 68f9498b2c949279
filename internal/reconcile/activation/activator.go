// Package activation turns the policy ConfigMap into the policy in force, and tells its owner what came of it: in the status
// ConfigMap, and in the annotations of the policy ConfigMap and its Events.
package activation

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
)

const (
	// writeAgain is how long a failed write of status or annotations waits.
	writeAgain = 2 * time.Second
	// staleAgain is how long is waited for a newer status ConfigMap, when a write was refused because there is one.
	staleAgain = 200 * time.Millisecond
	// soon is how long a change of the report may go unseen.
	soon = 50 * time.Millisecond
)

// Options are what an Activator needs. All are required but Documents and SourceNamespaces.
type Options struct {
	Namespace        string
	PolicyName       string
	StatusName       string
	SourceNamespaces []string
	Documents        map[string]string // a fixed policy, in place of the policy ConfigMap; nil to read that
	MaxPrune         int               // for the log; Limit has it
	// StatusInterval is how often the status ConfigMap is written at most, but for names and policy, which are saved before
	// they are acted on.
	StatusInterval time.Duration

	Client    kube.Client
	Cluster   *state.Cluster
	Limit     *prune.Limit
	Publisher *admission.Publisher
	Verifier  *verify.Verifier
	Reporter  *report.Reporter
	Metrics   *report.Metrics
	Events    func() *report.Events
	Log       zerolog.Logger
	Throttled *report.ThrottledLog

	// Leads reports whether this process may write.
	Leads func() bool
	// DecideAll decides all namespaces under a policy, with nothing held.
	DecideAll func(*policy.Policy, func(plan.Plan))
	// Requeue has all namespaces decided again, and these too, which may be gone.
	Requeue func(namespaces []string)
}

// Activator puts policies in force. It is level-driven and runs in one goroutine: each time it is woken it looks at everything
// and does the next thing, so that no order of events can confuse it.
//
//	text -> evaluated -> accepted -> its informers settled -> names saved -> in force -> every namespace tried -> feedback
type Activator struct {
	Options
	woken  chan struct{}
	soon   atomic.Bool // it will be woken
	looked chan struct{}

	// What others ask for.
	active   atomic.Pointer[policy.Policy] // nil until a first policy was accepted and all informers are settled
	settled  atomic.Bool
	progress atomic.Pointer[Progress] // nil until the policy was looked at once
	rollout  *rollout

	// Of the goroutine of Run alone.
	evaluator        evaluator
	names            trackedNames
	loaded           bool   // the status ConfigMap was
	evaluated        bool   // the policy was looked at, be there one or not
	unsaved          string // why an accepted policy cannot be saved, and so is not in force
	usedConfirmation string // it covers one removal, not all later ones
	releasing        bool   // nothing of that removal is known to be through
	statusWritten    time.Time
	full             fullProblems
	feedback         feedback
}

// New returns an Activator. It starts nothing.
func New(o Options) *Activator {
	a := &Activator{Options: o, woken: make(chan struct{}, 1), looked: make(chan struct{}, 1)}
	a.evaluator = evaluator{o: &a.Options}
	a.names = trackedNames{o: &a.Options, wake: a.Wake}
	a.rollout = &rollout{finished: a.Wake, mended: a.Wake}
	return a
}

// Active is the policy in force; nil while there is none.
func (a *Activator) Active() *policy.Policy { return a.active.Load() }

// Settled reports whether all informers are settled that the policy needs.
func (a *Activator) Settled() bool { return a.settled.Load() }

// Wake has everything looked at again. It never blocks.
func (a *Activator) Wake() { signal(a.woken) }

// WakeSoon has everything looked at a little later, and once for all that happens until then: what is reported of the
// namespaces changes with each of them, and nobody reads it faster than it is written.
func (a *Activator) WakeSoon() {
	if a.soon.CompareAndSwap(false, true) {
		time.AfterFunc(soon, func() {
			a.soon.Store(false)
			a.Wake()
		})
	}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (a *Activator) Run(ctx context.Context) {
	again := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.woken:
		case <-again.C:
		}
		wait := a.reconcile(ctx)
		a.publishProgress(wait)
		a.Metrics.SetPolicy(a.view())
		if wait > 0 {
			again.Reset(wait)
		}
	}
}

// reconcile does whatever can be done now, and returns how long to wait before looking again without being woken; 0 is for
// ever.
func (a *Activator) reconcile(ctx context.Context) time.Duration {
	if !a.Cluster.Settled() {
		a.settled.Store(false)
	}
	if !a.Cluster.ConfigMapsSettled() {
		return 0
	}
	if !a.Leads() {
		a.standBy()
		return 0
	}
	a.load()
	a.noteConfirmation()
	a.evaluator.read()
	a.evaluated = true
	switch p := a.evaluator.lastGood.policy; p {
	case nil:
		a.Cluster.Keep(nil, nil) // what an earlier text named that never came in force
		a.settled.Store(a.Cluster.Settled())
	case a.Active():
		if wait := a.names.trackFound(ctx, p, a.save); wait > 0 {
			return wait
		}
		a.settled.Store(a.Cluster.Settled())
	default:
		if wait, ok := a.prepare(ctx, p); !ok {
			return wait
		}
		a.Activate(ctx, p)
	}
	a.ReleaseHeldPrune(ctx)
	again := a.Publisher.Publish(ctx, a.Active())
	return sooner(again, a.publish(ctx))
}

// prepare has all that an accepted policy needs watched and saved. Where that is not so yet, it returns false, and how long to
// wait before looking again; 0 is until woken.
func (a *Activator) prepare(ctx context.Context, p *policy.Policy) (wait time.Duration, ok bool) {
	sources := a.Cluster.Followed(p)
	a.Cluster.Ensure(sources, a.names.with(p)) // while the others are still being listed
	if !a.Cluster.ObjectsSettled() || !a.names.recover(p) {
		return 0, false
	}
	names := a.names.with(p)
	a.Cluster.Ensure(sources, names)
	if active := a.Active(); active != nil {
		sources = append(sources, a.Cluster.Followed(active)...)
	}
	a.Cluster.Keep(sources, names) // what only a text names that never came in force is not waited for
	a.settled.Store(a.Cluster.Settled())
	if !a.settled.Load() {
		return 0, false
	}
	switch err := a.save(ctx, names); {
	case kube.Classify(err) == kube.Stale:
		a.reset()
		return staleAgain, false
	case err != nil && !apierrors.IsForbidden(err):
		a.Throttled.WriteFailed("the status ConfigMap", err)
		a.unsaved = kube.Redact(err)
		a.publish(ctx)
		return writeAgain, false
	case err != nil:
		a.Throttled.WriteFailed("the status ConfigMap", err)
		a.names.inUse = names // one missing permission must not stop the rest; only a restart forgets them
	}
	a.unsaved = ""
	return 0, true
}

// publish brings status and feedback up to date.
func (a *Activator) publish(ctx context.Context) (wait time.Duration) {
	tried := a.tried()
	if tried {
		a.names.dropUnused(a.Active())
	}
	if !tried && a.evaluator.evaluation.errors == nil && a.unsaved == "" && !a.degradedMeanwhile() {
		return 0
	}
	a.tellFindings()
	wait = a.saveStatus(ctx)
	pause, err := a.annotate(ctx)
	if wait == 0 || pause > 0 && pause < wait {
		wait = pause
	}
	if err != nil && kube.Classify(err) != kube.Stale {
		a.Throttled.WriteFailed("the annotations of the policy ConfigMap", err)
		wait = writeAgain
	}
	if a.fixed() {
		a.logState()
	}
	return wait
}

// tried reports whether the policy that was accepted last is in force, and every namespace was tried under it.
func (a *Activator) tried() bool {
	p := a.Active()
	return p != nil && p == a.evaluator.lastGood.policy && a.rollout.done(p)
}

// degradedMeanwhile reports whether there is a problem to tell although namespaces wait: only what is Ready waits for all of them.
func (a *Activator) degradedMeanwhile() bool {
	p := a.Active()
	return p != nil && p == a.evaluator.lastGood.policy && a.rollout.looked(p) && a.state() == status.Degraded
}

// standBy has a standby follow all that the leader follows, so that it can take over at once. It remembers nothing of what it
// reads: whoever takes over starts from the status as the last leader left it.
func (a *Activator) standBy() {
	sources, names := a.evaluator.wouldFollow()
	a.Cluster.Ensure(sources, names)
	a.Cluster.Keep(sources, names)
	a.settled.Store(a.Cluster.Settled())
}

// Track has names looked for that were found in ledgers; see trackedNames.
func (a *Activator) Track(names []string) { a.names.track(names) }

// Attempted notes that a namespace was tried under a policy, whether something of it waits for registries, and whether all of it
// succeeded. A roll-out is not over while something waits.
func (a *Activator) Attempted(p *policy.Policy, namespace string, waits, succeeded bool) {
	a.rollout.attempted(p, namespace, waits, succeeded)
	signal(a.looked)
}

// Converged reports whether all namespaces are as a policy wants them.
func (a *Activator) Converged(p *policy.Policy) bool { return a.rollout.converged(p) }

// Allowed is what in a namespace was held against the limit with the policy as a whole, and is not to be counted again;
// nothing once it succeeded.
func (a *Activator) Allowed(p *policy.Policy, namespace string) plan.Count {
	return a.rollout.allowed(p, namespace)
}

// fixed reports whether the policy was given with flags. Then there is no policy ConfigMap, and so nobody could confirm
// a removal or read an annotation: nothing is removed, and what is to be said is said in the log and, where they are
// permitted, in the status ConfigMap and its Events.
func (o *Options) fixed() bool { return o.Documents != nil }

// sooner is the shorter of two waits, of which 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
