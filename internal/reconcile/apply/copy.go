package apply

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// applyCopy forces an update, because it was decided that the object is ours or taken over. A create is not forced:
// where somebody was faster, the conflict says so and the decision is made again.
func (e *Executor) applyCopy(ctx context.Context, namespace string, a plan.Action) error {
	if a.Reason == plan.Adopted {
		version, err := e.takeOwnership(ctx, namespace, a)
		if err != nil {
			return err
		}
		a.ResourceVersion = version
	}
	obj := copyObject(namespace, a)
	kept, err := e.applySecret(ctx, obj, a.Verb == plan.Update)
	if err != nil {
		return err
	}
	return checkCopy(e.meant(a), kept)
}

// meant is the copy that an action is to bring about.
func (e *Executor) meant(a plan.Action) *cluster.Secret {
	content, _, _ := e.projector.Content(a.Copy.Type, a.Copy.Credential.Reveal())
	return &cluster.Secret{Type: a.Copy.Type, Content: content, Marks: a.Copy.Marks}
}

// releaseCopy takes our marks off a copy that another field manager owns by now. Its content stays.
func (e *Executor) releaseCopy(ctx context.Context, namespace string, a plan.Action) error {
	_, err := e.applySecret(ctx, releasedObject(namespace, a), true)
	if err == nil {
		e.contention.forgive(kube.KeyOf(namespace, a))
	}
	return err
}

// applySecret applies a secret and returns what the API server made of it.
func (e *Executor) applySecret(ctx context.Context, obj *unstructured.Unstructured, force bool) (kept *cluster.Secret, err error) {
	err = e.writes.Do(plan.KindSecret, kube.NameOf(obj), func() (cluster.Object, error) {
		applied, err := e.client.Apply(ctx, kube.Secrets, obj, force)
		if err != nil {
			return nil, err
		}
		kept = e.projector.Secret(applied)
		return kept, nil
	})
	return kept, err
}

func otherVersion(resource schema.GroupVersionResource, name string) error {
	return apierrors.NewConflict(resource.GroupResource(), name, errors.New("it is another version than was decided on"))
}

// takeOwnership makes ours what imagepullsecret-patcher owns of its copy, so that the apply that follows drops its marks. It
// returns the version that the copy has then.
func (e *Executor) takeOwnership(ctx context.Context, namespace string, a plan.Action) (version string, err error) {
	obj, err := e.client.Get(ctx, kube.Secrets, namespace, a.Name)
	if err != nil {
		return "", err
	}
	if obj.GetResourceVersion() != a.ResourceVersion {
		return "", otherVersion(kube.Secrets, a.Name)
	}
	taken, err := e.client.TakeOwnership(ctx, kube.Secrets, obj, patcherManagers(obj))
	if err != nil {
		return "", err
	}
	return taken.GetResourceVersion(), nil
}

func (e *Executor) deleteCopy(ctx context.Context, live cluster.Object) error {
	return e.writes.Delete(plan.KindSecret, live, func() error { return e.client.Delete(ctx, kube.Secrets, live) })
}
