package report

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// The reasons of problems that come of writing, not of deciding.
const (
	WriteFailed = "WriteFailed"
	Contested   = "Contested"
	Altered     = "Altered"

	AccountsForbidden = "AccountsForbidden"
)

// Problems are what these reasons mean. Their messages are made where they come up, of what the API server says.
var Problems = []plan.Meaning{
	{
		Reason: WriteFailed,
		Scope:  plan.ScopeNamespace,
		Says:   "the API server refused a write, or did not answer; the message is the API server's, without anything of the object",
		Advice: "mend what the message names: a quota, an admission webhook, a permission; the write is tried again at intervals that grow",
	}, {
		Reason: Contested,
		Scope:  plan.ScopeNamespace,
		Says:   "somebody undoes a write again and again; a repair waits for it, at intervals that grow to five minutes",
		Advice: "have the other field manager, which the message names if the API server knows it, leave the field alone; the Event and the log have the setting for Argo CD and Flux",
	}, {
		Reason: Altered,
		Scope:  plan.ScopeNamespace,
		Says:   "the API server keeps something else than was written, because a mutating admission policy or a webhook changes it on its way; the message says what differs",
		Advice: "have the policy or webhook leave pull secrets alone, or exempt the controller's user from it; [what others make of what is written](policy.md#what-others-make-of-what-is-written) tells how to find it",
	}, {
		Reason: AccountsForbidden,
		Scope:  plan.ScopePolicy,
		Says:   "a verb on service accounts, which the message names, is not permitted to the controller, so it cannot add or remove names",
		Advice: "apply the roles that `pullsecrets rbac -f POLICY` prints",
	},
}

var scopes = func() map[plan.Reason]plan.Scope {
	m := map[plan.Reason]plan.Scope{}
	for _, one := range slices.Concat(plan.Problems, Problems) {
		m[one.Reason] = one.Scope
	}
	return m
}()

// scopeOf is the scope of a problem by its reason. What neither the decision nor a write comes to, such as a problem with the
// admission parameters, is of no namespace.
func scopeOf(reason string) string {
	if scope, ok := scopes[plan.Reason(reason)]; ok {
		return string(scope)
	}
	return string(plan.ScopePolicy)
}
