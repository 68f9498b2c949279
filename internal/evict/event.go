package evict

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	eventReason = "EvictedForPullSecret"
	eventSource = cluster.FieldManager + "-evict"
)

// announce writes an Event on a pod before it is evicted. There is one for each pod, so client-go's recorder, which sums up many of
// the same, has nothing to do. Without it the eviction goes on: the log tells the same.
func (e *Evictor) announce(ctx context.Context, c *candidate) {
	now := metav1.NewTime(time.Now())
	event := &corev1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{Namespace: c.pod.Namespace, GenerateName: c.pod.Name + "."},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: c.pod.Namespace, Name: c.pod.Name, UID: c.pod.UID, ResourceVersion: c.pod.ResourceVersion,
		},
		Type: corev1.EventTypeNormal, Reason: eventReason, Message: bound.Text(eventText(c)),
		Source: corev1.EventSource{Component: eventSource}, ReportingController: eventSource,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(event)
	if err == nil {
		_, err = e.Client.Resource(kube.Events).Namespace(c.pod.Namespace).
			Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{FieldManager: cluster.FieldManager})
	}
	if err != nil && ctx.Err() == nil {
		e.throttled.WriteFailed("an Event on a pod that is evicted", err)
	}
}

func eventText(c *candidate) string {
	return fmt.Sprintf("container %s waits for its image (%s), and the pod was created without the pull secrets that new pods get: %s; "+
		"%s/%s makes a new one", c.pod.Container, c.pod.Waits, strings.Join(c.verdict.Names, ", "), c.pod.Controller.Kind, c.pod.Controller.Name)
}
