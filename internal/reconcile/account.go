package reconcile

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// setList writes a service account's list. What the API server returns is what counts: an admission policy may have
// added names again that were just removed.
func (c *Controller) setList(ctx context.Context, namespace string, a plan.Action) error {
	if done, err := c.touchOnly(ctx, namespace, &a); done || err != nil {
		return err
	}
	obj, err := c.writeAccount(namespace, a.Name, func() (*unstructured.Unstructured, error) {
		return c.api.Apply(ctx, accountResource, listObject(namespace, a), true)
	})
	if err != nil {
		return err
	}
	if cameBack(obj, a.List.Removed) {
		return errCameBack
	}
	if !a.List.Release {
		return c.letGo(ctx, obj, a)
	}
	obj, err = c.release(ctx, obj)
	if err == nil && cameBack(obj, a.List.Removed) { // another API server may be behind
		return errCameBack
	}
	return err
}

// cameBack reports whether an account still has a name that was removed.
func cameBack(obj *unstructured.Unstructured, removed []string) bool {
	return slices.ContainsFunc(cluster.NewServiceAccount(obj).PullSecrets, func(name string) bool { return slices.Contains(removed, name) })
}

// release gives a service account's list back, or the next plain server-side apply by its owner would conflict with
// us for ever. An empty list goes with the field; otherwise only our managedFields entry does.
func (c *Controller) release(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	account := cluster.NewServiceAccount(obj)
	return c.writeAccount(account.Namespace, account.Name, func() (*unstructured.Unstructured, error) {
		if len(account.PullSecrets) == 0 && account.Applied {
			return c.api.Apply(ctx, accountResource,
				accountObject(account.Namespace, account.Name, string(account.UID), account.ResourceVersion), true)
		}
		return c.api.Disown(ctx, accountResource, obj, false)
	})
}

// touchOnly has the API server add the names, and note them, to a list that has another owner, by a write that holds
// nothing of that. So the other one stays its owner all the time. It is not done if the API server does not add them, or
// if there is more to write.
func (c *Controller) touchOnly(ctx context.Context, namespace string, a *plan.Action) (done bool, err error) {
	if len(a.List.Added) == 0 || len(a.List.Removed) > 0 || a.List.Release || !c.admission.heard() || !c.staysWithOwner(*a) {
		return false, nil
	}
	for wait := touchFirst; wait <= touchLast; wait *= 2 { // it sees a parameter a moment after it was written
		obj, err := c.writeAccount(namespace, a.Name, func() (*unstructured.Unstructured, error) {
			return c.api.Touch(ctx, accountObject(namespace, a.Name, string(a.UID), a.ResourceVersion))
		})
		if err != nil {
			return false, err
		}
		account := cluster.NewServiceAccount(obj)
		a.ResourceVersion = account.ResourceVersion
		if !slices.ContainsFunc(a.List.Added, func(name string) bool { return !slices.Contains(account.PullSecrets, name) }) {
			return sameNames(plan.ParseLedger(account.Ledger), a.List.Ledger), nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(wait):
		}
	}
	c.admission.unheard()
	return false, nil
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

const (
	touchFirst = 20 * time.Millisecond
	touchLast  = 320 * time.Millisecond
)

// staysWithOwner reports whether a list has another owner and the API server itself keeps our names in it.
func (c *Controller) staysWithOwner(a plan.Action) bool {
	return len(a.Owners) > 0 && c.admission.promisesAll(append(slices.Clone(a.List.Ledger), a.List.Added...))
}

const letGoTries = 5 // somebody else writes an account between two of our writes rarely, and hardly ever this often

// letGo gives up a list that is somebody else's too, where the API server itself keeps our names in it: or that one's
// next plain server-side apply, as Helm's, would be refused because of us. That entries of others are in it counts as much
// as who owned it: after a removal that came back, the owner lost it to us already. A list of our names alone stays ours.
func (c *Controller) letGo(ctx context.Context, obj *unstructured.Unstructured, a plan.Action) error {
	account := cluster.NewServiceAccount(obj)
	ours := append(slices.Clone(a.List.Ledger), a.List.Added...)
	shared := slices.ContainsFunc(account.PullSecrets, func(name string) bool { return !slices.Contains(ours, name) })
	if len(a.Owners) == 0 && !shared || !c.admission.promisesAll(ours) {
		return nil
	}
	for range letGoTries { // nothing brings us back here: the list is as it should be
		_, err := c.writeAccount(account.Namespace, account.Name, func() (*unstructured.Unstructured, error) {
			return c.api.Disown(ctx, accountResource, obj, true)
		})
		if !isStale(err) {
			return err
		}
		if obj, err = c.api.Get(ctx, accountResource, account.Namespace, account.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) writeAccount(namespace, name string, write func() (*unstructured.Unstructured, error)) (obj *unstructured.Unstructured, err error) {
	err = c.written.request(plan.KindServiceAccount, cache.ObjectName{Namespace: namespace, Name: name}, func() (cluster.Object, error) {
		obj, err = write()
		if err != nil {
			return nil, err
		}
		return cluster.NewServiceAccount(obj), nil
	})
	return obj, err
}
