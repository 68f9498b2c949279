package report

import (
	"context"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/record"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// Events writes Events. client-go's recorder aggregates and throttles them; only the last step is ours, because
// its own needs the typed clientset.
type Events struct {
	recorder       record.EventRecorder
	emitted, tried atomic.Int64
	written        chan struct{} // one more was tried
}

// NewEvents starts a recorder that ends with ctx.
func NewEvents(ctx context.Context, client dynamic.Interface, failed func(error)) *Events {
	e := &Events{written: make(chan struct{}, 1)}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(eventSink{ctx, client, failed, e.oneTried})
	e.recorder = broadcaster.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: cluster.FieldManager})
	return e
}

// Wait waits until all Events were tried to be written, but no longer than patience: the recorder drops some of many.
func (e *Events) Wait(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for e.tried.Load() < e.emitted.Load() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-e.written:
		}
	}
}

func (e *Events) oneTried() {
	e.tried.Add(1)
	select {
	case e.written <- struct{}{}:
	default:
	}
}

// Emit writes an Event, whose message is bounded: the API for Events takes 1024 bytes.
func (e *Events) Emit(about *cluster.ConfigMap, eventType, reason, message string) {
	e.emitted.Add(1)
	e.recorder.Event(&corev1.ObjectReference{
		APIVersion: "v1", Kind: "ConfigMap",
		Namespace: about.Namespace, Name: about.Name, UID: about.UID, ResourceVersion: about.ResourceVersion,
	}, eventType, reason, bound.Text(message))
}

// eventSink writes Events through the dynamic client. record.EventSink passes no context, so it holds one.
type eventSink struct {
	ctx    context.Context
	client dynamic.Interface
	failed func(error)
	tried  func() // one Event, with whatever outcome
}

const eventTimeout = 10 * time.Second

func (s eventSink) Create(e *corev1.Event) (*corev1.Event, error) {
	defer s.tried()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(e)
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{Object: content}
	obj.SetAPIVersion("v1")
	obj.SetKind("Event")
	ctx, cancel := context.WithTimeout(s.ctx, eventTimeout)
	defer cancel()
	return s.written(s.client.Resource(kube.Events).Namespace(e.Namespace).Create(ctx, obj, metav1.CreateOptions{}))
}

// Update is part of record.EventSink; the recorder uses Patch for what it wrote before.
func (s eventSink) Update(e *corev1.Event) (*corev1.Event, error) { return s.Create(e) }

func (s eventSink) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	defer s.tried()
	ctx, cancel := context.WithTimeout(s.ctx, eventTimeout)
	defer cancel()
	return s.written(s.client.Resource(kube.Events).Namespace(e.Namespace).
		Patch(ctx, e.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{}))
}

func (s eventSink) written(u *unstructured.Unstructured, err error) (*corev1.Event, error) {
	if err != nil {
		if s.ctx.Err() == nil {
			s.failed(err)
		}
		return nil, err
	}
	e := &corev1.Event{}
	return e, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, e)
}
