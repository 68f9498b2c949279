package activation

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestTheVerdictGetsTheRoomThatThereIs: the short annotations come first, and of an older verdict nothing is left.
func TestTheVerdictGetsTheRoomThatThereIs(t *testing.T) {
	const status, observed, revision, message = cluster.AnnotationStatus, cluster.AnnotationObserved, cluster.AnnotationObservedRevision, cluster.AnnotationMessage
	want := map[string]string{status: "Invalid", observed: "sha256:0123456789", revision: "v2", message: strings.Repeat("m", 500)}
	size := func(keys ...string) (n int) {
		for _, key := range keys {
			n += len(key) + len(want[key])
		}
		return n
	}
	older := map[string]string{status: "Ready", observed: "sha256:9876543210", revision: "v1", message: "in force"}
	for _, tt := range []struct {
		why  string
		room int // bytes that others leave
		live map[string]string
		keys []string // that are whole
		cut  int      // bytes of the message that are left, if it is cut
	}{
		{"there is room", 4000, nil, []string{status, observed, revision, message}, 0},
		{"exactly", size(status, observed, revision, message), nil, []string{status, observed, revision, message}, 0},
		{"for part of the message", size(status, observed, revision, message) - 100, nil, []string{status, observed, revision}, 400},
		{"for too little of the message", size(status, observed, revision) + len(message) + 20, nil, []string{status, observed, revision}, 0},
		{"for none of it", size(status, observed, revision), nil, []string{status, observed, revision}, 0},
		{"not for the revision", size(status, observed) + 5, nil, []string{status, observed}, 0},
		{"for the status alone", 40, nil, []string{status}, 0},
		{"for nothing", 10, nil, nil, 0},
		{"for nothing, and an older verdict is there", 10, older, nil, 0},
		{"in the place of an older verdict", size(status, observed, revision), older, []string{status, observed, revision}, 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			key := "kubectl.kubernetes.io/last-applied-configuration"
			live := map[string]string{key: strings.Repeat("x", validation.TotalAnnotationSizeLimitB-len(key)-tt.room)}
			maps.Copy(live, tt.live)
			got, whole := fitting(want, live)
			expected := map[string]string{}
			for _, key := range tt.keys {
				expected[key] = want[key]
			}
			if tt.cut > 0 {
				expected[message] = strings.Repeat("m", tt.cut-len("…")) + "…"
			}
			if diff := cmp.Diff(expected, got); diff != "" || whole != (len(tt.keys) == len(want)) {
				t.Errorf("whole: %v, (-want +got): %s", whole, diff)
			}
			for key := range tt.live {
				delete(live, key)
			}
			maps.Copy(live, got)
			if err := validation.ValidateAnnotationsSize(live); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARefusalForTheSizeOfAnnotationsIsKnown(t *testing.T) {
	kind := schema.GroupKind{Kind: "ConfigMap"}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{apierrors.NewInvalid(kind, "a", field.ErrorList{field.TooLong(field.NewPath("metadata", "annotations"), "", 5)}), true},
		{apierrors.NewInvalid(kind, "a", field.ErrorList{field.TooLong(field.NewPath("data"), "", 5)}), false},
		{apierrors.NewConflict(schema.GroupResource{}, "a", nil), false},
	} {
		if got := hasNoRoom(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
