package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/render"
)

var admissionResource = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}

// The reasons of problems with the admission parameters.
const (
	admissionAbsent   = "AdmissionAbsent"   // the component is not installed
	admissionTooLarge = "AdmissionTooLarge" // a rule is beyond what the API server evaluates
	admissionUnsaved  = "AdmissionUnsaved"  // a parameter could not be written
)

// mutatesAgain is how often an API server that knows no mutating policies is asked whether it was upgraded.
const mutatesAgain = time.Minute

// admission keeps the parameters true by which the API server itself adds names to service accounts: one object for
// each rule. It runs in the judge's goroutine, and looks again only when something changed that they depend on.
//
// A name is promised where its copy will come. It is left out where it has no source, and withheld in namespaces where
// a secret of somebody else is in the way, as soon as that is known.
type admission struct {
	c *Controller

	mu      sync.Mutex
	changed bool
	blocked map[string][]string // copy names that are known not to come, by namespace

	// Of the judge's goroutine alone:
	mutates  bool // the API server knows mutating policies
	askAgain time.Time
}

func newAdmission(c *Controller) *admission {
	return &admission{c: c, blocked: map[string][]string{}}
}

// touch has the parameters looked at again, the next time that the judge does.
func (a *admission) touch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
}

// note takes in what was decided about a namespace; no plan is for one that is gone.
func (a *admission) note(namespace string, todo plan.Plan) {
	if !a.c.Admission {
		return
	}
	var names []string
	for _, action := range todo.Actions {
		if action.Reason == plan.ForeignSecret {
			names = append(names, action.Name)
		}
	}
	a.mu.Lock()
	changed := !slices.Equal(a.blocked[namespace], names)
	a.blocked[namespace] = names
	if len(names) == 0 {
		delete(a.blocked, namespace)
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
	for _, obj := range a.c.watches.namespaces.all() {
		namespace := obj.(*cluster.Namespace).Name
		if in, have, ok := a.c.observe(namespace, p); ok {
			a.note(namespace, decide(p, in, have))
		}
	}
	a.touch()
	if a.keep(ctx, p) > 0 {
		a.c.judge.wake()
	}
}

// keep writes what differs. It returns how long to wait before the next try; 0 when all is as it should be.
func (a *admission) keep(ctx context.Context, p *policy.Policy) time.Duration {
	w := a.c.watches.admission
	if w == nil || p == nil || !w.settled() || !a.due() {
		return 0
	}
	if w.forbidden() {
		a.absent("does not let us list and watch admissionrules.pullsecrets.internal: install kustomize/components/admission, which needs Kubernetes 1.36")
		return 0
	}
	if wait := a.serverMutates(ctx); wait > 0 {
		a.touch()
		return wait
	}
	live := a.live()
	wanted, errs := render.AdmissionRules(p, a.promises(p, live))
	var problems []problem
	for _, err := range errs {
		problems = append(problems, problem{Kind: render.AdmissionKind, Name: err.Rule, Rule: err.Rule, Reason: admissionTooLarge,
			Detail: err.Error() + "; until then the controller alone adds its names"})
	}
	failed, stale := a.write(ctx, wanted, live)
	a.c.report.ofNone(append(problems, failed...))
	if len(failed) > 0 || stale { // a cache that is behind is no problem
		a.touch()
		return judgeRetry
	}
	return 0
}

// absent says once that there is nothing in the API server that would act on parameters.
func (a *admission) absent(why string) {
	a.c.report.ofNone([]problem{{Kind: render.AdmissionKind, Name: "admissionrules.pullsecrets.internal", Reason: admissionAbsent,
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

// due reports whether something changed since the last time.
func (a *admission) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.changed
	a.changed = false
	return changed
}

// write deletes and applies what differs. While a prune is held, parameters are only added: without its parameter
// the next write of an account by somebody else would take the names away that are being held.
func (a *admission) write(ctx context.Context, wanted []*unstructured.Unstructured, live map[string]*parameter) (failed []problem, stale bool) {
	held := a.c.ceiling.held.Load()
	try := func(name, verb string, err error) {
		switch {
		case isStale(err):
			stale = true
		case err != nil:
			failed = append(failed, problem{Kind: render.AdmissionKind, Name: name, Rule: name, Reason: admissionUnsaved, Detail: "cannot " + verb + " it: " + describe(err)})
		default:
			a.c.Log.Info().Str("kind", render.AdmissionKind).Str("name", name).Str("rule", name).Msg("admission parameter: " + verb)
		}
	}
	rest := maps.Clone(live)
	for _, u := range wanted {
		delete(rest, u.GetName())
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if rest[name].ours && !held {
			try(name, "delete", a.c.api.Delete(ctx, admissionResource, rest[name]))
		}
	}
	for _, u := range wanted {
		before := live[u.GetName()]
		if before != nil && (held || equality.Semantic.DeepEqual(before.spec, u.Object["spec"])) {
			continue
		}
		u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager})
		u.SetResourceVersion(unborn)
		if before != nil {
			u.SetUID(before.UID)
			u.SetResourceVersion(before.ResourceVersion)
		}
		_, err := a.c.api.Apply(ctx, admissionResource, u, true)
		try(u.GetName(), "apply", err)
	}
	return failed, stale
}

// promises is what the parameters depend on besides the policy. What may not be read is neither promised nor taken
// back.
func (a *admission) promises(p *policy.Policy, live map[string]*parameter) render.Promises {
	out := render.Promises{Namespace: a.c.Namespace, Withheld: map[string][]string{}}
	promised := map[string]bool{}
	for _, one := range live {
		for _, name := range one.names {
			promised[name] = true
		}
	}
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
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, namespace := range slices.Sorted(maps.Keys(a.blocked)) {
		for _, name := range a.blocked[namespace] {
			out.Withheld[name] = append(out.Withheld[name], namespace)
		}
	}
	return out
}

// live returns the parameters that exist, by name.
func (a *admission) live() map[string]*parameter {
	out := map[string]*parameter{}
	for _, obj := range a.c.watches.admission.all() {
		p := obj.(*parameter)
		out[p.Name] = p
	}
	return out
}

// parameter is what is remembered of an AdmissionRule.
type parameter struct {
	metav1.ObjectMeta
	spec  any
	names []string
	ours  bool // somebody may keep others in git
}

func newParameter(u *unstructured.Unstructured) *parameter {
	p := &parameter{
		ObjectMeta: metav1.ObjectMeta{Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()},
		spec:       u.Object["spec"],
		ours: u.GetLabels()[cluster.LabelManagedBy] == cluster.FieldManager ||
			slices.ContainsFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
				return e.Manager == cluster.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply
			}),
	}
	names, _, _ := unstructured.NestedSlice(u.Object, "spec", "names")
	for _, n := range names {
		if entry, ok := n.(map[string]any); ok {
			name, _ := entry["name"].(string)
			p.names = append(p.names, name)
		}
	}
	return p
}

// deleteParameters deletes all parameters, for purge: while they are there, the API server puts back what is removed.
func deleteParameters(ctx context.Context, c *Controller) error {
	var errs []string
	err := target{resource: admissionResource, namespace: c.Namespace}.each(ctx, c.Client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
		if err := c.api.Delete(ctx, admissionResource, u); err != nil {
			errs = append(errs, u.GetName()+": "+describe(err))
		}
		return nil
	})
	switch {
	case isNotFound(err), err == nil && len(errs) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("list the admission parameters: %s", describe(err))
	}
	return fmt.Errorf("delete the admission parameters: %s", strings.Join(errs, "; "))
}
