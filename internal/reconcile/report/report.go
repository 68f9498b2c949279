// Package report is where everything ends that came of the work: it logs it, sums it up for the status, counts it for the metrics
// and writes Events.
package report

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/draining"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const (
	// shownProblems is how many problems the status names; the rest is counted.
	shownProblems = 20
	shownOthers   = 20 // namespaces that the status names of a problem, besides the first
)

// Reporter gathers what came of each namespace, logs what changed, and sums it up for the status. It is the one place where
// errors end.
type Reporter struct {
	Options
	mu         sync.Mutex
	namespaces map[string]*summary
	problems   map[status.Problem]map[string]bool // with the namespaces that have it; "" for what is of none
	none       map[string][]status.Problem        // the problems that are of no namespace, by who tells them
	sources    sourceFindings
	common     *summary                   // the last one without problems: most namespaces share one
	copies     map[string]int             // of all namespaces, by rule: a roll-out asks for the sums after each of them
	missing    map[string]map[string]bool // copies that are wanted and not there, with the namespaces that lack them
	accounts   int
	ofPolicy   int                     // problems of the policy's scope
	selected   int                     // namespaces, as Health counts them
	failing    int                     // of these
	reasons    map[string]int          // of their own problems, with how many namespaces have one
	unsynced   draining.Map[time.Time] // namespaces with work that is not done, since when
	rules      map[string]*ruleSum     // those that select a namespace
	// problemVersion counts the changes of problems.
	problemVersion uint64
}

// Options are what a Reporter needs.
type Options struct {
	Log     zerolog.Logger
	Changed func()                   // is called when the sums are other than before
	Explain func(plan.Reason) string // puts a problem into words
	// MaxFailing is the percentage of the selected namespaces that may have problems of their own before the policy counts as Degraded.
	MaxFailing int
	// Contended is called when an object was repaired more often than is done without a pause.
	Contended func(namespace string, o apply.Outcome)
}

// everywhere reports whether the problem has one cause for all its namespaces, so that one line says it.
func everywhere(p status.Problem) bool {
	switch p.Reason {
	case string(plan.ForeignSecret), string(plan.OtherInstallation), string(plan.OtherData), string(plan.DeletionPending), WriteFailed, Contested, Altered:
		return p.Detail == kube.UnreachableText
	}
	return true
}

// New returns a Reporter that knows of nothing.
func New(options Options) *Reporter {
	return &Reporter{
		Options:    options,
		namespaces: map[string]*summary{},
		none:       map[string][]status.Problem{},
		problems:   map[status.Problem]map[string]bool{},
		copies:     map[string]int{},
		missing:    map[string]map[string]bool{},
		reasons:    map[string]int{},
		rules:      map[string]*ruleSum{},
	}
}

// Record takes in what was decided about a namespace and what came of it. early says that it was one of the first tries, at
// which it is no wonder yet that a removed name comes back.
func (r *Reporter) Record(todo plan.Plan, result apply.Result, early bool) {
	r.Log.Debug().Str("namespace", todo.Namespace).Int("decisions", len(todo.Actions)).Int("writes", len(result.Outcomes)).Msg("decided")
	for _, res := range result.Outcomes {
		LogOutcome(r.Log, todo.Namespace, res)
		if res.Repairs > apply.FreeRepairs {
			r.Contended(todo.Namespace, res)
		}
	}
	next := r.summarise(todo, result, early)
	r.mu.Lock()
	r.setUnsynced(todo.Namespace, !result.Done())
	before := r.namespaces[todo.Namespace]
	next.keep(before, result)
	r.keepUnsynced(todo.Namespace, next, before, result)
	same := before != nil && before.selected == next.selected && before.accounts == next.accounts && maps.Equal(before.copies, next.copies) &&
		slices.Equal(before.missing, next.missing) && slices.Equal(before.problems, next.problems) && slices.Equal(before.rules, next.rules)
	if !same {
		next = r.share(next)
		r.namespaces[todo.Namespace] = next
		r.move(todo.Namespace, before, next)
	}
	r.mu.Unlock()
	if !same {
		r.Changed()
	}
}

// share returns a summary that says the same, and is shared by other namespaces if it can be.
func (r *Reporter) share(s *summary) *summary {
	switch {
	case len(s.problems) > 0, len(s.missing) > 0:
	case r.common != nil && r.common.selected == s.selected && r.common.accounts == s.accounts && maps.Equal(r.common.copies, s.copies) && slices.Equal(r.common.rules, s.rules):
		return r.common
	default:
		r.common = s
	}
	return s
}

// Forget drops a namespace that is gone.
func (r *Reporter) Forget(namespace string) {
	r.mu.Lock()
	r.unsynced.Delete(namespace)
	before := r.namespaces[namespace]
	if before != nil {
		delete(r.namespaces, namespace)
		r.move(namespace, before, &summary{})
	}
	r.mu.Unlock()
	if before != nil {
		r.Changed()
	}
}

// OfNone takes in all the problems that are of no namespace and that one part of the program tells of, by its name.
func (r *Reporter) OfNone(of string, problems []status.Problem) {
	problems = inOrder(problems)
	r.mu.Lock()
	same := slices.Equal(r.none[of], problems)
	if !same {
		before := r.ofNone()
		r.none[of] = problems
		r.move("", before, r.ofNone())
	}
	r.mu.Unlock()
	if !same {
		r.Changed()
	}
}

