package admission

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// settle is how long all API servers get to see what one of them was seen to act on, before names are taken away elsewhere.
const settle = 2 * time.Second

// attachment is who gives pods the names of the rules that attach to pods. A rule that moves from service accounts to pods is
// served both ways for a while, so that no new pod lacks a name:
//
//	the parameter serves both -> the API server is seen to act on it -> the parameter serves pods alone -> that is seen too ->
//	service accounts lose the names
//
// And one that moves back: the parameter serves both -> all service accounts have the names -> it serves accounts alone.
type attachment struct {
	mu       sync.Mutex
	toPods   bool              // the API server is seen to add the names, and service accounts need not have them
	absent   string            // why it is known not to add them; "" otherwise
	accounts map[string]bool   // rules whose parameters serve accounts too
	refused  map[string]string // rules that cannot have a parameter, and why

	// Of the goroutine that publishes alone:
	acts   map[string]time.Time // by rule: since when it is seen to act on a parameter of it that serves pods
	moved  time.Time            // since when all accounts have the names of the parameters that stop to serve pods; zero while not
	left   bool                 // these parameters were to be written or deleted
	asking asking
}

// Attached says who gives pods the names of a rule that attaches to pods.
func (a *Publisher) Attached(rule *policy.Rule) policy.Attached {
	if !a.Enabled || rule.Attach == policy.AttachAccounts {
		return policy.ToAccounts
	}
	t := &a.attachment
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.absent != "", t.refused[rule.Name] != "", t.accounts[rule.Name]:
		return policy.ToAccounts
	case t.toPods:
		return policy.ToPods
	}
	return policy.Undecided
}

// Attachment says who gives pods the names of those rules of a policy that attach to pods: the API server, or service accounts,
// and why those.
func (a *Publisher) Attachment(p *policy.Policy) (out status.Attachment) {
	for _, rule := range p.Rules {
		if rule.Attach != policy.AttachPods {
			continue
		}
		switch a.Attached(rule) {
		case policy.ToPods:
			out.Pods = append(out.Pods, rule.Name)
		case policy.ToAccounts:
			out.Accounts = append(out.Accounts, rule.Name)
			out.Why = cmp.Or(a.whyAccounts(rule), out.Why)
		case policy.Undecided:
			out.Undecided = append(out.Undecided, rule.Name)
		}
	}
	return out
}

// whyAccounts is "" for a rule that only waits for the API server.
func (a *Publisher) whyAccounts(rule *policy.Rule) string {
	if !a.Enabled {
		return "the controller was started without -admission"
	}
	a.attachment.mu.Lock()
	defer a.attachment.mu.Unlock()
	return cmp.Or(a.attachment.absent, a.attachment.refused[rule.Name])
}

// serves says which ways of attaching a rule's parameter is to serve, of which there is live.
func (t *attachment) serves(rule *policy.Rule, live *cluster.AdmissionRule) []policy.Attach {
	both := []policy.Attach{policy.AttachAccounts, policy.AttachPods}
	t.mu.Lock()
	defer t.mu.Unlock()
	pods, accounts := servedBy(live)
	switch {
	case rule.Attach == policy.AttachAccounts && pods && !passed(t.moved):
		return both
	case rule.Attach == policy.AttachAccounts:
		return both[:1]
	case t.absent != "", accounts && !passed(t.acts[rule.Name]):
		return both
	}
	return both[1:]
}

// servedBy says which ways a parameter serves.
func servedBy(live *cluster.AdmissionRule) (pods, accounts bool) {
	if live == nil {
		return false, false
	}
	return servesPods(live.Spec), slices.Contains(admission.Attached(live.Spec), policy.AttachAccounts)
}

func servesPods(spec any) bool { return slices.Contains(admission.Attached(spec), policy.AttachPods) }

// passed reports whether something has been so for long enough.
func passed(since time.Time) bool { return !since.IsZero() && time.Since(since) >= settle }

