package activation

import (
	"context"
	"maps"
	"time"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// feedback is what was published of the policy, so that it is published once.
type feedback struct {
	rewrites    apply.Backoff          // of annotations that another controller writes too, or whose state goes back and forth
	rewords     apply.Backoff          // of the message alone, where nobody else wrote it
	withoutRoom shownEvaluation        // the last that the annotations had no room for
	said        string                 // the message that was written last
	told        []status.SourceFinding // what the last look found, see tellFindings

	// Of a policy that was given with flags, see logState.
	lastLogged  shownState // with the shape of the message
	loadedState string     // what the status said before this start
}

// shownEvaluation is an evaluation that was published by other means than annotations.
type shownEvaluation struct {
	uid         types.UID
	state, hash string
}

// annotate writes what is to be said of the policy onto its ConfigMap, if that changes it. An accepted policy is only
// reported once every namespace was tried, so that a health check that sees its revision sees its outcome.
// Two controllers that see the cluster differently would overwrite each other's annotations for ever. So a write that does not
// tell of a new text backs off, as a write to any other contended object does; then the pause is returned. Other words for the same
// state back off by themselves: a namespace that goes bad and good again must not delay what is said of the policy, nor what somebody has to confirm.
func (a *Activator) annotate(ctx context.Context) (pause time.Duration, err error) {
	cm := a.Cluster.PolicyMap()
	if cm == nil || a.evaluator.evaluation.hash == "" {
		return 0, nil
	}
	state, message := a.verdict()
	want, whole := fitting(a.annotations(state, message), cm.Annotations)
	if !whole {
		a.publishWithoutRoom(cm, state, message)
	}
	if maps.Equal(want, annotationsOf(cm)) {
		return 0, nil
	}
	is := func(name string) bool { return cm.Annotations[name] == want[name] }
	backoff := &a.feedback.rewrites
	switch {
	case !is(cluster.AnnotationObserved) || !is(cluster.AnnotationObservedRevision):
		*backoff = apply.Backoff{}
	case is(cluster.AnnotationStatus) && is(cluster.AnnotationHeldPrune) && cm.Annotations[cluster.AnnotationMessage] == a.feedback.said:
		backoff = &a.feedback.rewords
	}
	if pause := backoff.Wait(time.Now()); pause > 0 {
		return pause, nil
	}
	if err := a.applyAnnotations(ctx, cm, want); hasNoRoom(err) {
		a.publishWithoutRoom(cm, state, message) // somebody annotated it in the meantime, or does so with each write
		return noRoomRetry, nil
	} else if err != nil {
		return 0, err
	}
	backoff.Repaired(time.Now())
	a.feedback.said = want[cluster.AnnotationMessage]
	if whole && (!is(cluster.AnnotationStatus) || !is(cluster.AnnotationObserved)) {
		a.emit(cm, state, message)
	}
	return 0, nil
}

// annotations is what our annotations are to say.
func (a *Activator) annotations(state, message string) map[string]string {
	want := map[string]string{
		cluster.AnnotationStatus:   state,
		cluster.AnnotationObserved: a.evaluator.evaluation.hash,
		cluster.AnnotationMessage:  message,
	}
	if a.evaluator.evaluation.revision != "" {
		want[cluster.AnnotationObservedRevision] = a.evaluator.evaluation.revision
	}
	inForce := a.evaluator.evaluation.errors == nil && a.Active() == a.evaluator.lastGood.policy // or a confirmation counts for another text
	if inForce && a.Limit.Held() && a.Reporter.AnyHeld() {
		want[cluster.AnnotationHeldPrune] = a.evaluator.evaluation.hash
	}
	return want
}

func (a *Activator) applyAnnotations(ctx context.Context, cm *cluster.ConfigMap, want map[string]string) error {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": cm.Name, "namespace": cm.Namespace, "uid": string(cm.UID), "resourceVersion": cm.ResourceVersion},
	}}
	obj.SetAnnotations(want)
	return a.apply(ctx, obj)
}

// publishWithoutRoom publishes an evaluation by an Event and the log, once, where the annotations have no room for all of it.
func (a *Activator) publishWithoutRoom(cm *cluster.ConfigMap, state, message string) {
	if now := (shownEvaluation{cm.UID, state, a.evaluator.evaluation.hash}); now == a.feedback.withoutRoom {
		return
	} else {
		a.feedback.withoutRoom = now
	}
	a.emit(cm, state, message)
	a.Log.Warn().Str("configmap", cm.Namespace+"/"+cm.Name).Str("status", state).Str("hash", a.evaluator.evaluation.hash).Str("verdict", message).
		Msg(noRoom)
}

func (a *Activator) emit(cm *cluster.ConfigMap, state, message string) {
	eventType := corev1.EventTypeWarning
	if state == status.Ready {
		eventType = corev1.EventTypeNormal
	}
	a.Events().Emit(cm, eventType, state, message)
}

// shownState is a state that was logged.
type shownState struct{ state, shape string }

// logState logs a state that is new, and writes an Event about it if there is a status ConfigMap. Another count is no news.
func (a *Activator) logState() {
	state, message := a.verdict()
	if now := (shownState{state, a.shape()}); now == a.feedback.lastLogged {
		return
	} else {
		a.feedback.lastLogged = now
	}
	level, eventType := zerolog.InfoLevel, corev1.EventTypeNormal
	if state != status.Ready {
		level, eventType = zerolog.WarnLevel, corev1.EventTypeWarning
	}
	a.Log.WithLevel(level).Str("status", state).Msg(message)
	if saved := a.Cluster.StatusMap(); saved != nil && state != a.feedback.loadedState {
		a.Events().Emit(saved, eventType, state, message)
	}
	a.feedback.loadedState = ""
}
