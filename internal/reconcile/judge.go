package reconcile

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
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
	parsed   *parsed  // the last documents that were parsed
	foundMu  sync.Mutex
	found    []string // names in ledgers that are not in use, sorted; see track
	aside    []string // those of them that are looked for
	crowded  bool     // there were more of them than that
	spent    string   // the confirmation that was used up: it covers one removal, not all later ones

	statusWritten   time.Time
	toldWithoutRoom verdictSaid // the last verdict for which the annotations had no room

	// Of a policy that was given, see judge.say.
	said          said
	restoredState string // what the status said before this start
}

// accepted is a policy with the text that it came from.
type accepted struct {
	documents map[string]string
	policy    *policy.Policy
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
	o := &outlook{accepted: j.accepted.policy, unsaved: j.unsaved, held: j.c.ceiling.Held(), blind: j.blind()}
	if j.verdict.errors != nil {
		o.refused = bound.Text(strings.ReplaceAll(j.verdict.errors.Error(), "\n", "; "))
	}
	p := j.c.active.Load()
	o.told = wait == 0 && p != nil && p == o.accepted && j.c.pass.complete(p)
	return o
}

// advance does whatever can be done now, and returns how long to wait before looking again without being woken; 0 is
// for ever.
func (j *judge) advance(ctx context.Context) time.Duration {
	w := j.c.watches
	if !w.settled() {
		j.settled.Store(false)
	}
	if !w.configMapsSettled() {
		return 0
	}
	if !j.c.Election.Holds() {
		j.follow()
		return 0
	}
	j.restore()
	j.unspend()
	j.read()
	j.judged = true
	switch p := j.accepted.policy; p {
	case nil:
		w.keep(nil, nil) // what an earlier text named that never came in force
		j.settled.Store(w.settled())
	case j.c.active.Load():
		if wait := j.trackFound(ctx); wait > 0 {
			return wait
		}
		j.settled.Store(w.settled())
	default:
		if wait, ok := j.enforce(ctx, p); !ok {
			return wait
		}
	}
	j.confirm(ctx)
	again := j.c.admission.keep(ctx, j.c.active.Load())
	return sooner(again, j.tell(ctx))
}

// enforce puts an accepted policy in force, once all that it needs is watched and saved. Where that is not so yet, it
// returns false, and how long to wait before looking again; 0 is until woken.
func (j *judge) enforce(ctx context.Context, p *policy.Policy) (wait time.Duration, ok bool) {
	w := j.c.watches
	sources := j.c.watchedSources(p)
	w.need(sources, cluster.Union(j.inUse, p.CopyNames())) // while the others are still being listed
	if !w.accounts.settled() || !w.namespaces.settled() {
		return 0, false
	}
	if !j.recover() {
		return 0, false
	}
	names := cluster.Union(j.inUse, p.CopyNames())
	w.need(sources, names)
	if active := j.c.active.Load(); active != nil {
		sources = append(sources, j.c.watchedSources(active)...)
	}
	w.keep(sources, names) // what only a text names that never came in force is not waited for
	if !w.settled() {
		j.settled.Store(false)
		return 0, false
	}
	j.settled.Store(true)
	if err := j.save(ctx, names); kube.Classify(err) == kube.Stale {
		j.startOver()
		return staleRetry, false
	} else if err != nil {
		j.c.troubles.write("the status ConfigMap", err)
		if !apierrors.IsForbidden(err) {
			j.unsaved = kube.Redact(err)
			j.tell(ctx)
			return judgeRetry, false
		}
		j.inUse = names // one missing permission must not stop the rest; only a restart forgets them
	}
	j.unsaved = ""
	j.activate(ctx, p)
	return 0, true
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
		if err != nil && kube.Classify(err) != kube.Stale {
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
	name := cache.ObjectName{Namespace: w.Namespace, Name: w.Name}
	cm, _ := j.c.written.latest(kube.KindConfigMap, name, w.get(name.String()), w.version()).(*cluster.ConfigMap)
	return cm
}

// sooner is the shorter of two waits, of which 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