// noteAccounts takes in which rules have parameters that serve accounts too.
func (t *attachment) noteAccounts(p *policy.Policy, live map[string]*cluster.AdmissionRule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accounts = map[string]bool{}
	for _, rule := range p.Rules {
		if _, accounts := servedBy(live[rule.Name]); accounts && rule.Attach == policy.AttachPods {
			t.accounts[rule.Name] = true
		}
	}
}

// noteRefused takes in which rules cannot have a parameter, and why, and has all namespaces decided again if these are others.
func (a *Publisher) noteRefused(p *policy.Policy, why map[string]string) {
	t := &a.attachment
	t.mu.Lock()
	before := t.refused
	t.refused = map[string]string{}
	for _, rule := range p.Rules {
		if text := why[rule.Name]; text != "" {
			t.refused[rule.Name] = text
		}
	}
	changed := !maps.Equal(before, t.refused)
	t.mu.Unlock()
	if changed {
		a.requeueAll()
	}
}

// decide sets who gives out the names, and has those namespaces decided again in which that makes a difference.
func (a *Publisher) decide(toPods bool, absent string) {
	t := &a.attachment
	t.mu.Lock()
	arrived, fellBack := toPods && !t.toPods, absent != "" && t.absent == ""
	t.toPods, t.absent = toPods, absent
	t.mu.Unlock()
	switch {
	case fellBack:
		a.requeueAll()
	case arrived: // accounts lose names, and what we keep there without any
		for _, sa := range a.Cluster.AllAccounts() {
			if a.noted(sa) || a.keepsRecord(sa) {
				a.Requeue(sa.Namespace)
			}
		}
	}
}

func (a *Publisher) requeueAll() {
	for _, ns := range a.Cluster.Namespaces() {
		a.Requeue(ns.Name)
	}
}

// fallBack has service accounts have the names of rules that attach to pods, because it is known that the API server does not
// add them.
func (a *Publisher) fallBack(why string) {
	t := &a.attachment
	t.acts = nil
	t.mu.Lock()
	known := t.absent != ""
	t.mu.Unlock()
	a.decide(false, why)
	if !known && a.present {
		a.MarkChanged() // the parameters have to serve accounts now
		a.Changed()
	}
}

// moveBack has parameters stop to serve pods once all accounts have their names. It returns how long to wait; 0 is until something
// changes.
func (a *Publisher) moveBack(p *policy.Policy) time.Duration {
	t := &a.attachment
	t.mu.Lock()
	refused := t.refused // is replaced, and not changed
	t.mu.Unlock()
	switch {
	case len(leaving(p, a.Cluster.Parameters(), refused)) == 0 || !a.Converged(p):
		t.moved, t.left = time.Time{}, false
		return 0
	case t.left: // what cannot be written is tried again at growing pauses
		return 0
	case t.moved.IsZero():
		t.moved = time.Now()
	}
	switch {
	case !passed(t.moved):
		return settle - time.Since(t.moved)
	case a.Held(): // then parameters stay as they are
		return 0
	}
	t.left = true
	a.MarkChanged()
	return 0
}

// leaving are the parameters that serve pods and are to do so no longer, although names of theirs are still given out: those of
// rules that attach to accounts by now, of rules that can have none any more, and of rules that are gone or have another name.
func leaving(p *policy.Policy, live map[string]*cluster.AdmissionRule, refused map[string]string) map[string]bool {
	out := map[string]bool{}
	wanted := func(name string) bool {
		_, wanted := slices.BinarySearch(p.CopyNames(), name)
		return wanted
	}
	for name, one := range live {
		out[name] = one.Ours && servesPods(one.Spec) && (slices.ContainsFunc(one.Names, wanted) || slices.ContainsFunc(one.Some, wanted))
	}
	for _, rule := range p.Rules {
		out[rule.Name] = out[rule.Name] && (rule.Attach == policy.AttachAccounts || refused[rule.Name] != "")
	}
	maps.DeleteFunc(out, func(_ string, leaves bool) bool { return !leaves })
	return out
}