// ofNone are the problems of no namespace that anybody tells of.
func (r *Reporter) ofNone() *summary {
	return &summary{problems: inOrder(slices.Concat(slices.Collect(maps.Values(r.none))...))}
}

// move accounts for what a namespace got and got rid of, and logs the problems among it.
func (r *Reporter) move(namespace string, before, after *summary) {
	if before == nil {
		before = &summary{}
	}
	r.add(before, -1)
	r.add(after, 1)
	r.moveMissing(namespace, before.missing, after.missing)
	r.moveRules(namespace, before, after)
	if !slices.Equal(before.problems, after.problems) {
		r.problemVersion++
	}
	for _, p := range after.problems {
		if r.problems[p] == nil {
			r.problems[p] = map[string]bool{}
		}
		first := len(r.problems[p]) == 0
		if first && p.Scope == string(plan.ScopePolicy) {
			r.ofPolicy++
		}
		known := r.problems[p][namespace]
		r.problems[p][namespace] = true
		if first || !known && !everywhere(p) {
			line := problemFields(p, r.Log.Warn())
			if namespace != "" {
				line = line.Str("namespace", namespace)
			}
			line.Msg(p.Detail)
		}
	}
	for _, p := range before.problems {
		if slices.Contains(after.problems, p) {
			continue
		}
		delete(r.problems[p], namespace)
		if len(r.problems[p]) == 0 {
			delete(r.problems, p)
			if p.Scope == string(plan.ScopePolicy) {
				r.ofPolicy--
			}
			problemFields(p, r.Log.Info()).Msg("no longer a problem")
		}
	}
}

// add adds a namespace to the sums, or takes it away with -1.
func (r *Reporter) add(s *summary, sign int) {
	r.weigh(s, sign)
	r.accounts += sign * s.accounts
	for rule, n := range s.copies {
		if r.copies[rule] += sign * n; r.copies[rule] == 0 {
			delete(r.copies, rule)
		}
	}
}

func problemFields(p status.Problem, e *zerolog.Event) *zerolog.Event {
	e = e.Str("reason", p.Reason).Str("kind", p.Kind).Str("name", p.Name)
	if p.Rule != "" {
		e = e.Str("rule", p.Rule)
	}
	if p.Source != "" {
		e = e.Str("source", p.Source)
	}
	return e
}

// LogOutcome logs what came of a write: what failed becomes a problem, which is logged when it is new.
func LogOutcome(log zerolog.Logger, namespace string, res apply.Outcome) {
	if res.Err != nil {
		if kube.Classify(res.Err) == kube.Stale || kube.Classify(res.Err) == kube.Gone {
			log.Debug().Str("namespace", namespace).Str("kind", string(res.Kind)).Str("name", res.Name).
				Str("error", kube.Redact(res.Err)).Msg("it changed in between; deciding again")
		}
		return // anything else becomes a problem, which is logged when it is new
	}
	e := log.Info().Str("namespace", namespace).Str("kind", string(res.Kind)).Str("name", res.Name).
		Str("reason", string(res.Reason))
	if res.Rule != "" {
		e = e.Str("rule", res.Rule)
	}
	if l := res.List; l != nil {
		if len(l.Added) > 0 {
			e = e.Strs("added", bound.List(l.Added, ""))
		}
		if len(l.Removed) > 0 {
			e = e.Strs("removed", bound.List(l.Removed, ""))
		}
	}
	e.Msg(inWords(res.Action))
}

func inWords(a plan.Action) string {
	if a.Verb == plan.Release && a.Kind == plan.KindSecret {
		return "copy given up: it is another field manager's by now"
	}
	return done[a.Verb]
}

var done = map[plan.Verb]string{
	plan.SetList: "references written", plan.Release: "list given back", plan.Create: "copy created",
	plan.Update: "copy updated", plan.Replace: "copy replaced", plan.Delete: "copy deleted",
}

// AnyHeld reports whether something is not removed because it would be too much at once.
func (r *Reporter) AnyHeld() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.problems {
		if p.Reason == string(plan.PruneHeld) {
			return true
		}
	}
	return false
}

// Unfinished counts the problems because of which the cluster is not as the policy says, and puts the first in words.
func (r *Reporter) Unfinished() (first string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range slices.SortedFunc(maps.Keys(r.problems), compareProblems) {
		if leftAlone(p) {
			continue
		}
		if n++; n == 1 {
			of := fmt.Sprintf("%s %s/%s", p.Kind, slices.Min(slices.Collect(maps.Keys(r.problems[p]))), p.Name)
			if r.problems[p][""] {
				of = p.Object()
			}
			first = fmt.Sprintf("%s: %s (%s)", of, p.Detail, p.Reason)
		}
	}
	return first, n
}

// leftAlone reports whether a problem is what the policy itself asks for: to leave alone what is not ours, and to copy what
// a source holds.
func leftAlone(p status.Problem) bool {
	switch plan.Reason(p.Reason) {
	case plan.ForeignSecret, plan.OtherInstallation, plan.RuleConflict, plan.OtherSource, plan.OtherData, plan.SourceExpired:
		return true
	}
	return false
}

// problemClass is what the metrics tell problems apart by.
type problemClass struct{ kind, reason string }

// problemCounts counts objects that have a problem.
func (r *Reporter) problemCounts() map[problemClass]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[problemClass]int{}
	for p, namespaces := range r.problems {
		counts[problemClass{p.Kind, p.Reason}] += len(namespaces)
	}
	return counts
}
