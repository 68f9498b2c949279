package overview

import (
	"fmt"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// saved is what the status ConfigMap holds, as far as it can be read.
type saved struct {
	there    bool // there is a record that can be read
	record   status.Record
	problems []status.FullProblem
	whole    bool // problems has all of them, but for what they count themselves
	hasText  bool // a last good text is kept
}

// readStatus decodes the status ConfigMap, and says what of it cannot be.
func (o *Overview) readStatus(in Input) (s saved) {
	name := in.Namespace + "/" + in.StatusName
	switch {
	case in.StatusDenied != "":
		o.incomplete(fmt.Sprintf("rules, sources and problems are not told, because the status ConfigMap %s may not be read: %s", name, in.StatusDenied))
		return s
	case in.Status == nil:
		o.incomplete(fmt.Sprintf("rules, sources and problems are not told, because there is no status ConfigMap %s: no controller wrote one", name))
		return s
	}
	var err error
	if text, there := in.Status.Data[status.KeyRecord]; there && text == "" { // names are written before a roll-out, the record after it
		o.incomplete(fmt.Sprintf("rules, sources and problems are not told yet: the ConfigMap %s has them when all namespaces were tried for the first time", name))
	} else if s.record, err = status.DecodeStrict(text); err != nil {
		o.incomplete(fmt.Sprintf("the key %s of the ConfigMap %s is not as the controller writes it, so somebody edited it; the controller mends it when it is written next (%v)", status.KeyRecord, name, err))
	}
	s.there = s.record.Status != ""
	documents, err := status.UnpackPolicy(in.Status.BinaryData[status.KeyPolicy])
	switch {
	case err != nil:
		o.note(fmt.Sprintf("which text is in force is not known, because of the ConfigMap %s the %v", name, err))
	case documents != nil:
		s.hasText = true
		o.InForce = policy.Hash(documents)
	}
	s.readProblems(o, in, name)
	return s
}

// readProblems takes the problems from where all of them are, and else the first from the record.
func (s *saved) readProblems(o *Overview, in Input, name string) {
	var err error
	s.problems, s.whole, err = s.record.AllProblems(in.Status.BinaryData[status.KeyProblems])
	switch {
	case err != nil:
		o.incomplete(fmt.Sprintf("the first problems are told alone, because somebody edited the ConfigMap %s: the %v", name, err))
	case !s.whole:
		o.incomplete("the first problems are told alone: the controller is of an earlier version, or there was no room for all of them")
	}
}
