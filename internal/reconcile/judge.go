package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	kindConfigMap plan.Kind = "ConfigMap"

	// judgeRetry is how long a failed write of status or feedback waits.
	judgeRetry = 2 * time.Second
	// staleRetry is how long the judge waits for a newer status that it was told of.
	staleRetry = 200 * time.Millisecond
	// soon is how long a change of the report may go unseen.
	soon = 50 * time.Millisecond
)

// judge turns the policy ConfigMap into the policy in force, and keeps the status ConfigMap and the ConfigMap's
// annotations true. It is level-driven and runs in one goroutine: each time it is woken it looks at everything and
// does the next thing, so that no order of events can confuse it.
//
//	text -> Parse -> accepted -> its watches settled -> names saved -> in force -> every namespace tried -> feedback
type judge struct {
	c       *Controller
	woken   chan struct{}
	soon    atomic.Bool // it will be woken
	settled atomic.Bool
	outlook atomic.Pointer[outlook] // for RunOnce

	restored bool
	judged   bool     // the policy was looked at, be there one or not
	inUse    []string // copy names that may have copies, sorted: no name leaves before its last copy is gone
	lost     bool     // there was no status to tell which names those are
	accepted accepted // the last text that was accepted; its policy is nil until there is one
	verdict  verdict  // on the last text that was judged
	unsaved  string   // why an accepted policy cannot be saved, and so is not in force
	spent    string   // the confirmation that was used up: it covers one removal, not all later ones

	statusWritten time.Time

	// Of a policy that was given, see judge.say.
	said          said
	restoredState string // what the status said before this start
}

// accepted is a policy with the text that it came from.
type accepted struct {
	documents map[string]string
	policy    *policy.Policy
}

// verdict is what is to be said of the last text that was judged.
type verdict struct {
	hash     string
	revision string          // the user's name for it
	errors   policy.Problems // why it was refused
}

func newJudge(c *Controller) *judge { return &judge{c: c, woken: make(chan struct{}, 1)} }

// wake has the judge look again. It never blocks.
func (j *judge) wake() {
	select {
	case j.woken <- struct{}{}:
	default:
	}
}

// wakeSoon has the judge look again a little later, and once for all that happens until then: what is reported of the
// namespaces changes with each of them, and it reads no faster than it is written.
func (j *judge) wakeSoon() {
	if j.soon.CompareAndSwap(false, true) {
		time.AfterFunc(soon, func() {
			j.soon.Store(false)
			j.wake()
		})
	}
}

func (j *judge) run(ctx context.Context) {
	again := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.woken:
		case <-again.C:
		}
		wait := j.advance(ctx)
		j.outlook.Store(j.look(wait))
		j.c.metrics.policy.Store(j.view())
		if wait > 0 {
			again.Reset(wait)
		}
	}
}

// look gathers what RunOnce has to know. wait is what advance returned.
func (j *judge) look(wait time.Duration) *outlook {
	if !j.judged {
		return nil
	}
	o := &outlook{accepted: j.accepted.policy, unsaved: j.unsaved, held: j.c.ceiling.held.Load(), blind: j.blind()}
	if j.verdict.errors != nil {
		o.refused = strings.ReplaceAll(j.verdict.errors.Error(), "\n", "; ")
	}
	p := j.c.active.Load()
	o.told = wait == 0 && p != nil && p == o.accepted && j.c.pass.complete(p)
	return o
}

// advance does whatever can be done now, and returns how long to wait before looking again without being woken; 0 is
// for ever.
func (j *judge) advance(ctx context.Context) time.Duration {
	w := j.c.watches
	settled := w.settled()
	j.settled.Store(settled)
	if !w.configMapsSettled() {
		return 0
	}
	if !j.c.Election.holds() {
		j.follow()
		return 0
	}
	j.restore()
	j.unspend()
	j.read()
	j.judged = true
	if p := j.accepted.policy; p != nil && p != j.c.active.Load() {
		sources := j.c.watchedSources(p)
		w.need(sources, union(j.inUse, p.CopyNames())) // while the others are still being listed
		if !w.accounts.settled() || !w.namespaces.settled() {
			return 0
		}
		j.recover()
		names := union(j.inUse, p.CopyNames())
		w.need(sources, names)
		if !w.settled() {
			j.settled.Store(false)
			return 0
		}
		j.settled.Store(true)
		if err := j.save(ctx, names); isStale(err) {
			j.startOver()
			return staleRetry
		} else if err != nil {
			j.c.troubles.write("the status ConfigMap", err)
			if !apierrors.IsForbidden(err) {
				j.unsaved = describe(err)
				j.tell(ctx)
				return judgeRetry
			}
			j.inUse = names // one missing permission must not stop the rest; only a restart forgets them
		}
		j.unsaved = ""
		j.activate(ctx, p)
	}
	j.confirm(ctx)
	again := j.c.admission.keep(ctx, j.c.active.Load())
	return sooner(again, j.tell(ctx))
}

