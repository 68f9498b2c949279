// Package overview tells how an installation stands by the two ConfigMaps that it keeps of itself, the policy's and the status,
// and by nothing else: so it works with the rights of kustomize/components/viewer. It is pure. `pullsecrets status` prints what it
// tells, and `pullsecrets ui` shows it.
package overview

import (
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// The states.
const (
	Ready       = status.Ready
	Degraded    = status.Degraded
	Invalid     = status.Invalid
	Missing     = status.Missing     // there is no policy ConfigMap
	Progressing = status.Progressing // the text was not judged yet, or not every namespace was tried under it
	Unknown     = "Unknown"          // it may not be read, or is nothing that a controller writes
)

// Input is what was read of an installation.
type Input struct {
	Namespace, PolicyName, StatusName string // where its ConfigMaps are

	Policy, Status             *cluster.ConfigMap // nil: there is none, or it may not be read
	PolicyDenied, StatusDenied string             // why it may not be read; empty where it may

	Edited   string         // when somebody last wrote the policy's text, RFC 3339; empty where that is not known
	Kubectl  string         // how kubectl is called for this cluster, quoted for a shell; empty is "kubectl"
	Meanings []plan.Meaning // what the reasons of problems mean
}

// Overview is how an installation stands. It is what `status -o json` prints: fields are added to it, and none is renamed. No
// text of it has a control character. Nothing in it changes with time alone.
type Overview struct {
	Namespace string `json:"namespace"` // of both ConfigMaps
	Policy    string `json:"policy"`    // the name of the policy ConfigMap

	State   string `json:"state"`   // of the text that the policy ConfigMap holds now
	Message string `json:"message"` // why

	Revision         string `json:"revision,omitempty"`         // the owner's name for the text: the annotation pullsecrets/revision
	ObservedRevision string `json:"observedRevision,omitempty"` // of the text that was judged last
	Text             string `json:"text,omitempty"`             // the hash of the text that the policy ConfigMap holds now
	Observed         string `json:"observed,omitempty"`         // the hash of the text that was judged last
	Verdict          string `json:"verdict,omitempty"`          // what was said of that: Ready, Degraded or Invalid
	InForce          string `json:"inForce,omitempty"`          // the hash of the text in force; empty where that is not known
	Edited           string `json:"edited,omitempty"`           // when somebody last wrote the text, RFC 3339
	Judged           bool   `json:"judged"`                     // Text was judged
	RolledOut        bool   `json:"rolledOut"`                  // Text is in force, and every namespace was tried under it

	Namespaces      int `json:"namespaces"` // in the cluster
	Selected        int `json:"selected"`   // that a rule selects
	Failing         int `json:"failing"`    // of these: with problems of their own
	ServiceAccounts int `json:"serviceAccounts"`

	Rules       []status.RuleTotals `json:"rules"` // in the policy's order
	MoreRules   int                 `json:"moreRules,omitempty"`
	Sources     []Source            `json:"sources"` // by name
	MoreSources int                 `json:"moreSources,omitempty"`
	Held        *Held               `json:"held,omitempty"` // nil: nothing is held back

	ProblemCount int     `json:"problemCount"` // Problem values in all groups, and those that there was no room for
	Problems     []Group `json:"problems"`     // the policy's first

	// Complete: all rules, sources and problems are here, with all their namespaces, and are those of Text. Notes say why not,
	// and what else there is to know.
	Complete bool     `json:"complete"`
	Notes    []string `json:"notes,omitempty"`

	policyDenied  bool   // the policy ConfigMap may not be read
	noReason      bool   // the verdict is in the status ConfigMap alone
	statusDenied  bool   // nobody may say here what the status ConfigMap holds
	rolledOutLast string // the hash of the text that the status says is rolled out
}

// Source is what is known of a source of the policy.
type Source struct {
	status.SourceSummary
	Registries    []string  `json:"registries,omitempty"` // that it has entries for
	RegistriesCut bool      `json:"registriesCut,omitempty"`
	Verdict       string    `json:"verdict,omitempty"` // with verify: true, what registries said; a status.Verdict
	Findings      []Finding `json:"findings,omitempty"`
}

// Finding is something that is said of a source beside its state.
type Finding struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Problem bool   `json:"problem,omitempty"` // it is among the problems too
}

// Group is the problems of one reason.
type Group struct {
	Reason     string               `json:"reason"`
	Scope      string               `json:"scope,omitempty"` // a plan.Scope: whose trouble it is
	Means      string               `json:"means,omitempty"` // empty for a reason that this version does not know
	Do         string               `json:"do,omitempty"`    // what to do about it
	Namespaces int                  `json:"namespaces"`      // that have any of them; at least so many where some were left out
	Problems   []status.FullProblem `json:"problems"`
}

// Held is what would be removed, and is not because it is too much at once.
type Held struct {
	Namespaces      int `json:"namespaces"`
	Copies          int `json:"copies"`
	ServiceAccounts int `json:"serviceAccounts"` // whose lists keep names
	// Confirm is the command that has it removed; empty where it cannot be confirmed now, and Why says why.
	Confirm string `json:"confirm,omitempty"`
	Why     string `json:"why,omitempty"`
}

// From tells how an installation stands.
func From(in Input) *Overview {
	o := &Overview{
		Namespace: in.Namespace, Policy: in.PolicyName, Edited: in.Edited, Complete: true,
		policyDenied: in.PolicyDenied != "", statusDenied: in.StatusDenied != "",
		Rules: []status.RuleTotals{}, Sources: []Source{}, Problems: []Group{},
	}
	saved := o.readStatus(in)
	o.rolledOutLast = saved.record.RolledOut
	if cm := in.Policy; cm != nil {
		o.Text = policy.Hash(policy.Documents(cm.Data, cm.BinaryData))
		o.Revision, o.ObservedRevision = cm.Annotations[cluster.AnnotationRevision], cm.Annotations[cluster.AnnotationObservedRevision]
		o.Observed, o.Verdict = cm.Annotations[cluster.AnnotationObserved], cm.Annotations[cluster.AnnotationStatus]
		o.Message = cm.Annotations[cluster.AnnotationMessage]
	}
	o.judge(in, saved)
	o.details(saved)
	o.problems(in, saved)
	o.held(in, saved)
	clean(o)
	return o
}

// Denied reports whether the policy ConfigMap may not be read: then nothing is to be waited for.
func (o *Overview) Denied() bool { return o.policyDenied }

func (o *Overview) incomplete(why string) {
	o.Complete = false
	o.note(why)
}

func (o *Overview) note(text string) { o.Notes = append(o.Notes, text) }
