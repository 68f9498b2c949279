package reconcile

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// What AnnotationStatus says.
const (
	stateReady    = "Ready"    // the policy is in force everywhere
	stateDegraded = "Degraded" // it is in force, with problems
	stateInvalid  = "Invalid"  // the last text was refused
)

// maxMessage bounds AnnotationMessage, in bytes.
const maxMessage = 1000

// state sums up the last verdict and the problems of the cluster.
func (j *judge) state() string {
	switch {
	case j.verdict.errors != nil:
		return stateInvalid
	case j.c.report.totals().Problems > 0:
		return stateDegraded
	}
	return stateReady
}

// message says in words why the state is what it is. It holds no time and no count that changes by itself.
func (j *judge) message() string {
	switch j.state() {
	case stateInvalid:
		return shorten("refused, " + j.instead() + ": " + strings.ReplaceAll(j.verdict.errors.Error(), "\n", "; "))
	case stateDegraded:
		t := j.c.report.totals()
		var parts []string
		for _, p := range t.First {
			part := fmt.Sprintf("%s %s", p.Kind, p.Name)
			if p.Rule != "" {
				part = fmt.Sprintf("rule %s, %s", p.Rule, part)
			}
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", part, p.Detail, p.Reason))
		}
		return shorten(strings.Join(parts, "; "))
	}
	return "in force in all namespaces that it selects"
}

func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// annotate writes what is to be said of the policy onto its ConfigMap, if that changes it. An accepted policy is only
// reported once every namespace was tried, so that a health check that sees its revision sees its outcome.
func (j *judge) annotate(ctx context.Context, passed bool) error {
	cm := j.policyMap()
	if cm == nil || (!passed && j.verdict.errors == nil) || j.verdict.hash == "" {
		return nil
	}
	state := j.state()
	want := map[string]string{
		cluster.AnnotationStatus:   state,
		cluster.AnnotationObserved: j.verdict.hash,
		cluster.AnnotationMessage:  j.message(),
	}
	if j.verdict.revision != "" {
		want[cluster.AnnotationObservedRevision] = j.verdict.revision
	}
	same := true
	for _, key := range []string{cluster.AnnotationStatus, cluster.AnnotationObserved, cluster.AnnotationMessage, cluster.AnnotationObservedRevision} {
		same = same && cm.Annotations[key] == want[key]
	}
	if same {
		return nil
	}
	news := cm.Annotations[cluster.AnnotationStatus] != state || cm.Annotations[cluster.AnnotationObserved] != j.verdict.hash
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": cm.Name, "namespace": cm.Namespace, "uid": string(cm.UID)},
	}}
	obj.SetAnnotations(want)
	applied, err := j.c.api.Apply(ctx, configMapResource, obj, true)
	if err != nil {
		return err
	}
	j.c.written.applied(kindConfigMap, cluster.NewConfigMap(applied))
	if news {
		eventType := corev1.EventTypeWarning
		if state == stateReady {
			eventType = corev1.EventTypeNormal
		}
		j.c.events.emit(cm, eventType, state, want[cluster.AnnotationMessage])
	}
	return nil
}
