package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// ruleCount is what came of a rule in one namespace that it selects.
type ruleCount struct {
	name              string
	missing, accounts int
	unsynced          bool // a write failed or does not last
}

// ruleSum is what came of a rule in all of them.
type ruleSum struct {
	namespaces, missing, accounts int
	unsynced                      map[string]time.Time // namespaces, since when
	oldest                        string               // of these; "" where that is not worked out
}

// ruleCounts is what came of the rules that select a namespace. missing are the names of the copies that are not there.
func ruleCounts(todo plan.Plan, result apply.Result, early bool, missing []string) (out []ruleCount) {
	for _, rule := range todo.Rules {
		out = append(out, ruleCount{name: rule.Name, accounts: rule.Accounts})
	}
	for _, name := range missing {
		if i := indexOfRule(out, todo.Find(plan.KindSecret, name).Rule); i >= 0 {
			out[i].missing++
		}
	}
	failed := func(kind plan.Kind, rule string) {
		for i := range out { // a service account is written once for all rules
			if kind == plan.KindSecret && out[i].name == rule || kind == plan.KindServiceAccount && out[i].accounts > 0 {
				out[i].unsynced = true
			}
		}
	}
	for _, o := range result.Outcomes {
		if failure(o, early) {
			failed(o.Kind, o.Rule)
		}
	}
	for _, c := range result.Contended {
		failed(c.Kind, c.Rule)
	}
	for _, a := range result.Altered {
		failed(a.Kind, a.Rule)
	}
	return out
}

func indexOfRule(counts []ruleCount, name string) int {
	return slices.IndexFunc(counts, func(c ruleCount) bool { return c.name == name })
}

func anyUnsynced(counts []ruleCount) bool {
	return slices.ContainsFunc(counts, func(c ruleCount) bool { return c.unsynced })
}

// keepUnsynced is keep, of rules; and it notes since when the namespace is unsynced. The caller holds the mutex.
func (r *Reporter) keepUnsynced(namespace string, s, before *summary, result apply.Result) {
	stale := slices.ContainsFunc(result.Outcomes, func(o apply.Outcome) bool { return kube.Classify(o.Err) == kube.Stale })
	for _, c := range before.ruleCounts() {
		if i := indexOfRule(s.rules, c.name); i >= 0 && stale {
			s.rules[i].unsynced = s.rules[i].unsynced || c.unsynced
		}
	}
	if !anyUnsynced(s.rules) {
		return
	}
	if s.since = time.Now(); anyUnsynced(before.ruleCounts()) {
		s.since = before.since
	} else if since, known := r.unsynced.Get(namespace); known {
		s.since = since
	}
}

func (s *summary) ruleCounts() []ruleCount {
	if s == nil {
		return nil
	}
	return s.rules
}

// moveRules accounts for what came of the rules in a namespace. The caller holds the mutex.
func (r *Reporter) moveRules(namespace string, before, after *summary) {
	r.addRules(namespace, before, -1)
	r.addRules(namespace, after, 1)
}

func (r *Reporter) addRules(namespace string, s *summary, sign int) {
	for _, c := range s.rules {
		sum := r.rules[c.name]
		if sum == nil {
			sum = &ruleSum{unsynced: map[string]time.Time{}}
			r.rules[c.name] = sum
		}
		sum.namespaces += sign
		sum.missing += sign * c.missing
		sum.accounts += sign * c.accounts
		if _, was := sum.unsynced[namespace]; was || c.unsynced {
			sum.oldest = ""
		}
		if delete(sum.unsynced, namespace); c.unsynced && sign > 0 {
			sum.unsynced[namespace] = s.since
		}
		if sum.namespaces == 0 {
			delete(r.rules, c.name)
		}
	}
}

// Rules is what came of each rule that selects a namespace.
func (r *Reporter) Rules() map[string]status.RuleTotals {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]status.RuleTotals, len(r.rules))
	for name, sum := range r.rules {
		t := status.RuleTotals{
			Name: name, Namespaces: sum.namespaces, Copies: r.copies[name], Missing: sum.missing, ServiceAccounts: sum.accounts, Unsynced: len(sum.unsynced),
		}
		if len(sum.unsynced) > 0 {
			t.OldestNamespace = sum.first()
			t.OldestUnsynced = sum.unsynced[t.OldestNamespace].UTC().Format(time.RFC3339)
		}
		out[name] = t
	}
	return out
}

// first is the namespace that is unsynced longest. It is worked out once: where nothing can be written, thousands are.
func (s *ruleSum) first() string {
	if s.oldest == "" {
		for ns, since := range s.unsynced {
			if s.oldest == "" || cmp.Or(since.Compare(s.unsynced[s.oldest]), strings.Compare(ns, s.oldest)) < 0 {
				s.oldest = ns
			}
		}
	}
	return s.oldest
}

// AllProblems are all problems with all their namespaces, the policy's first. version is another one whenever they are others.
func (r *Reporter) AllProblems() (all []status.FullProblem, version uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, namespaces := range r.problems {
		full := status.FullProblem{Problem: p}
		for ns := range namespaces {
			if ns != "" {
				full.Namespaces = append(full.Namespaces, ns)
			}
		}
		slices.Sort(full.Namespaces)
		all = append(all, full)
	}
	slices.SortFunc(all, func(a, b status.FullProblem) int {
		return compareShown(a.Problem, b.Problem)
	})
	return all, r.problemVersion
}

// ProblemVersion is the version of what AllProblems returns.
func (r *Reporter) ProblemVersion() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problemVersion
}
