package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/render"
)

// The reasons of problems with the admission parameters.
const (
	admissionAbsent   = "AdmissionAbsent"   // the component is not installed
	admissionTooLarge = "AdmissionTooLarge" // a rule is beyond what the API server evaluates
	admissionUnsaved  = "AdmissionUnsaved"  // a parameter could not be written
)

// deleteAgain is how soon a deletion is sent again that the watch does not show: a finalizer can hold it up.
const deleteAgain = time.Minute

// mutatesAgain is how often an API server that knows no mutating policies is asked whether it was upgraded.
const mutatesAgain = time.Minute

// admission keeps the parameters true by which the API server itself adds names to service accounts: one object for
// each rule. It runs in the judge's goroutine, and looks again only when something changed that they depend on.
//
// A name is promised where its copy will come, or is there. Where it has no source, that is where it has a copy of
// ours; and it is withheld in namespaces where a secret of somebody else is in the way, as soon as that is known.
type admission struct {
	c *Controller

	mu      sync.Mutex
	changed bool
	sources bool // changed, so what is known of the copies is not true any more
	copies  map[string]exceptions
	deaf    bool // the API server was seen not to act on the parameters

	// told are the parameters as they were written, of which the watch tells a moment later; nil while there are none.
	told atomic.Pointer[render.Parameters]

	// Of the judge's goroutine alone:
	mutates  bool // the API server knows mutating policies
	askAgain time.Time
	deleted  map[types.UID]time.Time // when a deletion was sent that the watch does not show yet
	unsaved  retry                   // of parameters that could not be written
}

// exceptions are the copies of a namespace that are not as their source alone would say.
type exceptions struct {
	blocked []string // names whose copy is known not to come
	kept    []keptCopy
}

// keptCopy is a copy that is there, though its source cannot be used.
type keptCopy struct {
	secret policy.Secret
	rule   string // that decides it
}

func (e exceptions) equal(other exceptions) bool {
	return slices.Equal(e.blocked, other.blocked) && slices.Equal(e.kept, other.kept)
}

func newAdmission(c *Controller) *admission {
	return &admission{c: c, copies: map[string]exceptions{}, deleted: map[types.UID]time.Time{}}
}

// touch has the parameters looked at again, the next time that the judge does.
func (a *admission) touch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
}

// sourcesChanged has all namespaces looked at before the parameters are: or they would lack, for a moment, names whose
// source has just gone.
func (a *admission) sourcesChanged() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed, a.sources = true, true
}

// note takes in what was decided about a namespace; no plan is for one that is gone.
func (a *admission) note(namespace string, todo plan.Plan) {
	if !a.c.Admission {
		return
	}
	var now exceptions
	for _, action := range todo.Actions {
		if action.Blocked() {
			now.blocked = append(now.blocked, action.Name)
		}
		if action.Kept {
			now.kept = append(now.kept, keptCopy{policy.Secret{Source: action.Source, Name: action.Name}, action.Rule})
		}
	}
	a.mu.Lock()
	changed := !now.equal(a.copies[namespace])
	a.copies[namespace] = now
	if now.equal(exceptions{}) {
		delete(a.copies, namespace)
	}
	a.changed = a.changed || changed
	a.mu.Unlock()
	if changed {
		a.c.judge.wake()
	}
}

// begin brings the parameters up to date with a policy before any namespace is worked on under it: what is removed
// from an account while its rule's parameter is still there comes back.
func (a *admission) begin(ctx context.Context, p *policy.Policy) {
	if !a.c.Admission {
		return
	}
	a.sourcesChanged()
	if a.keep(ctx, p) > 0 {
		a.c.judge.wake()
	}
}

