package activation

import (
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

const (
	// leastMessage is how much of a message has to have room for it to be written at all, in bytes.
	leastMessage = 40
	// noRoomRetry is how soon annotations are tried again that had room by what is known of the ConfigMap, and were refused.
	noRoomRetry = time.Minute
)

// noRoom says why annotations are incomplete, and what to do.
const noRoom = "the annotations of the policy ConfigMap have no room for the whole verdict: all annotations of an object have 256 KiB, and " +
	"`kubectl apply` keeps the whole text there; remove its annotation kubectl.kubernetes.io/last-applied-configuration and use " +
	"`kubectl apply --server-side`, or make the policy smaller"

// annotationKeys are the annotations that hold the evaluation, in the order in which they get the room that there is.
var annotationKeys = []string{
	cluster.AnnotationStatus, cluster.AnnotationObserved, cluster.AnnotationObservedRevision, cluster.AnnotationHeldPrune,
	cluster.AnnotationMessage,
}

// fitting returns what of our annotations has room beside those of everybody else, and whether that is all. A message
// is cut; any other value is whole or missing. Of an evaluation that has no room nothing is left, and so no older one either.
func fitting(want, live map[string]string) (out map[string]string, whole bool) {
	room := validation.TotalAnnotationSizeLimitB
	for key, value := range live {
		room -= len(key) + len(value)
	}
	for key, value := range annotationsOf(&cluster.ConfigMap{Annotations: live}) {
		room += len(key) + len(value)
	}
	out, whole = map[string]string{}, true
	for _, key := range annotationKeys {
		value, wanted := want[key]
		if !wanted {
			continue
		}
		left := room - len(key) - len(value)
		if left < 0 {
			whole = false
			short := len(value) + left - len("…")
			if key != cluster.AnnotationMessage || short < leastMessage {
				continue
			}
			value = bound.TextTo(value, short)
		}
		out[key] = value
		room -= len(key) + len(value)
	}
	return out, whole
}

// annotationsOf returns those of a ConfigMap's annotations that hold the evaluation.
func annotationsOf(cm *cluster.ConfigMap) map[string]string {
	out := map[string]string{}
	for _, key := range annotationKeys {
		if value := cm.Annotations[key]; value != "" {
			out[key] = value
		}
	}
	return out
}

// hasNoRoom reports whether a write was refused because all annotations together are too long.
func hasNoRoom(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseType(field.ErrorTypeTooLong))
	return ok && cause.Field == "metadata.annotations"
}
