// Package admission keeps the admission parameters true: the AdmissionRules by which the API server itself adds names to
// service accounts. What a rule's parameter says is worked out by package internal/admission.
package admission

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const (
	// deleteAgain is how soon a deletion is sent again that the watch does not show: a finalizer can hold it up.
	deleteAgain = time.Minute
	// mutatesAgain is how often an API server that knows no mutating policies is asked whether it was upgraded.
	mutatesAgain = time.Minute
	// writeAgain is how soon a write is tried again that came too late, or a question that was not answered.
	writeAgain = 2 * time.Second
	// noteWindow is how long it takes until parameters are written again because of what was decided about namespaces, once they
	// were fewNotes times in that time: secrets of others can come in hundreds of namespaces one after the other, and each changes
	// all rules that give out their name.
	noteWindow, fewNotes = 5 * time.Second, 3
)

// Options are what a Publisher needs. With Enabled false it does nothing, and needs nothing else.
type Options struct {
	Enabled bool
	Client  kube.Client
	Cluster *state.Cluster
	// Mutates reports whether the API server knows policies that mutate; nil if it is known to.
	Mutates func(context.Context) (bool, error)
	// DecideAll decides all namespaces under a policy, as the controller does.
	DecideAll func(*policy.Policy, func(plan.Plan))
	Held      func() bool               // whether a prune is held
	Converged func(*policy.Policy) bool // whether all namespaces are as a policy wants them
	Changed   func()                    // is called when Publish has something to do
	Requeue   func(namespace string)    // has a namespace decided again
	Problems  func([]status.Problem)    // takes in all problems with the parameters
	Log       zerolog.Logger
	Throttled *report.ThrottledLog
}

// Publisher writes one parameter for each rule, and looks again only when something changed that they depend on. Publish and
// Begin are called by one goroutine.
//
// A name is guaranteed where its copy will come, or is there. Where it has no source, that is where it has a copy of
// ours; and it is blocked in namespaces where a secret of somebody else is in the way, as soon as that is known.
type Publisher struct {
	Options

	mu          sync.Mutex
	changed     bool
	excepted    bool                // exceptions changed
	exceptedAt  [fewNotes]time.Time // when parameters were written because of that, the last times
	begins      bool                // a policy is about to come in force, which waits for nothing
	sources     bool                // changed, so what is known of the copies is not true any more
	changes     int                 // of sources, so far
	exceptions  Exceptions
	ineffective bool // the API server was seen not to act on the parameters

	attachment attachment

	// published are the parameters as they were written, of which the watch tells a moment later; nil while there are none.
	published atomic.Pointer[admission.Parameters]
	// coming are those that the policy is to have which Begin was called with last, from before the first of them is written.
	coming atomic.Pointer[comingParameters]

	// Of the goroutine that publishes alone:
	mutates  bool // the API server knows mutating policies
	askAgain time.Time
	deleted  map[types.UID]time.Time // when a deletion was sent that the watch does not show yet
	unsaved  retry                   // of parameters that could not be written
	written  map[string]bool         // parameters for pods, by this process
	behind   map[string]string       // parameters for pods that were written, with the version before, until the watch shows another
	present  bool                    // the API server has what acts on parameters, as far as is known
}

// New returns a Publisher that published nothing.
func New(o Options) *Publisher {
	return &Publisher{Options: o, exceptions: Exceptions{}, deleted: map[types.UID]time.Time{}, behind: map[string]string{}, written: map[string]bool{}}
}

// MarkChanged has the parameters looked at again with the next Publish.
func (a *Publisher) MarkChanged() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
}

// SourcesChanged has all namespaces looked at before the parameters are: or they would lack, for a moment, names whose
// source has just gone.
func (a *Publisher) SourcesChanged() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed, a.sources = true, true
	a.changes++
}

// Note takes in what was decided about a namespace.
func (a *Publisher) Note(todo plan.Plan) {
	if !a.Enabled {
		return
	}
	a.mu.Lock()
	changed := a.exceptions.Add(todo)
	a.excepted = a.excepted || changed
	a.mu.Unlock()
	if changed {
		a.Changed()
	}
}

// Published are the parameters as they were written last; nil while there are none.
func (a *Publisher) Published() *admission.Parameters { return a.published.Load() }

// comingParameters are those of a policy, be it not in force yet.
type comingParameters struct {
	policy     *policy.Policy
	parameters *admission.Parameters
}

// Coming are the parameters of another policy than this one, which comes in force in its place: the API server acts on them
// already, or is about to. Nil if there is none.
func (a *Publisher) Coming(than *policy.Policy) *admission.Parameters {
	if c := a.coming.Load(); c != nil && c.policy != than {
		return c.parameters
	}
	return nil
}

