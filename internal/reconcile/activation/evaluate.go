package activation

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// maxRevision is how long the user's name for a text may be, in bytes, to be repeated in annotations and status.
const maxRevision = 2 << 10

// evaluator reads the policy's text, and keeps the last one that was accepted.
type evaluator struct {
	o          *Options
	cache      *parsed    // the last documents that were parsed
	evaluation evaluation // of the last text
	lastGood   lastGood   // its policy is nil until there is one
}

// evaluation is what is to be said of the last text.
type evaluation struct {
	hash     string          // empty if there is none
	revision string          // the user's name for it
	errors   policy.Problems // why it was refused
}

// lastGood is the last policy that was accepted, with the text that it came from.
type lastGood struct {
	documents map[string]string
	policy    *policy.Policy
}

// parsed is what documents came to.
type parsed struct {
	documents map[string]string
	policy    *policy.Policy
	problems  policy.Problems
}

// parse parses documents, and not again if they are the same as the last: a large policy takes a second.
func (e *evaluator) parse(documents map[string]string) (*policy.Policy, policy.Problems) {
	if e.cache == nil || !maps.Equal(e.cache.documents, documents) {
		p, problems := policy.Parse(documents, policy.Options{Namespace: e.o.Namespace, SourceNamespaces: e.o.SourceNamespaces})
		e.cache = &parsed{documents, p, problems}
	}
	return e.cache.policy, e.cache.problems
}

// read evaluates the text as it is now, if it is another than the last.
func (e *evaluator) read() {
	documents, revision, ok := e.text()
	if !ok {
		e.evaluation = evaluation{}
		e.o.Throttled.Warn(fmt.Sprintf("there is no policy ConfigMap %s/%s, or it may not be read; %s", e.o.Namespace, e.o.PolicyName, e.instead()))
		return
	}
	hash := policy.Hash(documents)
	if hash == e.evaluation.hash {
		e.evaluation.revision = revision
		return
	}
	p, problems := e.parse(documents)
	e.evaluation = evaluation{hash: hash, revision: revision, errors: problems.Errors()}
	e.log(p, problems)
	if p == nil || e.lastGood.policy != nil && policy.Hash(e.lastGood.documents) == hash {
		return // what was loaded is the same text
	}
	if e.o.fixed() {
		documents = nil // flags are no text to come back to when they are gone
	}
	e.lastGood = lastGood{documents, p}
}

// log logs what came of a text that is new.
func (e *evaluator) log(p *policy.Policy, problems policy.Problems) {
	log := e.o.Log.With().Str("hash", e.evaluation.hash).Logger()
	if !e.o.fixed() {
		log = log.With().Str("configmap", e.o.Namespace+"/"+e.o.PolicyName).Logger()
	}
	if len(problems.Warnings()) > 0 && !e.o.fixed() { // nobody wrote that text
		log.Warn().Strs("warnings", lines(problems.Warnings())).Msg("the policy has warnings")
	}
	if p == nil {
		log.Error().Strs("problems", lines(problems.Errors())).Msg("the policy was refused; " + e.instead())
		return
	}
	log.Info().Int("rules", len(p.Rules)).Strs("copies", bound.List(p.CopyNames(), "")).Msg("the policy was accepted")
}

// text returns the documents as they are now, and the user's name for them.
func (e *evaluator) text() (documents map[string]string, revision string, ok bool) {
	if e.o.fixed() {
		return e.o.Documents, "", true
	}
	cm := e.o.Cluster.PolicyMap()
	if cm == nil {
		return nil, "", false
	}
	revision = cm.Annotations[cluster.AnnotationRevision]
	if len(revision) > maxRevision {
		e.o.Throttled.Warn(fmt.Sprintf("the annotation %s has %d bytes, and is not echoed: more than %d are no revision",
			cluster.AnnotationRevision, len(revision), maxRevision))
		revision = ""
	}
	return policy.Documents(cm.Data, cm.BinaryData), revision, true
}

// instead says what is in force when the ConfigMap gives no policy.
func (e *evaluator) instead() string {
	if e.lastGood.policy == nil {
		return "waiting for one"
	}
	return "the last good policy stays in force"
}

// inForce is the hash of the text that was accepted last.
func (e *evaluator) inForce() string {
	if e.o.fixed() {
		return e.evaluation.hash
	}
	return policy.Hash(e.lastGood.documents)
}

// wouldFollow returns the sources and copy names that a leader would follow by now.
func (e *evaluator) wouldFollow() (sources []types.NamespacedName, names []string) {
	documents, _, _ := e.text()
	p, _ := e.parse(documents)
	if saved := e.o.Cluster.StatusMap(); saved != nil {
		names = cluster.SecretNames(saved.Data[status.KeyNames])
		if p == nil {
			documents, _ = status.UnpackPolicy(saved.BinaryData[status.KeyPolicy])
			p, _ = e.parse(documents)
		}
	}
	if p != nil {
		sources, names = e.o.Cluster.Followed(p), cluster.Union(names, p.CopyNames())
	}
	return sources, names
}

// lines are problems for the log.
func lines(problems policy.Problems) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return bound.List(out, "")
}
