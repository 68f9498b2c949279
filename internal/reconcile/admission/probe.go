package admission

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// seenWithin is how long the API server may take to act on a parameter before it counts as not acting at all.
	seenWithin = 5 * time.Second
	// seenAgain is how soon it is asked again until then.
	seenAgain = 200 * time.Millisecond
	// askAgain is how often it is asked although nothing changed: somebody may remove the policy or its binding, or bring it.
	askAgain = 30 * time.Second
)

// notActing is why names are not added to pods where the parameters are there and nothing acts on them.
const notActing = "the API server does not act on the parameters for pods: apply kustomize/components/admission, " +
	"which has the policy pullsecrets-pods and its binding"

// asking is the question on which versions of the parameters the API server acts.
type asking struct {
	seen   string    // the versions that it was seen to act on; "" for none
	about  string    // those that it was asked about and does not act on
	since  time.Time // when it answered first that it does not
	next   time.Time // not again before
	gaveUp bool

	withdrawn string // the versions that were to serve accounts no longer

	again atomic.Bool // ask although nothing changed
	timer *time.Timer
}

// attach asks whether the API server acts on the parameters for pods, and decides who gives out the names. It returns how long
// to wait before the next try; 0 is until something changes.
func (a *Publisher) attach(ctx context.Context, p *policy.Policy) time.Duration {
	if !a.present {
		return 0
	}
	live := a.Cluster.Parameters()
	wanted, serveAccounts := podParameters(p, live)
	t := &a.attachment
	q := &t.asking
	t.noteAccounts(p, live)
	if a.isBehind(live) {
		a.decide(false, t.absent)
		return seenAgain
	}
	if len(wanted) == 0 {
		q.seen, q.about, t.acts = "", "", nil
		a.decide(false, "")
		return 0
	}
	now := versions(wanted)
	again := q.again.Load()
	switch pending := q.about == now && !q.gaveUp; {
	case pending && time.Until(q.next) > 0:
		return time.Until(q.next)
	case pending, again: // ask
	case q.seen == now:
		return a.settled(serveAccounts)
	case q.about == now:
		return 0
	}
	acts, err := a.actsOn(ctx, wanted)
	q.again.Store(false)
	switch {
	case err != nil && !definite(err):
		a.Throttled.WriteFailed("admission parameters: the API server does not say whether it acts on those for pods", err)
		return q.later(now, writeAgain)
	case err != nil:
		return a.giveUp(now, "the API server cannot be asked whether it acts on the parameters for pods: "+kube.Redact(err))
	case acts:
		q.seen, q.about, q.gaveUp = now, "", false
		a.noteActs(wanted)
		a.askLater()
		return a.settled(serveAccounts)
	}
	return a.notSeen(now)
}

// later has the question asked again about these versions.
func (q *asking) later(now string, wait time.Duration) time.Duration {
	if q.about != now || q.gaveUp {
		q.about, q.since, q.gaveUp = now, time.Time{}, false
	}
	q.next = time.Now().Add(wait)
	return wait
}

// notSeen waits for the API server to act on these versions, and for a while only. What was so before is so until then: it may
// be a moment behind.
func (a *Publisher) notSeen(now string) time.Duration {
	q := &a.attachment.asking
	if q.about == now && (q.gaveUp || !q.since.IsZero() && time.Since(q.since) >= seenWithin) {
		return a.giveUp(now, notActing)
	}
	if q.seen != "" && q.seen != now {
		a.decide(false, "")
	}
	wait := q.later(now, seenAgain)
	if q.since.IsZero() {
		q.since = time.Now()
	}
	return wait
}

// giveUp falls back, and asks again from time to time.
func (a *Publisher) giveUp(now, why string) time.Duration {
	q := &a.attachment.asking
	q.seen, q.about, q.gaveUp = "", now, true
	a.fallBack(why)
	a.askLater()
	return 0
}

// noteActs takes in that the API server was seen to act on these parameters. On those that were there when we started, all API
// servers act for long.
func (a *Publisher) noteActs(on map[string]*cluster.AdmissionRule) {
	acts := map[string]time.Time{}
	for name := range on {
		switch since := a.attachment.acts[name]; {
		case !since.IsZero():
			acts[name] = since
		case a.written[name]:
			acts[name] = time.Now()
		default:
			acts[name] = time.Unix(0, 0)
		}
	}
	a.attachment.acts = acts
}

