package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// setList writes a service account's list. What the API server returns is what counts: an admission policy may have
// added names again that were just removed, or taken out what was added.
func (e *Executor) setList(ctx context.Context, namespace string, a plan.Action) error {
	if done, err := e.touchOnly(ctx, namespace, &a); done || err != nil {
		return err
	}
	obj, err := e.writeAccount(namespace, a.Name, func() (metav1.Object, error) {
		return e.client.Apply(ctx, kube.ServiceAccounts, listObject(e.installation, namespace, a), true)
	})
	if err == nil {
		err = checkList(e.installation, obj, a.List)
	}
	back := errors.Is(err, ErrCameBack) // it is no reason to keep the list until the next try, which can be a while
	if err != nil && !back || !a.List.Release {
		return err
	}
	// Should it fail, the next plan is to release the list.
	obj, failed := e.release(ctx, obj)
	switch {
	case failed != nil:
		return failed
	case back:
		return err
	}
	return checkNames(obj, a.List.Names, a.List.Removed) // another API server may be behind
}

// release gives a service account's list up, or the next plain server-side apply by its owner would conflict with us
// for ever. An empty list goes with the field; otherwise only our managedFields entry does.
func (e *Executor) release(ctx context.Context, obj metav1.Object) (metav1.Object, error) {
	account := cluster.NewServiceAccount(obj)
	return e.writeAccount(account.Namespace, account.Name, func() (metav1.Object, error) {
		if len(account.PullSecrets) == 0 && account.Applied {
			return e.client.Apply(ctx, kube.ServiceAccounts,
				accountObject(account.Namespace, account.Name, string(account.UID), account.ResourceVersion), true)
		}
		return e.client.ReleaseOwnership(ctx, kube.ServiceAccounts, obj)
	})
}

// releaseAccount gives a list up that was decided on at a version.
func (e *Executor) releaseAccount(ctx context.Context, namespace string, a plan.Action) error {
	live, err := e.client.Get(ctx, kube.ServiceAccounts, namespace, a.Name)
	if err != nil {
		return err
	}
	if live.GetResourceVersion() != a.ResourceVersion { // the API server itself may have added a name since
		return otherVersion(kube.ServiceAccounts, a.Name)
	}
	released, err := e.release(ctx, live)
	if err != nil {
		return err
	}
	return checkNames(released, cluster.NewServiceAccount(live).PullSecrets, nil)
}

// touchOnly has the API server add the names, and note them, to a list that is to be given up after that, by a write
// that holds nothing of it. So it is nobody's but its owner's all the time. It is not done if the API server does not add
// them, or if there is more to write.
func (e *Executor) touchOnly(ctx context.Context, namespace string, a *plan.Action) (done bool, err error) {
	if len(a.List.Added) == 0 || len(a.List.Removed) > 0 || !a.List.Release || !e.guaranteed() {
		return false, nil
	}
	for wait := touchFirst; wait <= touchLast; wait *= 2 { // it sees a parameter a moment after it was written
		obj, err := e.writeAccount(namespace, a.Name, func() (metav1.Object, error) {
			return e.client.Touch(ctx, accountObject(namespace, a.Name, string(a.UID), a.ResourceVersion))
		})
		if err != nil {
			return false, err
		}
		account := cluster.NewServiceAccount(obj)
		a.ResourceVersion = account.ResourceVersion
		if !slices.ContainsFunc(a.List.Added, func(name string) bool { return !slices.Contains(account.PullSecrets, name) }) {
			if !sameNames(e.installation.NotedOn(account), a.List.Ledger) {
				return false, nil
			}
			return true, checkList(e.installation, obj, a.List)
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(wait):
		}
	}
	e.guarantee.MarkIneffective()
	return false, nil
}

// guaranteed reports whether the API server adds names by itself.
func (e *Executor) guaranteed() bool { return e.guarantee != nil && e.guarantee.Effective() }

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

const (
	touchFirst = 20 * time.Millisecond
	touchLast  = 320 * time.Millisecond
)

func (e *Executor) writeAccount(namespace, name string, write func() (metav1.Object, error)) (obj metav1.Object, err error) {
	err = e.writes.Do(plan.KindServiceAccount, cache.ObjectName{Namespace: namespace, Name: name}, func() (cluster.Object, error) {
		obj, err = write()
		if err != nil {
			return nil, err
		}
		return e.account(obj), nil
	})
	return obj, err
}
