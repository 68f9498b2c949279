package reconcile

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unreachable describes an API server that does not answer.
const unreachable = "the API server cannot be reached; retrying"

// errCameBack says that the API server put back names that we removed: an admission policy still adds them.
var errCameBack = errors.New("the API server put removed names back")

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }

// isGone reports whether a write failed because its namespace is going or gone. There is nothing to do or to say:
// the namespace's own event follows.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// isStale reports whether a write failed because the object is another one than was decided on. The event that
// brings the new one, or a quick retry, mends it.
func isStale(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// isUnreachable reports whether the API server did not answer at all.
func isUnreachable(err error) bool {
	var network net.Error
	var op *net.OpError
	return errors.As(err, &network) || errors.As(err, &op)
}

var quotaName = regexp.MustCompile(`^(?:[a-z]+ "[^"]*" is forbidden: )?exceeded quota: [a-z0-9.-]+`)

// describe puts an error of a write into words without anything that could hold a credential. Messages of the API
// server can echo the object, those of admission webhooks whatever they like; so of a message only the parts are
// kept that the API server itself words without the object.
func describe(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		if isUnreachable(err) {
			return unreachable
		}
		if errors.Is(err, errCameBack) {
			return errCameBack.Error()
		}
		return "the request failed" // the text of an unknown error could hold anything
	}
	s := status.Status()
	text := fmt.Sprintf("%d %s", s.Code, s.Reason)
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(s.Message, " cannot "):
		text += ": " + permission(s.Message)
	case quotaName.MatchString(s.Message):
		text += ": " + quotaName.FindString(s.Message)
	case strings.HasPrefix(s.Message, "admission webhook "):
		if name, _, ok := strings.Cut(strings.TrimPrefix(s.Message, `admission webhook "`), `"`); ok {
			text += fmt.Sprintf(": denied by admission webhook %q", name)
		}
	case strings.Contains(s.Message, "ValidatingAdmissionPolicy"):
		text += ": denied by a ValidatingAdmissionPolicy"
	}
	return text + causes(s.Details)
}

// permission keeps what the API server says of a missing permission: who cannot do what to which resource. The
// message is its own, made from the request's path; it ends before any reason that an authorizer adds.
func permission(message string) string {
	if _, after, ok := strings.Cut(message, " is forbidden: "); ok {
		message = after
	}
	if i := strings.Index(message, ": "); i >= 0 && i < len(message) {
		message = message[:i]
	}
	return message
}

// causes lists type and field of each cause. The cause's message can hold the value, so it is left out.
func causes(details *metav1.StatusDetails) string {
	if details == nil || len(details.Causes) == 0 {
		return ""
	}
	var parts []string
	for _, c := range details.Causes {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s", c.Type, c.Field)))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
