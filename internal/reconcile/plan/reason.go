package plan

// Reason says why an action is taken, or why none is. The set is closed; meaning.go says what each of them means.
type Reason string

// Reasons to write a copy.
const (
	Missing       Reason = "Missing"
	SourceChanged Reason = "SourceChanged"
	Drifted       Reason = "Drifted"
	MarksChanged  Reason = "MarksChanged"
	TypeChanged   Reason = "TypeChanged"
	Immutable     Reason = "Immutable"
	TakenOver     Reason = "TakenOver"
	Adopted       Reason = "Adopted"
	NotWanted     Reason = "NotWanted"
)

// Reasons to write a service account.
const (
	NamesMissing   Reason = "NamesMissing"
	NamesNotWanted Reason = "NamesNotWanted"
	NamesMoved     Reason = "NamesMoved"
	NamesChanged   Reason = "NamesChanged"
	NamesAdopted   Reason = "NamesAdopted" // see Adopted
	LedgerStale    Reason = "LedgerStale"
	NothingOfOurs  Reason = "NothingOfOurs"
	NamesPromised  Reason = "NamesPromised"
)

// Reasons to do nothing, because all is well.
const (
	InSync       Reason = "InSync"
	EqualForeign Reason = "EqualForeign"
	OwnSource    Reason = "OwnSource"
	BeingDeleted Reason = "BeingDeleted"
	PruneOff     Reason = "PruneOff"
	Overridden   Reason = "Overridden" // as RuleConflict, where the policy says that it is meant
	OthersCopy   Reason = "OthersCopy"
	MarksCopied  Reason = "MarksCopied"
	// ReplacementAwaited: the problem, if there is one, is told of the copy that is awaited.
	ReplacementAwaited Reason = "ReplacementAwaited"

	SourceVerifying Reason = "SourceVerifying"
)

// Reasons to do nothing although something is asked for; see Reason.Problem.
const (
	ForeignSecret     Reason = "ForeignSecret"
	OtherInstallation Reason = "OtherInstallation" // of a copy that it made, or of an account whose ledger it keeps
	RuleConflict      Reason = "RuleConflict"
	SourceMissing     Reason = "SourceMissing"
	SourceForbidden   Reason = "SourceForbidden"
	SourceInvalid     Reason = "SourceInvalid" // Action.Defect and Action.Cause say more
	SourceIsCopy      Reason = "SourceIsCopy"
	SourceRefused     Reason = "SourceRefused" // Action.Cause says more
	OtherSource       Reason = "OtherSource"
	CopyForbidden     Reason = "CopyForbidden"
	LeftForbidden     Reason = "LeftForbidden" // as CopyForbidden, of a name that no rule asks for any more
	AccountsUnknown   Reason = "AccountsUnknown"
	PruneHeld         Reason = "PruneHeld"
	OtherData         Reason = "OtherData"
	DeletionPending   Reason = "DeletionPending"
)

// Reasons to say something of a source that is copied all the same; see Findings. The first is a problem.
const (
	SourceExpired    Reason = "SourceExpired"
	SourceExpiring   Reason = "SourceExpiring"
	SourceDoubtful   Reason = "SourceDoubtful"
	ExpiryUnreadable Reason = "ExpiryUnreadable"
	SourceUnverified Reason = "SourceUnverified"
)
