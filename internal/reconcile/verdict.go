package reconcile

import (
	"fmt"
	"maps"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

// maxRevision is how long the user's name for a text may be, in bytes, to be repeated in annotations and status.
const maxRevision = 2 << 10

// verdict is what is to be said of the last text that was judged.
type verdict struct {
	hash     string
	revision string          // the user's name for it
	errors   policy.Problems // why it was refused
}

func (j *judge) options() policy.Options {
	return policy.Options{Namespace: j.c.Namespace, SourceNamespaces: j.c.SourceNamespaces}
}

// parsed is what documents came to.
type parsed struct {
	documents map[string]string
	policy    *policy.Policy
	problems  policy.Problems
}

// parse parses documents, and not again if they are the same as the last: a large policy takes a second.
func (j *judge) parse(documents map[string]string) (*policy.Policy, policy.Problems) {
	if j.parsed == nil || !maps.Equal(j.parsed.documents, documents) {
		p, problems := policy.Parse(documents, j.options())
		j.parsed = &parsed{documents, p, problems}
	}
	return j.parsed.policy, j.parsed.problems
}

// read judges the policy ConfigMap, if its text is another than the last.
func (j *judge) read() {
	documents, revision, ok := j.text()
	if !ok {
		j.missing()
		return
	}
	hash := policy.Hash(documents)
	if hash == j.verdict.hash {
		j.verdict.revision = revision
		return
	}
	p, problems := j.parse(documents)
	j.verdict = verdict{hash: hash, revision: revision, errors: problems.Errors()}
	log := j.c.Log.With().Str("hash", hash).Logger()
	if !j.fixed() {
		log = log.With().Str("configmap", j.c.Namespace+"/"+j.c.PolicyName).Logger()
	}
	if len(problems.Warnings()) > 0 && !j.fixed() { // nobody wrote that text
		log.Warn().Strs("warnings", lines(problems.Warnings())).Msg("the policy has warnings")
	}
	if p == nil {
		log.Error().Strs("problems", lines(j.verdict.errors)).Msg("the policy was refused; " + j.instead())
		return
	}
	log.Info().Int("rules", len(p.Rules)).Strs("copies", bound.List(p.CopyNames(), "")).Msg("the policy was accepted")
	if j.accepted.policy != nil && policy.Hash(j.accepted.documents) == hash {
		return // what was restored is the same text
	}
	if j.fixed() {
		documents = nil // flags are no text to come back to when they are gone
	}
	j.accepted = accepted{documents, p}
}

// text returns the documents to judge, and the user's name for them.
func (j *judge) text() (documents map[string]string, revision string, ok bool) {
	if j.fixed() {
		return j.c.Documents, "", true
	}
	cm := j.policyMap()
	if cm == nil {
		return nil, "", false
	}
	revision = cm.Annotations[cluster.AnnotationRevision]
	if len(revision) > maxRevision {
		j.c.troubles.say(levelWarn, fmt.Sprintf("the annotation %s has %d bytes, and is not echoed: more than %d are no revision",
			cluster.AnnotationRevision, len(revision), maxRevision))
		revision = ""
	}
	return policy.Documents(cm.Data, cm.BinaryData), revision, true
}

func (j *judge) missing() {
	j.verdict = verdict{}
	j.c.troubles.say(levelWarn, fmt.Sprintf("there is no policy ConfigMap %s/%s, or it may not be read; %s",
		j.c.Namespace, j.c.PolicyName, j.instead()))
}

// instead says what is in force when the ConfigMap gives no policy.
func (j *judge) instead() string {
	if j.accepted.policy == nil {
		return "waiting for one"
	}
	return "the last good policy stays in force"
}

// lines are problems for the log.
func lines(problems policy.Problems) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return bound.List(out, "")
}
