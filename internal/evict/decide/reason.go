package decide

// Reason says why a pod is left alone. The set is closed.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	NotStuck        Reason = "NotStuck"
	BeingDeleted    Reason = "BeingDeleted"
	NoController    Reason = "NoController"
	OtherController Reason = "OtherController"
	OptedOut        Reason = "OptedOut"
	NamespaceGoing  Reason = "NamespaceGoing"
	PolicyUnknown   Reason = "PolicyUnknown"
	NoRule          Reason = "NoRule"
	LacksNothing    Reason = "LacksNothing"
	AccountUnknown  Reason = "AccountUnknown"
	OwnList         Reason = "OwnList"
	AccountLacks    Reason = "AccountLacks"
	CopyMissing     Reason = "CopyMissing"
	CopyUnknown     Reason = "CopyUnknown"
	EvictedBefore   Reason = "EvictedBefore"
	TooSoon         Reason = "TooSoon"
)

// Meaning is what a reason says, for people.
type Meaning struct {
	Reason Reason
	Says   string
}

// Meanings are those of all reasons, in their order.
var Meanings = []Meaning{
	{NotStuck, "the pod does not wait for an image that could not be pulled"},
	{BeingDeleted, "the pod is being deleted already"},
	{NoController, "no controller would make the pod anew: it is a bare pod, or a node runs it from a file"},
	{OtherController, "its controller is of a kind that is not known to make its pods anew; the flag `-owners` can name it"},
	{OptedOut, "an annotation of the pod or of its namespace forbids it, or opts it out of all rules"},
	{NamespaceGoing, "its namespace is being deleted, or not known yet"},
	{PolicyUnknown, "the status ConfigMap does not tell which policy is in force, or what came of it"},
	{NoRule, "no rule gives pods like it a pull secret"},
	{LacksNothing, "the pod has every pull secret that rules give to pods like it, so a new one would be no better off"},
	{AccountUnknown, "its service account is not there, or not known yet"},
	{OwnList, "the pod names pull secrets that its service account does not have, so they are its own, and a new pod would not get its account's either"},
	{AccountLacks, "its service account does not have the name, so a new pod would not get it either"},
	{CopyMissing, "the copy is not there, so a new pod could not pull with it either"},
	{CopyUnknown, "the copy is missing in more namespaces than the status names, and this may be one of them"},
	{EvictedBefore, "the pod was evicted before"},
	{TooSoon, "an older pod of its controller was evicted, and this one, which is newer, is stuck again"},
}

// Says says what a reason means.
func (r Reason) Says() string {
	for _, m := range Meanings {
		if m.Reason == r {
			return m.Says
		}
	}
	return string(r)
}
