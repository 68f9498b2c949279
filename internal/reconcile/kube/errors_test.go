package kube

import (
	"fmt"
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

func TestCausesThatNameNothingAreLeftOut(t *testing.T) {
	const denied = `secrets "reg" is forbidden: ValidatingAdmissionPolicy 'corp.example' with binding 'all' denied request: canary`
	for _, c := range []struct {
		causes []metav1.StatusCause
		want   string
	}{
		{nil, "422 Invalid: denied by ValidatingAdmissionPolicy 'corp.example'"},
		{[]metav1.StatusCause{{Message: "canary"}}, "422 Invalid: denied by ValidatingAdmissionPolicy 'corp.example'"},
		{[]metav1.StatusCause{{Message: "canary"}, {Type: metav1.CauseTypeFieldValueInvalid, Field: "type", Message: "canary"}},
			"422 Invalid: denied by ValidatingAdmissionPolicy 'corp.example' (FieldValueInvalid type)"},
	} {
		err := &apierrors.StatusError{ErrStatus: metav1.Status{
			Code: 422, Reason: metav1.StatusReasonInvalid, Message: denied, Details: &metav1.StatusDetails{Causes: c.causes},
		}}
		if got := Redact(err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestWhatEtcdSaysOfItselfIsTold, and nothing that only begins so.
func TestWhatEtcdSaysOfItselfIsTold(t *testing.T) {
	for message, want := range map[string]string{
		"etcdserver: mvcc: database space exceeded":                                       "500 Other: etcdserver: mvcc: database space exceeded",
		"etcdserver: request timed out":                                                   "500 Other: etcdserver: request timed out",
		"etcdserver: mvcc: database space exceeded: {auths}":                              "500 Other",
		"etcdserver: of somebody's making":                                                "500 Other",
		`admission webhook "a.example" denied the request: etcdserver: request timed out`: `500: denied by admission webhook "a.example"`,
	} {
		if got := Redact(&apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Message: message}}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestTheVerbThatIsMissingIsFound where the API server says so, in the words of each version.
func TestTheVerbThatIsMissingIsFound(t *testing.T) {
	for message, want := range map[string]string{
		`secrets "reg" is forbidden: User "u" cannot create resource "secrets" in API group "" in the namespace "a"`: "create",
		`serviceaccounts "x" is forbidden: User "u" cannot patch resource "serviceaccounts" in API group ""`:         "patch",
		`secrets "reg" is forbidden: `:                                                   "create", // 1.31, where an apply would have made it
		`secrets "reg" is forbidden: somebody's own`:                                     "",
		`admission webhook "a.example" denied the request: secrets "reg" is forbidden: `: "",
	} {
		err := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: message}}
		if got := MissingVerb(err); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

func TestWhatTheAPIServerSaysIsBounded(t *testing.T) {
	err := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{}}}
	for i := range 1000 {
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes,
			metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: fmt.Sprintf("data[%s%d]", strings.Repeat("x", 1000*(i%2)), i)})
	}
	got := Redact(err)
	if len(got) > bound.MaxText+3 || !strings.HasSuffix(got, "and 995 more)") || !strings.Contains(got, "data[4]") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestClassify(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	terminating := apierrors.NewForbidden(secrets, "a", nil)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	webhook := func(code int32, reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: `admission webhook "a.example" denied the request: no`}}
	}
	for _, c := range []struct {
		err  error
		want Class
		why  string
	}{
		{nil, OK, "nothing failed"},
		{apierrors.NewNotFound(secrets, "a"), Gone, "what it is in is gone"},
		{terminating, Gone, "its namespace is being deleted"},
		{webhook(404, metav1.StatusReasonNotFound), Failed, "a webhook's code says nothing of the object"},
		{apierrors.NewConflict(secrets, "a", nil), Stale, "somebody wrote it in between"},
		{apierrors.NewAlreadyExists(secrets, "a"), Stale, "somebody made it in between"},
		{webhook(409, metav1.StatusReasonConflict), Failed, "a webhook's code says nothing of the object"},
		{fmt.Errorf("wrapped: %w", &net.OpError{Op: "dial"}), Unreachable, "nobody answered"},
		{apierrors.NewForbidden(secrets, "a", nil), Failed, "somebody has to permit it"},
		{Plain("no"), Failed, "it is not of the API server"},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("%v: class %d, want %d: %s", c.err, got, c.want, c.why)
		}
	}
}
