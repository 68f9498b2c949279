package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// changeSet is what happened to one namespace: the one thing that is logged and counted.
type changeSet struct {
	namespace string
	results   []result
	fights    []*contested     // that are going on, also where the last repair still stands
	altered   []status.Problem // of objects that nothing is written to now
	early     bool             // one of the first tries, at which it is no wonder yet that a removed name comes back
}

// result is an action that was tried.
type result struct {
	plan.Action
	err error
}

// err joins the errors that call for another try. A namespace that is going away is none.
func (s changeSet) err() error {
	var errs []error
	for _, r := range s.results {
		if r.err != nil && kube.Classify(r.err) != kube.Gone && !isContested(r.err) && asAltered(r.err) == nil {
			errs = append(errs, r.err)
		}
	}
	return errors.Join(errs...)
}

// removed counts what was removed.
func (s changeSet) removed() plan.Count {
	var p plan.Plan
	for _, r := range s.results {
		if r.err == nil {
			p.Actions = append(p.Actions, r.Action)
		}
	}
	return p.Removed()
}

// waiting reports whether something is to be tried again later, because it was undone or altered.
func (s changeSet) waiting() bool {
	return slices.ContainsFunc(s.results, func(r result) bool { return isContested(r.err) || asAltered(r.err) != nil })
}

// done reports whether all that was to be done succeeded.
func (s changeSet) done() bool { return s.err() == nil && !s.waiting() }

// again is when the first of what waits may be tried, or the first of the fights is over; 0 for neither.
func (s changeSet) again() (first time.Duration) {
	sooner := func(wait time.Duration) {
		if first == 0 || wait < first {
			first = wait
		}
	}
	for _, f := range s.fights {
		sooner(f.wait)
	}
	for _, r := range s.results {
		if e := asAltered(r.err); e != nil {
			sooner(e.wait)
		}
	}
	if first == 0 && s.waiting() {
		return time.Millisecond // its time has just come
	}
	return first
}

// execute carries out a plan. It goes on after a failure, with one exception: what has to come after the service
// accounts waits until all of them were written.
func (c *Controller) execute(ctx context.Context, p plan.Plan) changeSet {
	changes := changeSet{namespace: p.Namespace, altered: c.altered.stand(p)}
	accountFailed := false
	for _, a := range p.Actions {
		if a.Verb == plan.None || a.AfterAccounts && accountFailed {
			continue
		}
		err := c.carryOut(ctx, p.Namespace, a)
		accountFailed = accountFailed || err != nil && a.Kind == plan.KindServiceAccount
		changes.results = append(changes.results, result{a, err})
	}
	changes.fights = c.fights.open(p.Namespace, time.Now())
	return changes
}

// carryOut does one action, unless it has to wait: what admission alters is not written again and again, nor what
// somebody undoes.
func (c *Controller) carryOut(ctx context.Context, namespace string, a plan.Action) error {
	key := kube.KeyOf(namespace, a)
	meant := func() intent { return c.intent(namespace, a) }
	if err := c.altered.wait(key, a, meant, time.Now()); err != nil {
		return err
	}
	err := c.repair(key, a, func() error {
		if !c.altered.known(key) { // what is there is what admission made of our own write
			c.announce(namespace, a)
		}
		return c.act(ctx, namespace, a)
	})
	return c.altered.note(key, a, meant, err, time.Now())
}

// announce logs what a write is about to replace, before it does.
func (c *Controller) announce(namespace string, a plan.Action) {
	if len(a.Diff) == 0 {
		return
	}
	c.Log.Warn().Str("namespace", namespace).Str("kind", string(a.Kind)).Str("name", a.Name).Str("rule", a.Rule).Stringer("source", a.Source).
		Str("reason", string(a.Reason)).Strs("diff", bound.List(a.Diff, "lines")).Msg("replacing what somebody else wrote")
}