// look notes what is to be decided about each namespace.
func (a *admission) look(p *policy.Policy) {
	for _, obj := range a.c.watches.namespaces.all() {
		namespace := obj.(*cluster.Namespace).Name
		if in, have, ok := a.c.observe(namespace, p); ok {
			a.note(namespace, decide(p, in, have))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.copies, func(namespace string, _ exceptions) bool { // one that went while it was looked at
		return a.c.watches.namespaces.get(namespace) == nil
	})
}

// keep writes what differs. It returns how long to wait before the next try; 0 when all is as it should be.
func (a *admission) keep(ctx context.Context, p *policy.Policy) time.Duration {
	w := a.c.watches.admission
	if w == nil || p == nil || !w.settled() {
		return 0
	}
	due, sources := a.due()
	if wait, again := a.unsaved.pending(); !due && (!again || wait > 0) {
		return wait
	}
	if sources {
		a.look(p)
	}
	if w.forbidden() {
		a.told.Store(nil)
		a.absent("does not let us list and watch admissionrules.pullsecrets.internal: install kustomize/components/admission, which needs Kubernetes 1.36")
		return 0
	}
	if wait := a.serverMutates(ctx); wait > 0 {
		a.touch()
		return wait
	}
	live := a.live()
	wanted, errs := render.AdmissionRules(p, a.promises(p, live))
	var problems []status.Problem
	for _, err := range errs {
		problems = append(problems, status.Problem{Kind: render.AdmissionKind, Name: err.Rule, Rule: err.Rule, Reason: admissionTooLarge,
			Detail: err.Error() + "; until then the controller alone adds its names"})
	}
	failed, stale := a.write(ctx, wanted, live)
	a.c.report.ofNone(append(problems, failed...))
	if len(failed) > 0 {
		return a.unsaved.failed()
	}
	a.unsaved = retry{}
	if stale { // a cache that is behind is no problem
		a.touch()
		return judgeRetry
	}
	a.wrote(wanted, live)
	return 0
}

// absent says once that there is nothing in the API server that would act on parameters.
func (a *admission) absent(why string) {
	a.c.report.ofNone([]status.Problem{{Kind: render.AdmissionKind, Name: "admissionrules.pullsecrets.internal", Reason: admissionAbsent,
		Detail: "started with -admission, but the API server " + why + "; until then the controller alone adds names"}})
}

// serverMutates asks whether the API server knows mutating policies, until it does. It returns how long to wait before
// asking again; 0 is that it does.
func (a *admission) serverMutates(ctx context.Context) (wait time.Duration) {
	if a.mutates || a.c.Mutates == nil {
		return 0
	}
	if wait := time.Until(a.askAgain); wait > 0 {
		return wait
	}
	mutates, err := a.c.Mutates(ctx)
	wait = mutatesAgain
	switch {
	case err != nil:
		a.c.troubles.write("admission parameters: the API server does not say whether it knows MutatingAdmissionPolicy", err)
		wait = judgeRetry
	case mutates:
		a.mutates = true
		return 0
	default:
		a.absent("does not know MutatingAdmissionPolicy in admissionregistration.k8s.io/v1: that needs Kubernetes 1.36")
	}
	a.askAgain = time.Now().Add(wait)
	return wait
}

// wrote remembers what the API server was told.
func (a *admission) wrote(wanted []*unstructured.Unstructured, live map[string]*parameter) {
	specs := map[string]any{}
	for _, u := range wanted {
		specs[u.GetName()] = u.Object["spec"]
	}
	held := a.c.ceiling.Held()
	for name, one := range live {
		if held || equality.Semantic.DeepEqual(one.spec, specs[name]) { // those that were there stay as they were
			specs[name] = one.spec
		}
	}
	if a.told.Load().Same(specs) {
		return
	}
	a.told.Store(render.NewParameters(a.c.Namespace, specs))
	a.mu.Lock()
	a.deaf = false
	a.mu.Unlock()
	a.lookAgain()
}

// lookAgain has the namespaces looked at where a list is ours that others use too: it may be that it can be given up now.
// It costs nothing elsewhere, and where the list was given up nothing from then on.
func (a *admission) lookAgain() {
	for _, obj := range a.c.watches.accounts.all() {
		sa := a.c.latestAccount(obj.(*cluster.ServiceAccount))
		noted := a.c.installation().NotedOn(sa)
		theirs := func(name string) bool { return !slices.Contains(noted, name) }
		if sa.OwnsList && (len(sa.Owners) > 0 || slices.ContainsFunc(sa.PullSecrets, theirs)) {
			a.c.enqueue(sa.Namespace, false)
		}
	}
}

// unheard has nobody wait for what the API server was told, until it is told something else: it does not act on it,
// because somebody removed the policy or its binding for example.
func (a *admission) unheard() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf = true
}

func (a *admission) heard() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.deaf
}