// announce notes what is about to be written for a policy.
func (a *Publisher) announce(p *policy.Policy, wanted []*unstructured.Unstructured) {
	if c := a.coming.Load(); c != nil && c.policy == p {
		return
	}
	specs := map[string]any{}
	for _, u := range wanted {
		specs[u.GetName()] = u.Object["spec"]
	}
	a.coming.Store(&comingParameters{p, admission.NewParameters(a.Cluster.Installation().Home, specs)})
}

// Effective reports whether the API server acts on the parameters, as far as is known.
func (a *Publisher) Effective() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.ineffective
}

// MarkIneffective has nobody wait for what was published, until something else is: the API server does not act on it,
// because somebody removed the policy or its binding for example.
func (a *Publisher) MarkIneffective() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ineffective = true
}

// Survey is what all namespaces come to under a policy, as far as the parameters depend on it.
type Survey struct {
	Exceptions
	changes int // of sources, before it was begun
}

// NewSurvey returns one of no namespace, to which all are to be added.
func (a *Publisher) NewSurvey() Survey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Survey{Exceptions{}, a.changes}
}

// Begin brings the parameters up to date with a policy before any namespace is worked on under it: what is removed
// from an account while its rule's parameter is still there comes back. all is of all namespaces under it; where a source
// changed since it was begun, they are looked at anew.
func (a *Publisher) Begin(ctx context.Context, p *policy.Policy, all Survey) {
	if !a.Enabled {
		return
	}
	a.coming.Store(nil) // where nothing can be written, nothing is coming
	a.mu.Lock()
	a.changed, a.begins, a.sources, a.exceptions = true, true, a.changes != all.changes, all.Exceptions
	a.mu.Unlock()
	if a.Publish(ctx, p) > 0 {
		a.Changed()
	}
}

// Publish writes what differs. It returns how long to wait before the next try; 0 when all is as it should be.
func (a *Publisher) Publish(ctx context.Context, p *policy.Policy) time.Duration {
	if !a.Enabled || p == nil {
		return 0
	}
	settled, forbidden := a.Cluster.ParametersAnswer()
	if !settled {
		return 0
	}
	moving := a.moveBack(p)
	due, sources, later := a.due()
	if wait, again := a.unsaved.pending(); !due && (!again || wait > 0) {
		return sooner(moving, sooner(sooner(wait, later), a.attach(ctx, p)))
	}
	if sources {
		a.lookAtAll(p)
	}
	if forbidden {
		a.published.Store(nil)
		a.absent("does not let us list and watch admissionrules.pullsecrets.internal: install kustomize/components/admission, which needs Kubernetes 1.36")
		return 0
	}
	if wait := a.serverMutates(ctx); wait > 0 {
		a.MarkChanged()
		return wait
	}
	a.present = true
	wait := a.bringUpToDate(ctx, p, a.Cluster.Parameters())
	return sooner(moving, sooner(wait, a.attach(ctx, p)))
}

// sooner is the shorter of two waits, of which 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

func (a *Publisher) bringUpToDate(ctx context.Context, p *policy.Policy, live map[string]*cluster.AdmissionRule) time.Duration {
	wanted, errs := admission.Rules(p, a.dependencies(p, live))
	var problems []status.Problem
	refused := map[string]string{}
	for _, err := range errs {
		refused[err.Rule] = err.Error()
		problems = append(problems, status.Problem{Kind: admission.Kind, Name: err.Rule, Rule: err.Rule, Reason: TooLarge,
			Detail: err.Error() + "; until then the controller alone adds its names"})
	}
	a.announce(p, wanted)
	failed, stale := a.write(ctx, p, wanted, live, refused)
	a.noteRefused(p, refused)
	a.Problems(append(problems, failed...))
	if len(failed) > 0 {
		return a.unsaved.failed()
	}
	a.unsaved = retry{}
	if stale { // a cache that is behind is no problem
		a.MarkChanged()
		return writeAgain
	}
	a.wrote(wanted, live)
	return 0
}

// due reports whether something changed since the last time, and whether sources did; or how long that can wait, because what was
// decided about namespaces changes again and again.
func (a *Publisher) due() (changed, sources bool, later time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if later = noteWindow - time.Since(a.exceptedAt[0]); a.excepted && !a.begins && !a.sources && later > 0 {
		return false, false, later
	}
	if a.excepted {
		copy(a.exceptedAt[:], a.exceptedAt[1:])
		a.exceptedAt[fewNotes-1] = time.Now()
	}
	changed, sources = a.changed || a.excepted, a.sources
	a.changed, a.excepted, a.begins, a.sources = false, false, false, false
	return changed, sources, 0
}

