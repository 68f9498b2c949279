package admission

import "github.com/pullsecrets/pullsecrets/internal/reconcile/plan"

// The reasons of problems with the parameters.
const (
	Absent   = "AdmissionAbsent"
	TooLarge = "AdmissionTooLarge"
	Unsaved  = "AdmissionUnsaved"
)

// Problems are what these reasons mean. Until they are mended the controller alone adds the names.
var Problems = []plan.Meaning{
	{
		Reason: Absent,
		Scope:  plan.ScopePolicy,
		Says:   "started with `-admission`, but nothing in the API server would act on it; the controller alone adds names",
		Advice: "install `kustomize/components/admission`, which needs Kubernetes 1.36, or start without `-admission`",
	}, {
		Reason: TooLarge,
		Scope:  plan.ScopePolicy,
		Says:   "a rule is beyond what the API server evaluates; the controller alone adds its names",
		Advice: "shorten or split the rule as the message says",
	}, {
		Reason: Unsaved,
		Scope:  plan.ScopePolicy,
		Says:   "the admission parameter of a rule could not be written; the message is the API server's",
		Advice: "mend what the message names; a missing permission is in the roles of `kustomize/components/admission`",
	},
}