func promisedBy(live map[string]*parameter) map[string]bool {
	promised := map[string]bool{}
	for _, one := range live {
		for _, name := range one.names {
			promised[name] = true
		}
	}
	return promised
}

// due reports whether something changed since the last time, and whether sources did.
func (a *admission) due() (changed, sources bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed, sources = a.changed, a.sources
	a.changed, a.sources = false, false
	return changed, sources
}

// write deletes and applies what differs. While a prune is held, parameters are only added: without its parameter
// the next write of an account by somebody else would take the names away that are being held.
func (a *admission) write(ctx context.Context, wanted []*unstructured.Unstructured, live map[string]*parameter) (failed []status.Problem, stale bool) {
	held := a.c.ceiling.Held()
	try := func(name, verb string, err error) {
		switch {
		case kube.Classify(err) == kube.Stale:
			stale = true
		case err != nil:
			failed = append(failed, status.Problem{Kind: render.AdmissionKind, Name: name, Rule: name, Reason: admissionUnsaved, Detail: "cannot " + verb + " it: " + kube.Redact(err)})
		default:
			a.c.Log.Info().Str("kind", render.AdmissionKind).Str("name", name).Str("rule", name).Msg("admission parameter: " + verb)
		}
	}
	rest := maps.Clone(live)
	for _, u := range wanted {
		delete(rest, u.GetName())
	}
	a.forgetDeleted(live)
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if uid := rest[name].UID; rest[name].ours && !held && !a.isDeleted(uid) {
			err := a.c.api.Delete(ctx, kube.AdmissionRules, rest[name])
			try(name, "delete", err)
			if err == nil {
				a.deleted[uid] = time.Now()
			}
		}
	}
	for _, u := range wanted {
		before := live[u.GetName()]
		if before != nil && (held || equality.Semantic.DeepEqual(before.spec, u.Object["spec"])) {
			continue
		}
		u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager})
		u.SetResourceVersion(kube.MustNotExist)
		if before != nil {
			u.SetUID(before.UID)
			u.SetResourceVersion(before.ResourceVersion)
		}
		_, err := a.c.api.Apply(ctx, kube.AdmissionRules, u, true)
		try(u.GetName(), "apply", err)
	}
	return failed, stale
}

// isDeleted reports whether the deletion of a parameter was sent a short while ago. The watch tells of it a moment later,
// and the judge looks at the parameters several times in a moment.
func (a *admission) isDeleted(uid types.UID) bool {
	at, sent := a.deleted[uid]
	return sent && time.Since(at) < deleteAgain
}

// forgetDeleted forgets the deletions that the watch shows.
func (a *admission) forgetDeleted(live map[string]*parameter) {
	there := map[types.UID]bool{}
	for _, p := range live {
		there[p.UID] = true
	}
	maps.DeleteFunc(a.deleted, func(uid types.UID, _ time.Time) bool { return !there[uid] })
}

// promises is what the parameters depend on besides the policy. What may not be read is neither promised nor taken
// back.
func (a *admission) promises(p *policy.Policy, live map[string]*parameter) render.Promises {
	out := render.Promises{Namespace: a.c.Namespace, Withheld: map[string][]string{}, Kept: map[policy.Secret]render.Kept{}}
	promised := promisedBy(live)
	sources := a.c.sourceStates(p)
	out.Left = func(s policy.Secret) bool {
		w := a.c.watches.copy(s.Name)
		unknown := w == nil || w.forbidden()
		switch status := sources[s.Source].Status; {
		case status == policy.SourceForbidden, status == policy.SourceUsable && unknown:
			return !promised[s.Name]
		default:
			return status != policy.SourceUsable
		}
	}
	a.except(p, out)
	return out
}

func (a *admission) except(p *policy.Policy, out render.Promises) {
	prunes := map[string]bool{}
	for _, rule := range p.Rules {
		prunes[rule.Name] = rule.Prune
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range slices.Sorted(maps.Keys(a.copies)) {
		for _, name := range a.copies[namespace].blocked {
			out.Withheld[name] = append(out.Withheld[name], namespace)
		}
		for _, k := range a.copies[namespace].kept {
			at := out.Kept[k.secret]
			if prunes[k.rule] {
				at.Prune = append(at.Prune, namespace)
			} else {
				at.Stay = append(at.Stay, namespace)
			}
			out.Kept[k.secret] = at
		}
	}
}
