package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// The scopes of a Group, as plan.Scope has them. A status of an earlier version tells none.
const (
	OfPolicy    = "policy"
	OfNamespace = "namespace"
)

// problems puts problems of one reason together: the policy's first, then those that most namespaces have.
func (o *Overview) problems(in Input, s saved) {
	at := map[[2]string]int{}
	more := 0
	for _, p := range s.problems {
		key := [2]string{p.Scope, p.Reason}
		i, ok := at[key]
		if !ok {
			i = len(o.Problems)
			at[key] = i
			o.Problems = append(o.Problems, newGroup(p.Problem, in.Meanings))
		}
		more += p.More
		o.Problems[i].Problems = append(o.Problems[i].Problems, p)
	}
	for i := range o.Problems {
		o.Problems[i].Namespaces = namespacesOf(o.Problems[i].Problems)
	}
	slices.SortStableFunc(o.Problems, func(a, b Group) int {
		return cmp.Or(compareScopes(a.Scope, b.Scope), cmp.Compare(b.Namespaces, a.Namespaces), strings.Compare(a.Reason, b.Reason))
	})
	o.ProblemCount = max(o.ProblemCount, len(s.problems))
	if left := o.ProblemCount - len(s.problems); left > 0 && s.whole {
		o.incomplete(fmt.Sprintf("%d more problems are not told: there is no room for them in the status ConfigMap", left))
	}
	if more > 0 && s.whole {
		o.incomplete("some problems name the first of their namespaces and count the others: there is no room for them in the status ConfigMap")
	}
}

func newGroup(p status.Problem, meanings []plan.Meaning) Group {
	g := Group{Reason: p.Reason, Scope: p.Scope}
	if i := slices.IndexFunc(meanings, func(m plan.Meaning) bool { return string(m.Reason) == p.Reason }); i >= 0 {
		g.Means, g.Do = meanings[i].Says, cmp.Or(meanings[i].Do, meanings[i].Advice)
	}
	return g
}

func compareScopes(a, b string) int {
	rank := func(scope string) int {
		if scope == OfPolicy {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// namespacesOf counts the namespaces that have any of the problems, each once as far as they are named.
func namespacesOf(problems []status.FullProblem) int {
	all, more := map[string]bool{}, 0
	for _, p := range problems {
		for _, ns := range p.Namespaces {
			all[ns] = true
		}
		more = max(more, p.More)
	}
	return len(all) + max(0, more)
}

// held says what is held back, and how it is confirmed: for the text that was judged, and only while that is the live one.
func (o *Overview) held(in Input, s saved) {
	i := slices.IndexFunc(o.Problems, func(g Group) bool { return g.Reason == string(plan.PruneHeld) })
	if i < 0 {
		return
	}
	held := &Held{Namespaces: o.Problems[i].Namespaces}
	for _, p := range o.Problems[i].Problems {
		n := len(p.Namespaces) + max(0, p.More)
		if p.Kind == string(plan.KindSecret) {
			held.Copies += n
		} else {
			held.ServiceAccounts += n
		}
	}
	o.Held = held
	switch {
	case in.Policy == nil:
		held.Why = "there is no policy ConfigMap that could confirm it"
		return
	case !o.Judged:
		held.Why = "the text was edited: see whether anything is held back once it was judged"
		return
	case s.there && o.Verdict != status.Invalid && !o.RolledOut:
		held.Why = "the text is being rolled out: see whether anything is held back when that is done"
		return
	case o.Verdict == status.Invalid:
		held.Why = "the text was refused: correct it first"
		return
	}
	annotate := fmt.Sprintf("%s -n %s annotate configmap %s", cmp.Or(in.Kubectl, "kubectl"), in.Namespace, in.PolicyName)
	held.Confirm = fmt.Sprintf("%s --overwrite %s=%s", annotate, cluster.AnnotationConfirmPrune, o.Text)
	if s.record.Confirmed == o.Text { // it counts again once the controller saw that it was taken away
		held.Confirm = fmt.Sprintf("%s %s- && sleep 5 && %s", annotate, cluster.AnnotationConfirmPrune, held.Confirm)
	}
	if held.Confirm != printable(held.Confirm) { // with other letters in their place it would be for another cluster
		held.Confirm = ""
		held.Why = fmt.Sprintf("the command cannot be shown, because the kubeconfig, its context or the user has a letter that is not printable; annotate the policy ConfigMap of this cluster with %s=%s",
			cluster.AnnotationConfirmPrune, o.Text)
	}
}
