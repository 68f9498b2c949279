package report

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// summary is what came of one namespace. It is not changed once it is recorded.
type summary struct {
	selected bool             // by a rule
	copies   map[string]int   // in place, by rule
	missing  []string         // names of copies that are wanted and not there, sorted
	accounts int              // that rules give names to
	problems []status.Problem // sorted
	rules    []ruleCount      // those that select it, in the policy's order
	since    time.Time        // the first of these is unsynced
}

// keep takes over the problems of objects that changed while they were written. They are decided on again at once, and
// would else be no longer a problem for that moment.
func (s *summary) keep(before *summary, result apply.Result) {
	if before == nil {
		return
	}
	for _, res := range result.Outcomes {
		for _, p := range before.problems {
			if kube.Classify(res.Err) == kube.Stale && p.Kind == string(res.Kind) && p.Name == res.Name && !slices.Contains(s.problems, p) {
				s.problems = append(s.problems, p)
			}
		}
	}
	slices.SortFunc(s.problems, compareProblems)
}

func (r *Reporter) summarise(todo plan.Plan, result apply.Result, early bool) *summary {
	s := &summary{selected: todo.Selected(), copies: map[string]int{}}
	failed := map[string]bool{}
	for _, res := range result.Outcomes {
		if !failure(res, early) {
			continue
		}
		failed[string(res.Kind)+res.Name] = true
		p := status.Problem{Rule: res.Rule, Kind: string(res.Kind), Name: res.Name, Reason: WriteFailed, Detail: kube.Redact(res.Err)}
		switch verb := kube.MissingVerb(res.Err); {
		case apply.IsContested(res.Err):
			continue // those follow
		case apply.AsAltered(res.Err) != nil:
			p.Reason = Altered
		case verb != "" && res.Kind == plan.KindServiceAccount:
			p.Reason, p.Detail = AccountsForbidden, "the verb "+verb+" is not permitted on service accounts: "+rolesAsPrinted
		case verb != "":
			p.Reason, p.Detail = notPermitted(verb, res.Action)
		}
		s.problems = append(s.problems, p)
	}
	for _, f := range result.Contended {
		s.problems = append(s.problems, status.Problem{
			Rule: f.Rule, Kind: string(f.Kind), Name: f.Name, Reason: Contested, Detail: f.Error(),
		})
	}
	for _, a := range result.Altered {
		s.problems = append(s.problems, status.Problem{Rule: a.Rule, Kind: string(a.Kind), Name: a.Name, Reason: Altered, Detail: a.Err.Error()})
	}
	for _, a := range todo.Actions {
		if a.Serves {
			s.accounts++
		}
		if a.Reason.Problem() {
			p := status.Problem{Rule: a.Rule, Kind: string(a.Kind), Name: a.Name, Reason: string(a.Reason), Detail: a.Explain()}
			if a.Source.Name != "" {
				p.Source = a.Source.String()
			}
			if a.Defect != "" {
				p.Detail += " (" + string(a.Defect) + ")"
			}
			if len(a.Diff) > 0 { // what a copy that cannot be written lacks
				p.Detail += " (" + bound.Few(a.Diff) + ")"
			}
			s.problems = append(s.problems, p)
		} else if a.Kind == plan.KindSecret && a.Rule != "" && !failed[string(a.Kind)+a.Name] && (a.Verb != plan.None || a.IsThere()) {
			s.copies[a.Rule]++
		}
	}
	s.problems = inOrder(s.problems)
	s.missing = missingCopies(todo, result)
	s.rules = ruleCounts(todo, result, early, s.missing)
	return s
}

// failure reports whether a write failed, and not only came too late, or too early for the API server to have forgotten a name.
func failure(o apply.Outcome, early bool) bool {
	switch kube.Classify(o.Err) {
	case kube.OK, kube.Stale, kube.Gone:
		return false
	}
	return !early || !errors.Is(o.Err, apply.ErrCameBack)
}

// inOrder sorts problems, and leaves each only once. What they say is bounded from here on, and whose they are is known.
func inOrder(problems []status.Problem) []status.Problem {
	for i := range problems {
		problems[i].Detail = bound.Text(problems[i].Detail)
		problems[i].Scope = scopeOf(problems[i].Reason)
	}
	slices.SortFunc(problems, compareProblems)
	return slices.Compact(problems)
}

// notPermitted says that the roles lack a verb for a copy. It names no namespace: the cause is one for all of them.
func notPermitted(verb string, a plan.Action) (reason, detail string) {
	if a.Verb == plan.Delete {
		return string(plan.LeftForbidden), "no rule asks for this copy any more, but the verb " + verb +
			" is not permitted on secrets of this name; references to it are removed, the copy is left: apply the roles that `pullsecrets rbac -f POLICY -also " + a.Name + "` prints"
	}
	return string(plan.CopyForbidden), "the verb " + verb +
		" is not permitted on secrets of this name: " + rolesAsPrinted
}

const rolesAsPrinted = "apply the roles that `pullsecrets rbac -f POLICY` prints"

func compareProblems(a, b status.Problem) int {
	return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Reason, b.Reason), strings.Compare(a.Source, b.Source), strings.Compare(a.Detail, b.Detail))
}
