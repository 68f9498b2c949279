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

const (
	shownCauses = 5   // of an error of the API server; the rest is counted
	maxField    = 150 // of a cause's field, in bytes
)

// errCameBack says that the API server put back names that we removed: an admission policy still adds them.
var errCameBack = errors.New("the API server put removed names back")

func isForbidden(err error) bool { return apierrors.IsForbidden(err) }

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }

// isGone reports whether a write failed because its namespace is going or gone. There is nothing to do or to say:
// the namespace's own event follows.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) && !byWebhook(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// isStale reports whether a write failed because the object is another one than was decided on. The event that
// brings the new one, or a quick retry, mends it.
func isStale(err error) bool {
	return (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) && !byWebhook(err)
}

// byWebhook reports whether an admission webhook refused a write. It may do so with any code, which then says nothing
// of the object.
func byWebhook(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && webhookName.MatchString(status.Status().Message)
}

// isContested reports whether a repair waits because somebody undoes it again and again.
func isContested(err error) bool {
	var c *contested
	return errors.As(err, &c)
}

// isPutOff reports whether a write was not tried, because it has to wait.
func isPutOff(err error) bool {
	e := asAltered(err)
	return isContested(err) || e != nil && e.putOff
}

// isUnreachable reports whether the API server did not answer at all.
func isUnreachable(err error) bool {
	var network net.Error
	var op *net.OpError
	return errors.As(err, &network) || errors.As(err, &op)
}

// What the API server words itself, from the request's path and its own configuration, and never from the object.
var (
	missingPermission = regexp.MustCompile(`User "[^"]*" cannot [a-z]+ resource "[a-z/.]+" in API group "[^"]*"(?: in the namespace "[^"]*"| at the cluster scope)?`)
	permissionVerb    = regexp.MustCompile(`" cannot ([a-z]+) resource "`)
	permissionMessage = regexp.MustCompile(`^[a-z0-9.]+ (?:"[^"]*" )?is forbidden: ` + missingPermission.String())
	quotaName         = regexp.MustCompile(`^(?:[a-z]+ "[^"]*" is forbidden: )?exceeded quota: [a-z0-9.-]+`)
	policyName        = regexp.MustCompile(`^[a-z]+ "[^"]*" is (?:forbidden|invalid): (ValidatingAdmissionPolicy '[a-z0-9.-]+')`)
	webhookName       = regexp.MustCompile(`^admission webhook "[A-Za-z0-9.-]+"`)
)

// missingVerb returns the verb that no role permits, where that is why a write was refused; otherwise nothing.
func missingVerb(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !permissionMessage.MatchString(status.Status().Message) {
		return ""
	}
	return permissionVerb.FindStringSubmatch(status.Status().Message)[1]
}

// describe puts an error of a write into words without anything that could hold a credential. Messages of the API
// server can echo the object, those of admission webhooks whatever they like; so of a message only the parts are
// kept that the API server itself words without the object.
// It is bounded.
func describe(err error) string { return shorten(words(err)) }

func words(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		if errors.Is(err, errNotLeader) {
			return errNotLeader.Error()
		}
		if isUnreachable(err) {
			return unreachable
		}
		if errors.Is(err, errCameBack) {
			return errCameBack.Error()
		}
		if e := asAltered(err); e != nil {
			return e.Error()
		}
		return "the request failed" // the text of an unknown error could hold anything
	}
	s := status.Status()
	if webhookName.MatchString(s.Message) {
		// Reason and details are the webhook's too, and many put their text there.
		return fmt.Sprintf("%d: denied by %s", s.Code, webhookName.FindString(s.Message))
	}
	text := fmt.Sprintf("%d %s", s.Code, apiReason(err))
	switch {
	case permissionMessage.MatchString(s.Message):
		text += ": " + missingPermission.FindString(s.Message)
	case quotaName.MatchString(s.Message):
		text += ": " + quotaName.FindString(s.Message)
	case policyName.MatchString(s.Message):
		text += ": denied by " + policyName.FindStringSubmatch(s.Message)[1]
	}
	return text + causes(s.Details)
}

// causes lists type and field of each cause that has them. The cause's message can hold the value, so it is left out.
func causes(details *metav1.StatusDetails) string {
	if details == nil {
		return ""
	}
	var parts []string
	for _, c := range details.Causes {
		if part := strings.TrimSpace(fmt.Sprintf("%s %s", c.Type, shortenTo(c.Field, maxField))); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "" // the cause of an admission policy is its message alone
	}
	if more := len(parts) - shownCauses; more > 0 {
		parts = append(parts[:shownCauses], fmt.Sprintf("and %d more", more))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
