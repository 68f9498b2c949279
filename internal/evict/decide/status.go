package decide

import (
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Status is what the status ConfigMap tells: the policy in force, and what came of it.
type Status struct {
	Policy  *policy.Policy // nil where the status cannot be gone by
	Unknown string         // why
	Totals  status.Totals
	// Attached says which rules' names the API server adds to new pods.
	Attached status.Attachment

	read     string // the hash of the text that Policy is made of
	accepted *policy.Policy
}

// Read reads the status ConfigMap, and parses a policy only if it is another than before: a large one takes a second. Without a
// ConfigMap nothing is known.
func (s Status) Read(cm *cluster.ConfigMap, o policy.Options) Status {
	next := Status{read: s.read, accepted: s.accepted}
	if cm == nil {
		next.Unknown = "there is no status ConfigMap, or it may not be read"
		return next
	}
	documents, err := status.UnpackPolicy(cm.BinaryData[status.KeyPolicy])
	switch {
	case err != nil:
		next.Unknown = "the status ConfigMap has a policy that cannot be read"
		return next
	case documents == nil:
		next.Unknown = "the status ConfigMap has no policy: none was accepted yet, or the controller has it from flags"
		return next
	}
	record := status.Decode(cm.Data[status.KeyRecord])
	hash := policy.Hash(documents)
	if hash != record.RolledOut {
		next.Unknown = "the controller is still rolling the policy out"
		return next
	}
	if hash != next.read {
		next.read = hash
		next.accepted, _ = policy.Parse(documents, o)
	}
	if next.accepted == nil {
		next.Unknown = "the policy of the status ConfigMap is not accepted here: give the same -source-namespaces as to the controller"
		return next
	}
	next.Policy, next.Totals, next.Attached = next.accepted, record.Totals, record.Attached
	return next
}

// attachedToPods reports whether the API server adds the names of a rule to new pods, as the status tells. Any other rule counts
// as one that attaches to accounts, which need to have the name then: so a rule on its way to pods evicts nothing too early.
func (s Status) attachedToPods(rule *policy.Rule) bool {
	return rule.Attach == policy.AttachPods && slices.Contains(s.Attached.Pods, rule.Name)
}
