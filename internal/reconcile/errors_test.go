package reconcile

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
		if got := describe(err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
