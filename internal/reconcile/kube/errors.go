package kube

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

// UnreachableText is what Redact says of an API server that does not answer.
const UnreachableText = "the API server cannot be reached; retrying"

const (
	shownCauses = 5   // of an error of the API server; the rest is counted
	maxField    = 150 // of a cause's field, in bytes
)

// Plain is an error in words of this program that hold nothing of an object, so Redact repeats them.
type Plain string

func (p Plain) Error() string { return string(p) }

// OwnWords marks an error that Redact repeats.
func (Plain) OwnWords() {}

// Class is what the error of a request means for what is done next.
type Class int

// The classes. An error is of one.
const (
	OK          Class = iota
	Gone              // the namespace is going or gone: there is nothing to do or to say, its own event follows
	Stale             // the object is another one than was decided on: its event, or a quick retry, mends it
	Unreachable       // the API server did not answer at all
	Failed            // anything else, so somebody should look at it
)

// Classify says what the error of a request means. A webhook may refuse a write with any code, which then says nothing of
// the object.
func Classify(err error) Class {
	switch {
	case err == nil:
		return OK
	case apierrors.IsNotFound(err) && !byWebhook(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return Gone
	case (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) && !byWebhook(err):
		return Stale
	case isUnreachable(err):
		return Unreachable
	}
	return Failed
}

// byWebhook reports whether an admission webhook refused a write. It may do so with any code, which then says nothing
// of the object.
func byWebhook(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && webhookName.MatchString(status.Status().Message)
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
	// Where an apply would make an object and the role lacks create, older API servers, such as 1.31, leave the reason out: withAuthorization in
	// k8s.io/apiserver/pkg/endpoints/handlers.
	mayNotCreate = regexp.MustCompile(`^[a-z0-9.]+ "[^"]*" is forbidden: $`)
	quotaName    = regexp.MustCompile(`^(?:[a-z]+ "[^"]*" is forbidden: )?exceeded quota: [a-z0-9.-]+`)
	policyName   = regexp.MustCompile(`^[a-z]+ "[^"]*" is (?:forbidden|invalid): (ValidatingAdmissionPolicy '[a-z0-9.-]+')`)
	webhookName  = regexp.MustCompile(`^admission webhook "[A-Za-z0-9.-]+"`)
)

// ofEtcd are what etcd says of itself, which the API server passes on as it is and without a reason: else nobody is told more
// than "500 Other". From etcd's rpctypes.
var ofEtcd = map[string]bool{
	"etcdserver: mvcc: database space exceeded":                                  true, // its quota is used up
	"etcdserver: no leader":                                                      true,
	"etcdserver: leader changed":                                                 true,
	"etcdserver: too many requests":                                              true,
	"etcdserver: request is too large":                                           true,
	"etcdserver: request timed out":                                              true,
	"etcdserver: request timed out, possibly due to previous leader failure":     true,
	"etcdserver: request timed out, possibly due to connection lost":             true,
	"etcdserver: request timed out, waiting for the applied index took too long": true,
}

// MissingVerb returns the verb that no role permits, where that is why a write was refused; otherwise nothing.
func MissingVerb(err error) string {
	var status apierrors.APIStatus
	switch {
	case !errors.As(err, &status):
		return ""
	case status.Status().Reason == metav1.StatusReasonForbidden && mayNotCreate.MatchString(status.Status().Message):
		return "create"
	case !permissionMessage.MatchString(status.Status().Message):
		return ""
	}
	return permissionVerb.FindStringSubmatch(status.Status().Message)[1]
}

// Redact puts an error of a write into words without anything that could hold a credential. Messages of the API
// server can echo the object, those of admission webhooks whatever they like; so of a message only the parts are
// kept that the API server itself words without the object.
// It is bounded.
func Redact(err error) string { return bound.Text(words(err)) }

func words(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		if own := (interface {
			error
			OwnWords()
		})(nil); errors.As(err, &own) {
			return own.Error()
		}
		if isUnreachable(err) {
			return UnreachableText
		}
		return "the request failed" // the text of an unknown error could hold anything
	}
	s := status.Status()
	if webhookName.MatchString(s.Message) {
		// Reason and details are the webhook's too, and many put their text there.
		return fmt.Sprintf("%d: denied by %s", s.Code, webhookName.FindString(s.Message))
	}
	text := fmt.Sprintf("%d %s", s.Code, Reason(err))
	switch {
	case permissionMessage.MatchString(s.Message):
		text += ": " + missingPermission.FindString(s.Message)
	case quotaName.MatchString(s.Message):
		text += ": " + quotaName.FindString(s.Message)
	case ofEtcd[s.Message]:
		text += ": " + s.Message
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
		if part := strings.TrimSpace(fmt.Sprintf("%s %s", c.Type, bound.TextTo(c.Field, maxField))); part != "" {
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

// reasons are those of the API server. An admission webhook can answer with a reason of its own making, which could
// hold anything.
var reasons = map[metav1.StatusReason]bool{
	metav1.StatusReasonUnauthorized: true, metav1.StatusReasonForbidden: true, metav1.StatusReasonNotFound: true,
	metav1.StatusReasonAlreadyExists: true, metav1.StatusReasonConflict: true, metav1.StatusReasonGone: true,
	metav1.StatusReasonInvalid: true, metav1.StatusReasonServerTimeout: true, metav1.StatusReasonTimeout: true,
	metav1.StatusReasonTooManyRequests: true, metav1.StatusReasonBadRequest: true, metav1.StatusReasonMethodNotAllowed: true,
	metav1.StatusReasonRequestEntityTooLarge: true, metav1.StatusReasonInternalError: true, metav1.StatusReasonServiceUnavailable: true,
}

// Reason is the API server's reason for an error, Unreachable where it did not answer, or Other.
func Reason(err error) string {
	reason := apierrors.ReasonForError(err)
	switch {
	case reasons[reason]:
		return string(reason)
	case isUnreachable(err):
		return "Unreachable"
	}
	return "Other"
}
