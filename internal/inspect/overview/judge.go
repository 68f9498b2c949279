package overview

import (
	"fmt"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// judge says how the text stands that the policy ConfigMap holds now. The annotations are the controller's last word; the status
// ConfigMap tells what is in force, and whether all namespaces were tried under it.
func (o *Overview) judge(in Input, s saved) {
	name := in.Namespace + "/" + in.PolicyName
	switch {
	case in.PolicyDenied != "":
		o.State, o.Message = Unknown, fmt.Sprintf("the policy ConfigMap %s may not be read: %s", name, in.PolicyDenied)
		return
	case in.Policy == nil:
		o.withoutPolicy(name, s)
		return
	}
	if o.Observed != o.Text && s.record.Observed == o.Text && s.record.Status != "" { // the annotations follow, or have no room
		o.Observed, o.Verdict, o.ObservedRevision = s.record.Observed, s.record.Status, s.record.Revision
		o.Message = "the status ConfigMap says so; the annotations of the policy ConfigMap are about to, or have no room for it"
		o.noReason = true
	}
	o.Judged = o.Observed == o.Text
	switch known := s.there || o.InForce != ""; {
	case !o.Judged:
	case known:
		o.RolledOut = s.record.RolledOut == o.Text && o.InForce == o.Text
	default: // what is Ready waited for all namespaces
		o.RolledOut = o.Verdict == status.Ready
	}
	o.State = o.stateOfText()
}

// stateOfText is the state, and says why in the message where the controller does not.
func (o *Overview) stateOfText() string {
	switch {
	case !o.Judged && o.InForce == o.Text:
		o.Message = "the text was accepted, and is being rolled out"
		return status.Progressing
	case o.Observed == "":
		o.Message = "no controller has judged the policy yet"
		return status.Progressing
	case !o.Judged:
		o.Message = "the text was edited, and no controller has judged it yet"
		if o.Verdict != "" {
			o.Message += "; the text before it was " + o.Verdict
		}
		return status.Progressing
	case !slices.Contains([]string{status.Ready, status.Degraded, status.Invalid}, o.Verdict):
		o.Message = fmt.Sprintf("the annotation pullsecrets/status says %q, which no controller writes", o.Verdict)
		return Unknown
	case o.Verdict == status.Ready && !o.RolledOut:
		o.Message = "the text is being rolled out, or was a moment ago: the status ConfigMap, which is written every 5 seconds at most, does not say yet that all namespaces were tried"
		return status.Progressing
	}
	return o.Verdict
}

// withoutPolicy tells of an installation that has no policy ConfigMap: it has its policy from flags, or somebody deleted it.
func (o *Overview) withoutPolicy(name string, s saved) {
	if flags := s.there && !s.hasText && s.record.Observed != "" && s.record.Status != status.Invalid; flags {
		o.State, o.Verdict, o.Observed, o.Text = s.record.Status, s.record.Status, s.record.Observed, s.record.Observed
		o.InForce, o.Judged, o.RolledOut = s.record.RolledOut, true, s.record.RolledOut == s.record.Observed
		o.Message = "the controller has its policy from flags, as imagepullsecret-patcher has"
		return
	}
	o.State, o.Message = status.Missing, "there is no policy ConfigMap "+name
	if s.hasText {
		o.Message += "; the last good policy stays in force, and nothing is removed"
	}
}

// Reasoned reports whether the message is the controller's own. The annotations have it, which are written after the status ConfigMap.
func (o *Overview) Reasoned() bool { return !o.noReason }

// Final is the state of the text that its owner calls by this revision, once it is settled: refused, or in force with all
// namespaces tried under it. What is empty is whatever text there is now. Of a degraded policy it takes the status ConfigMap to
// know that all were tried; where that may not be read, it is settled by what the annotations say.
func (o *Overview) Final(revision string) (state string, settled bool) {
	revision = printable(revision)
	if revision != "" && o.ObservedRevision != revision {
		return o.State, false
	}
	state, rolledOut := o.State, o.RolledOut
	if overtaken := revision != "" && o.Revision != revision && !o.Judged; overtaken {
		state, rolledOut = o.Verdict, o.rolledOutLast == o.Observed || o.Verdict == status.Ready
	}
	switch state {
	case status.Invalid:
		return state, true
	case status.Ready, status.Degraded:
		return state, rolledOut || o.statusDenied
	}
	return state, false
}
