package kube

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// write patches an object and returns it as it is then. The version in the answer is what the next write is held to, so only an
// answer that is this object is one.
func (a dynamicClient) write(ctx context.Context, resource schema.GroupVersionResource, obj metav1.Object, kind types.PatchType, data []byte, o metav1.PatchOptions) (metav1.Object, error) {
	answer, err := patch(ctx, a.client.Resource(resource).Namespace(obj.GetNamespace()), obj.GetName(), kind, data, o)
	if err != nil {
		return nil, err
	}
	if !sameObject(answer, obj) {
		return nil, notTheObject(answer)
	}
	return answer, nil
}

// errOtherAnswer is said of what a proxy answers in place of the API server: nothing says that anything was written.
const errOtherAnswer = Plain("the answer to a write is not the object that was written")

// sameObject reports whether an answer is what was written, in some version.
func sameObject(answer, written metav1.Object) bool {
	return kindOf(answer) == kindOf(written) && NameOf(answer) == NameOf(written) && answer.GetResourceVersion() != "" && answer.GetUID() != "" &&
		(written.GetUID() == "" || answer.GetUID() == written.GetUID())
}

// kindOf is the kind of an object; none of what is no object of Kubernetes.
func kindOf(o metav1.Object) schema.GroupVersionKind {
	if known, ok := o.(runtime.Object); ok {
		return known.GetObjectKind().GroupVersionKind()
	}
	return schema.GroupVersionKind{}
}

// notTheObject is what is wrong with an answer that is another one. A proxy may pass on why a write was refused, and say that it was not.
func notTheObject(answer metav1.Object) error {
	u, ok := answer.(*unstructured.Unstructured)
	if !ok || u.GetKind() != "Status" || u.Object["status"] != metav1.StatusFailure {
		return errOtherAnswer
	}
	var refused *apierrors.StatusError // any other error of FromObject holds the answer
	if errors.As(apierrors.FromObject(u), &refused) {
		return refused
	}
	return errOtherAnswer
}