// latest is when the API server was seen to act on the last of the parameters.
func (t *attachment) latest() (at time.Time) {
	for _, since := range t.acts {
		if since.After(at) {
			at = since
		}
	}
	return at
}

// settled has parameters serve pods alone that the API server was seen to act on, and after that accounts lose the names: not
// before other API servers had a while too.
func (a *Publisher) settled(serveAccounts bool) time.Duration {
	t := &a.attachment
	wait := settle - time.Since(t.latest())
	if !serveAccounts && (wait <= 0 || !a.anyNoted()) {
		a.decide(true, "")
		return 0
	}
	a.decide(false, "")
	switch {
	case serveAccounts && a.Held(): // while a prune is held, parameters stay as they are
		return 0
	case wait > 0:
		return wait
	}
	if q := &t.asking; q.withdrawn != q.seen { // once: what cannot be written is tried again at growing pauses
		q.withdrawn = q.seen
		a.MarkChanged()
		return time.Millisecond
	}
	return 0
}

// anyNoted reports whether an account has names that we added.
func (a *Publisher) anyNoted() bool { return slices.ContainsFunc(a.Cluster.AllAccounts(), a.noted) }

func (a *Publisher) noted(sa *cluster.ServiceAccount) bool {
	return len(a.Cluster.Installation().NotedOn(sa)) > 0
}

// keepsRecord reports whether an account's ledger is ours, be it without a name, as a rule with prune: false leaves it.
func (a *Publisher) keepsRecord(sa *cluster.ServiceAccount) bool {
	l := cluster.ParseLedger(sa.Ledger)
	return l.Home == a.Cluster.Installation().Home && l.Namespace == sa.Namespace
}

// askLater asks again after a while, whatever happens until then. Nobody waits for it.
func (a *Publisher) askLater() {
	q := &a.attachment.asking
	if q.timer != nil {
		q.timer.Stop()
	}
	q.timer = time.AfterFunc(askAgain, func() {
		q.again.Store(true)
		a.Changed()
	})
}

// isBehind reports whether the watch does not show yet what was written.
func (a *Publisher) isBehind(live map[string]*cluster.AdmissionRule) bool {
	for name, before := range a.behind {
		if one := live[name]; one != nil && one.ResourceVersion != before {
			delete(a.behind, name)
		}
	}
	return len(a.behind) > 0
}

// podParameters are the parameters of a policy's rules that serve pods, and whether one of them, of a rule that attaches to pods,
// serves accounts too.
func podParameters(p *policy.Policy, live map[string]*cluster.AdmissionRule) (of map[string]*cluster.AdmissionRule, serveAccounts bool) {
	of = map[string]*cluster.AdmissionRule{}
	for _, rule := range p.Rules {
		pods, accounts := servedBy(live[rule.Name])
		if rule.Attach != policy.AttachPods || !pods {
			continue
		}
		of[rule.Name] = live[rule.Name]
		serveAccounts = serveAccounts || accounts
	}
	return of, serveAccounts
}

// versions identifies what parameters say.
func versions(of map[string]*cluster.AdmissionRule) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(of)) {
		b.WriteString(name + "=" + of[name].ResourceVersion + " ")
	}
	return b.String()
}

// actsOn reports whether the API server acts on these versions of the parameters. The policy for pods notes them on an object
// that is never written: so this takes no permission for pods.
func (a *Publisher) actsOn(ctx context.Context, of map[string]*cluster.AdmissionRule) (bool, error) {
	answer, err := a.Client.TryApply(ctx, kube.AdmissionRules, admission.Probe(a.Cluster.Installation().Home))
	if err != nil {
		return false, err
	}
	seen := admission.Seen(answer.GetAnnotations()[admission.AnnotationSeen])
	for name, parameter := range of {
		if seen[name] != parameter.ResourceVersion {
			return false, nil
		}
	}
	return true, nil
}

// definite reports whether an error says that a request will not succeed before somebody changes something.
func definite(err error) bool {
	return errors.Is(err, errOlderComponent) || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err)
}
