package reconcile

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// state sums up the last verdict and the problems of the cluster.
func (j *judge) state() string {
	switch {
	case j.verdict.errors != nil:
		return status.Invalid
	case j.unsaved != "", j.blind() != "", j.c.report.anyProblem():
		return status.Degraded
	}
	return status.Ready
}

// blind names what may not be listed without which nothing can be said of the cluster.
func (j *judge) blind() string {
	switch w := j.c.watches; {
	case w.namespaces.forbidden():
		return "namespaces"
	case w.accounts.forbidden():
		return "service accounts"
	}
	return ""
}

// message says in words why the state is what it is. It holds no time and no count that changes by itself.
func (j *judge) message() string {
	switch j.state() {
	case status.Invalid:
		return bound.Text("refused, " + j.instead() + ": " + strings.ReplaceAll(j.verdict.errors.Error(), "\n", "; "))
	case status.Degraded:
		t := j.c.report.totals()
		var parts []string
		if j.unsaved != "" {
			parts = append(parts, "accepted, but not in force, because the status ConfigMap cannot be written: "+j.unsaved)
		}
		if what := j.blind(); what != "" {
			parts = append(parts, what+" may not be listed and watched")
		}
		for _, p := range t.First {
			part := fmt.Sprintf("%s %s", p.Kind, p.Name)
			if p.Rule != "" {
				part = fmt.Sprintf("rule %s, %s", p.Rule, part)
			}
			if in := where(p); in != "" {
				part += " in namespace " + in
			}
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", part, p.Detail, p.Reason))
		}
		return bound.Text(strings.Join(parts, "; "))
	}
	return "in force in all namespaces that it selects"
}

// verdictSaid is a verdict that was told by other means than annotations.
type verdictSaid struct {
	uid         types.UID
	state, hash string
}

// annotate writes what is to be said of the policy onto its ConfigMap, if that changes it. An accepted policy is only
// reported once every namespace was tried, so that a health check that sees its revision sees its outcome.
// Two controllers that see things differently would rewrite each other's words, so what does not tell of a new text
// backs off like any other fight; then the pause is returned.
func (j *judge) annotate(ctx context.Context) (pause time.Duration, err error) {
	cm := j.policyMap()
	if cm == nil || j.verdict.hash == "" {
		return 0, nil
	}
	state, message := j.state(), j.message()
	want, whole := fitting(j.feedback(state, message), cm.Annotations)
	if !whole {
		j.tellWithoutRoom(cm, state, message)
	}
	if maps.Equal(want, feedbackOf(cm)) {
		return 0, nil
	}
	key := kube.Key{Kind: kube.KindConfigMap, ObjectName: kube.NameOf(cm)}
	is := func(name string) bool { return cm.Annotations[name] == want[name] }
	if !is(cluster.AnnotationObserved) || !is(cluster.AnnotationObservedRevision) {
		j.c.fights.forgive(key)
	} else if pause := j.c.fights.wait(key, 0, time.Now()); pause > 0 {
		return pause, nil
	}
	if err := j.applyFeedback(ctx, cm, want); hasNoRoom(err) {
		j.tellWithoutRoom(cm, state, message) // somebody annotated it in the meantime, or does so with each write
		return noRoomRetry, nil
	} else if err != nil {
		return 0, err
	}
	j.c.fights.repaired(key, plan.Action{}, time.Now())
	if whole && (!is(cluster.AnnotationStatus) || !is(cluster.AnnotationObserved)) {
		j.emitVerdict(cm, state, message)
	}
	return 0, nil
}

// feedback is what our annotations are to say.
func (j *judge) feedback(state, message string) map[string]string {
	want := map[string]string{
		cluster.AnnotationStatus:   state,
		cluster.AnnotationObserved: j.verdict.hash,
		cluster.AnnotationMessage:  message,
	}
	if j.verdict.revision != "" {
		want[cluster.AnnotationObservedRevision] = j.verdict.revision
	}
	return want
}

func (j *judge) applyFeedback(ctx context.Context, cm *cluster.ConfigMap, want map[string]string) error {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": cm.Name, "namespace": cm.Namespace, "uid": string(cm.UID), "resourceVersion": cm.ResourceVersion},
	}}
	obj.SetAnnotations(want)
	return j.apply(ctx, obj)
}

// tellWithoutRoom tells a verdict by an Event and the log, once, where the annotations have no room for all of it.
func (j *judge) tellWithoutRoom(cm *cluster.ConfigMap, state, message string) {
	if now := (verdictSaid{cm.UID, state, j.verdict.hash}); now == j.toldWithoutRoom {
		return
	} else {
		j.toldWithoutRoom = now
	}
	j.emitVerdict(cm, state, message)
	j.c.Log.Warn().Str("configmap", cm.Namespace+"/"+cm.Name).Str("status", state).Str("hash", j.verdict.hash).Str("verdict", message).
		Msg(noRoom)
}

func (j *judge) emitVerdict(cm *cluster.ConfigMap, state, message string) {
	eventType := corev1.EventTypeWarning
	if state == status.Ready {
		eventType = corev1.EventTypeNormal
	}
	j.c.events.emit(cm, eventType, state, message)
}