func (c *Controller) act(ctx context.Context, namespace string, a plan.Action) error {
	live := &cluster.Meta{Namespace: namespace, Name: a.Name, UID: a.UID, ResourceVersion: a.ResourceVersion}
	switch a.Verb {
	case plan.SetList:
		return c.setList(ctx, namespace, a)
	case plan.Release:
		if a.Kind == plan.KindSecret {
			return c.releaseCopy(ctx, namespace, a)
		}
		obj, err := c.api.Get(ctx, kube.ServiceAccounts, namespace, a.Name)
		if err != nil {
			return err
		}
		if obj.GetResourceVersion() != a.ResourceVersion { // the API server itself may have added a name since
			return otherVersion(kube.ServiceAccounts, a.Name)
		}
		names := cluster.NewServiceAccount(obj).PullSecrets
		if obj, err = c.release(ctx, obj); err != nil {
			return err
		}
		return checkNames(obj, names, nil)
	case plan.Create, plan.Update:
		return c.applyCopy(ctx, namespace, a)
	case plan.Replace:
		if err := c.deleteCopy(ctx, live); err != nil {
			return err
		}
		return c.applyCopy(ctx, namespace, a)
	case plan.Delete:
		return c.deleteCopy(ctx, live)
	}
	return errors.New("unknown verb " + string(a.Verb))
}

// applyCopy forces an update, because it was decided that the object is ours or taken over. A create is not forced:
// where somebody was faster, the conflict says so and the decision is made again.
func (c *Controller) applyCopy(ctx context.Context, namespace string, a plan.Action) error {
	if a.Reason == plan.Adopted {
		version, err := c.inherit(ctx, namespace, a)
		if err != nil {
			return err
		}
		a.ResourceVersion = version
	}
	obj := copyObject(namespace, a)
	kept, err := c.applySecret(ctx, obj, a.Verb == plan.Update)
	if err != nil {
		return err
	}
	return checkCopy(c.projector.Secret(obj), kept)
}

// releaseCopy takes our marks off a copy that another field manager owns by now. Its content stays.
func (c *Controller) releaseCopy(ctx context.Context, namespace string, a plan.Action) error {
	_, err := c.applySecret(ctx, releasedObject(namespace, a), true)
	if err == nil {
		c.fights.forgive(kube.KeyOf(namespace, a))
	}
	return err
}

// applySecret applies a secret and returns what the API server made of it.
func (c *Controller) applySecret(ctx context.Context, obj *unstructured.Unstructured, force bool) (kept *cluster.Secret, err error) {
	err = c.written.request(plan.KindSecret, kube.NameOf(obj), func() (cluster.Object, error) {
		applied, err := c.api.Apply(ctx, kube.Secrets, obj, force)
		if err != nil {
			return nil, err
		}
		kept = c.projector.Secret(applied)
		return kept, nil
	})
	return kept, err
}

func otherVersion(resource schema.GroupVersionResource, name string) error {
	return apierrors.NewConflict(resource.GroupResource(), name, errors.New("it is another version than was decided on"))
}

// inherit makes ours what imagepullsecret-patcher owns of its copy, so that the apply that follows drops its marks. It
// returns the version that the copy has then.
func (c *Controller) inherit(ctx context.Context, namespace string, a plan.Action) (version string, err error) {
	obj, err := c.api.Get(ctx, kube.Secrets, namespace, a.Name)
	if err != nil {
		return "", err
	}
	if obj.GetResourceVersion() != a.ResourceVersion {
		return "", otherVersion(kube.Secrets, a.Name)
	}
	obj, err = c.api.Inherit(ctx, kube.Secrets, obj, ancestors(obj))
	if err != nil {
		return "", err
	}
	return obj.GetResourceVersion(), nil
}

func (c *Controller) deleteCopy(ctx context.Context, live cluster.Object) error {
	if err := c.api.Delete(ctx, kube.Secrets, live); err != nil {
		return err
	}
	c.written.deleted(plan.KindSecret, kube.NameOf(live), live.GetUID())
	return nil
}