// restore loads the last good policy and the names in use, once. The text is judged again, because what is allowed
// may have changed with the flags or the version.
func (j *judge) restore() {
	if j.restored {
		return
	}
	j.restored = true
	status := j.statusMap()
	if status == nil {
		j.lost = true
		return
	}
	j.inUse = parseNames(status.Data[statusNames])
	j.spent = parseSpent(status.Data[statusJSON])
	if j.fixed() {
		j.restoredState = parseState(status.Data[statusJSON])
		return // the last good policy is that of the ConfigMap
	}
	documents, err := unpackPolicy(status.BinaryData[statusPolicy])
	if err != nil {
		j.c.Log.Warn().Err(err).Msg("the last good policy cannot be restored from the status ConfigMap")
		return
	}
	if documents == nil {
		return
	}
	p, problems := policy.Parse(documents, j.options())
	if p == nil {
		j.c.Log.Warn().Strs("problems", lines(problems.Errors())).Msg("the last good policy is no longer acceptable; nothing is removed")
		return
	}
	j.accepted = accepted{documents, p}
}

// follow has a standby watch all that the leader watches, so that it can take over at once. It remembers nothing of
// what it reads: whoever takes over starts from the status as the last leader left it.
func (j *judge) follow() {
	var names []string
	documents, _, _ := j.text()
	p, _ := policy.Parse(documents, j.options())
	if status := j.statusMap(); status != nil {
		names = parseNames(status.Data[statusNames])
		if p == nil {
			documents, _ = unpackPolicy(status.BinaryData[statusPolicy])
			p, _ = policy.Parse(documents, j.options())
		}
	}
	if p != nil {
		sources, names := j.c.watchedSources(p), union(names, p.CopyNames())
		j.c.watches.need(sources, names)
		j.c.watches.keep(sources, names)
	}
	j.settled.Store(j.c.watches.settled())
}

// startOver has a judge that put nothing in force yet begin again from the status as it is by then. One that did knows
// better than the status what is in use.
func (j *judge) startOver() {
	if j.c.active.Load() == nil {
		j.restored, j.verdict, j.accepted = false, verdict{}, accepted{}
	}
}

// recover takes the names in use from the ledgers of service accounts, where somebody deleted the status. Or what an
// edit removed in the meantime would lose its references, while its copies stay. What is in a namespace that is going
// goes with it.
func (j *judge) recover() {
	if !j.lost {
		return
	}
	j.lost = false
	for _, obj := range j.c.watches.namespaces.all() {
		ns := obj.(*cluster.Namespace)
		if ns.Terminating {
			continue
		}
		for _, sa := range j.c.watches.accounts.inNamespace(ns.Name) {
			j.inUse = union(j.inUse, ledgerNames(sa.(*cluster.ServiceAccount)))
		}
	}
}

