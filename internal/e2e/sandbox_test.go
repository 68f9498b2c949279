package e2e

import (
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// sandbox is the harness's, with what the tests of one behaviour ask of it in the file of that behaviour.
type sandbox struct{ *harness.Sandbox }

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	return &sandbox{harness.NewSandbox(t)}
}

// newAdmissionSandbox returns a sandbox with the component installed, whose processes run with -admission.
func newAdmissionSandbox(t *testing.T) *sandbox {
	s := newSandbox(t)
	s.Component()
	s.Admission = true
	return s
}