// lookAtAll notes what is decided about each namespace, each at once: the workers note theirs at the same time, and what was
// decided last counts.
func (a *Publisher) lookAtAll(p *policy.Policy) {
	a.DecideAll(p, func(todo plan.Plan) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.exceptions.Add(todo)
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.exceptions, func(namespace string, _ exception) bool { // one that went meanwhile
		return a.Cluster.Namespace(namespace) == nil
	})
}

// absent says once that there is nothing in the API server that would act on parameters.
func (a *Publisher) absent(why string) {
	a.present = false
	a.fallBack("the API server " + why)
	a.Problems([]status.Problem{{Kind: admission.Kind, Name: "admissionrules.pullsecrets.internal", Reason: Absent,
		Detail: "started with -admission, but the API server " + why + "; until then the controller alone adds names"}})
}

// serverMutates asks whether the API server knows mutating policies, until it does. It returns how long to wait before
// asking again; 0 is that it does.
func (a *Publisher) serverMutates(ctx context.Context) (wait time.Duration) {
	if a.mutates || a.Mutates == nil {
		return 0
	}
	if wait := time.Until(a.askAgain); wait > 0 {
		return wait
	}
	mutates, err := a.Mutates(ctx)
	wait = mutatesAgain
	switch {
	case err != nil:
		a.Throttled.WriteFailed("admission parameters: the API server does not say whether it knows MutatingAdmissionPolicy", err)
		wait = writeAgain
	case mutates:
		a.mutates = true
		return 0
	default:
		a.absent("does not know MutatingAdmissionPolicy in admissionregistration.k8s.io/v1: that needs Kubernetes 1.36")
	}
	a.askAgain = time.Now().Add(wait)
	return wait
}

// wrote remembers what was published.
func (a *Publisher) wrote(wanted []*unstructured.Unstructured, live map[string]*cluster.AdmissionRule) {
	specs := map[string]any{}
	for _, u := range wanted {
		specs[u.GetName()] = u.Object["spec"]
	}
	held := a.Held()
	for name, one := range live {
		if held || equality.Semantic.DeepEqual(one.Spec, specs[name]) { // those that were there stay as they were
			specs[name] = one.Spec
		}
	}
	if a.published.Load().Same(specs) {
		return
	}
	if c := a.coming.Load(); c != nil && c.parameters.Same(specs) {
		a.published.Store(c.parameters) // they are large, and made ready once
	} else {
		a.published.Store(admission.NewParameters(a.Cluster.Installation().Home, specs))
	}
	a.mu.Lock()
	a.ineffective = false
	a.mu.Unlock()
	a.requeueSharedLists()
}

// requeueSharedLists has the namespaces decided again where a list is ours that others use too: it may be that it can be
// given up now. It costs nothing elsewhere, and where the list was given up nothing from then on.
func (a *Publisher) requeueSharedLists() {
	for _, sa := range a.Cluster.AllAccounts() {
		noted := a.Cluster.Installation().NotedOn(sa)
		theirs := func(name string) bool { return !slices.Contains(noted, name) }
		if sa.OwnsList && (len(sa.Owners) > 0 || slices.ContainsFunc(sa.PullSecrets, theirs)) {
			a.Requeue(sa.Namespace)
		}
	}
}

// copied reports whether copies of a source are made, be it a moment later when its registries have answered.
func copied(status policy.SourceStatus) bool {
	return status == policy.SourceUsable || status == policy.SourceVerifying
}

// dependencies is what the parameters depend on besides the policy. What may not be read is neither guaranteed nor taken
// back.
func (a *Publisher) dependencies(p *policy.Policy, live map[string]*cluster.AdmissionRule) admission.Dependencies {
	out := admission.Dependencies{Namespace: a.Cluster.Installation().Home, Blocked: map[string][]string{}, Retained: map[policy.Secret]admission.Retained{}}
	guaranteed := map[string]bool{}
	for _, one := range live {
		for _, name := range one.Names {
			guaranteed[name] = true
		}
	}
	sources := a.Cluster.Sources(p)
	out.Attach = func(rule *policy.Rule) []policy.Attach { return a.attachment.serves(rule, live[rule.Name]) }
	out.Unavailable = func(s policy.Secret) bool {
		switch status := sources[s.Source].Status; {
		case status == policy.SourceForbidden, copied(status) && a.Cluster.CopiesUnknown(s.Name):
			return !guaranteed[s.Name]
		default:
			return !copied(status)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exceptions.into(out, p)
	return out
}