func (j *judge) options() policy.Options {
	return policy.Options{Namespace: j.c.Namespace, SourceNamespaces: j.c.SourceNamespaces}
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
	p, problems := policy.Parse(documents, j.options())
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
	log.Info().Int("rules", len(p.Rules)).Strs("copies", p.CopyNames()).Msg("the policy was accepted")
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
	return cm.Data, cm.Annotations[cluster.AnnotationRevision], true
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

// activate puts a policy in force and has every namespace decided under it. If it would remove too much, it removes
// nothing until it is confirmed; what it adds is added.
func (j *judge) activate(ctx context.Context, p *policy.Policy) {
	gone := j.c.wouldRemove(p)
	n, all := total(gone), j.c.present()
	switch {
	case n == removals{} || !j.fixed() && !j.c.ceiling.tooMany(n, all):
		j.c.ceiling.accept()
	case j.confirmed():
		j.c.ceiling.release()
	default:
		j.c.ceiling.held.Store(true)
		j.c.Log.Warn().Int("removedCopies", n.copies).Int("copies", all.copies).
			Int("removedReferences", n.references).Int("references", all.references).Int("max-prune", j.c.MaxPrune).Msg(j.c.explain(plan.PruneHeld))
	}
	j.begin(ctx, p, gone)
}

// begin has every namespace tried under a policy; gone is what that removes in each, if nothing is held.
func (j *judge) begin(ctx context.Context, p *policy.Policy, gone map[string]removals) {
	j.c.admission.begin(ctx, p)
	j.c.pass.begin(p, gone)
	j.c.active.Store(p)
	j.c.enqueueAll()
	for namespace := range gone { // one that went in the meantime has to be tried too, or the pass never ends
		j.c.enqueue(namespace, false)
	}
}

// confirmed reports whether the user confirmed what the text that was judged last removes, and uses the confirmation
// up. It counts again once the annotation was taken away and set anew.
func (j *judge) confirmed() bool {
	if j.verdict.errors != nil || !confirms(j.policyMap(), j.verdict.hash, j.spent) {
		return false
	}
	j.spent = j.verdict.hash
	return true
}

// confirms reports whether the policy ConfigMap confirms what a text removes, and was not used up for it.
func confirms(cm *cluster.ConfigMap, hash, spent string) bool {
	return cm != nil && hash != "" && hash != spent && cm.Annotations[cluster.AnnotationConfirmPrune] == hash
}

// unspend takes note that the annotation of a confirmation that was used up is gone.
func (j *judge) unspend() {
	if cm := j.policyMap(); cm != nil && cm.Annotations[cluster.AnnotationConfirmPrune] != j.spent {
		j.spent = ""
	}
}

// confirm ends the holding back, when the user confirmed it or there is nothing left to hold back.
func (j *judge) confirm(ctx context.Context) {
	p := j.c.active.Load()
	if p == nil || !j.c.ceiling.held.Load() {
		return
	}
	gone := j.c.wouldRemove(p)
	switch {
	case j.confirmed():
		j.c.ceiling.release()
	case total(gone) == removals{}:
		j.c.ceiling.accept()
	default:
		return
	}
	j.begin(ctx, p, gone)
}

// retire lets go of the names that are no longer in the policy and have no copy left, and stops the watches that
// nobody needs. It waits for a whole pass, because until then a copy may still be on its way.
func (j *judge) retire() {
	p := j.c.active.Load()
	names := slices.DeleteFunc(slices.Clone(j.inUse), func(name string) bool {
		return !slices.Contains(p.CopyNames(), name) && !j.hasCopies(name)
	})
	j.inUse = names
	j.c.watches.keep(j.c.watchedSources(p), union(names, p.CopyNames()))
}

// hasCopies reports whether copies of a name may be left. What may not be read may be there.
func (j *judge) hasCopies(name string) bool {
	w := j.c.watches.copy(name)
	if w == nil || !w.settled() || w.forbidden() {
		return true
	}
	for _, obj := range w.all() {
		if secret := obj.(*cluster.Secret); secret.Ours() {
			return true
		}
	}
	return j.c.written.pending(plan.KindSecret, name)
}

// tell brings status and feedback up to date.
func (j *judge) tell(ctx context.Context) time.Duration {
	p := j.c.active.Load()
	passed := p != nil && p == j.accepted.policy && j.c.pass.complete(p)
	if passed {
		j.retire()
	}
	var wait time.Duration
	if passed || j.verdict.errors != nil || j.unsaved != "" {
		wait = j.tellStatus(ctx)
		pause, err := j.annotate(ctx)
		if wait == 0 || pause > 0 && pause < wait {
			wait = pause
		}
		if err != nil && !isStale(err) {
			j.c.troubles.write("the annotations of the policy ConfigMap", err)
			wait = judgeRetry
		}
		if j.fixed() {
			j.say()
		}
	}
	return wait
}

// policyMap returns the policy ConfigMap as it is now, or nil.
func (j *judge) policyMap() *cluster.ConfigMap { return j.configMap(j.c.watches.policy) }

// statusMap returns the status ConfigMap as it is now, or nil.
func (j *judge) statusMap() *cluster.ConfigMap { return j.configMap(j.c.watches.status) }

func (j *judge) configMap(w *watch) *cluster.ConfigMap {
	if w == nil {
		return nil
	}
	name := cache.ObjectName{Namespace: w.namespace, Name: w.name}
	cm, _ := j.c.written.latest(kindConfigMap, name, w.get(name.String()), w.version()).(*cluster.ConfigMap)
	return cm
}

func lines(problems policy.Problems) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// sooner is the shorter of two waits, of which 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// parseNames reads names of secrets. Somebody may have edited them: what no secret can be called has no copy.
func parseNames(text string) []string {
	names := slices.DeleteFunc(strings.Fields(text), func(name string) bool {
		return len(validation.IsDNS1123Subdomain(name)) > 0
	})
	slices.Sort(names)
	return slices.Compact(names)
}

func ledgerNames(sa *cluster.ServiceAccount) []string {
	return parseNames(strings.ReplaceAll(sa.Ledger, ",", " "))
}
