package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTheBudgetOfTheAPIServerIsEnough has it evaluate as many and as large parameters as are allowed; failurePolicy
// Fail makes it refuse what it cannot evaluate.
func TestTheBudgetOfTheAPIServerIsEnough(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	ns := s.Namespace("a-namespace-with-a-long-name-0123456789-0123456789") // up to 63
	long := "long" + strings.Repeat("-account", 31)
	s.Account(ns, long+"s") // for the pods, and so before there are rules
	s.wantBudget(t, "accounts", 2, func() []string { return s.Born(ns, long) })
	s.wantBudget(t, "pods", 10, func() []string {
		names, err := s.bornPod(podWith(ns, long+"s"))
		if err != nil {
			return []string{err.Error()}
		}
		return names
	})
}

// wantBudget evaluates many globs, the largest rule, and rules of as many names as one may have.
func (s *sandbox) wantBudget(t *testing.T, attach string, rules int, born func() []string) {
	t.Helper()
	for _, c := range []struct {
		what  string
		rules string
		want  int
	}{
		{"200 rules of 100 globs, of which ten each share a name", rulesOfGlobs(attach), 20},
		{"one rule of 256 KiB", largestRule(attach), 1},
		{fmt.Sprintf("%d rules of 128 names", rules), rulesOfNames(attach, rules), rules * 128},
	} {
		s.Promise(c.rules)
		began := time.Now()
		names := born()
		t.Logf("%s: %s take %s", attach, c.what, time.Since(began))
		if len(names) != c.want {
			t.Errorf("%s: with %s there are %d names, want %d: %.300v", attach, c.what, len(names), c.want, names)
		}
	}
}

// globs are a list of globs, of which one matches.
func globs(matches string, rule int, format string, n int) string {
	out := []string{matches}
	for i := range n {
		out = append(out, fmt.Sprintf(format, rule, i))
	}
	return `["` + strings.Join(out, `", "`) + `"]`
}

func rulesOfGlobs(attach string) string {
	var rules strings.Builder
	for i := range 200 {
		fmt.Fprintf(&rules, "- {name: r%d, attach: %s, secrets: [{source: {name: s%d}, name: n%d}],\n"+
			"   namespaces: {include: %s, exclude: %s}, serviceAccounts: {include: %s}}\n",
			i, attach, i%7, i%20, globs("PREFIX*", i, "*t-%d-?%d*", 39), globs("x-0-*", i, "x-%d-%d-*", 29), globs("long*", i, "sa-%d-*-%d", 29))
	}
	return rules.String()
}

func rulesOfNames(attach string, n int) string {
	var rules strings.Builder
	for i := range n {
		fmt.Fprintf(&rules, "- {name: r%d, attach: %s, namespaces: {include: [\"PREFIX*\"]},\n"+
			"   serviceAccounts: {include: [\"*\"]}, secrets: [", i, attach)
		for j := range 128 {
			fmt.Fprintf(&rules, "{source: {name: s}, name: n%d-%d-%s},", i, j, strings.Repeat("long-", 20)+"name")
		}
		rules.WriteString("]}\n")
	}
	return rules.String()
}

// largestRule is at the very bounds: accounts by 64 KiB of globs, and 256 KiB in all.
func largestRule(attach string) string {
	return fmt.Sprintf("- {name: z, attach: %s, secrets: [{source: {name: s}, name: last}],\n"+
		"   namespaces: {include: %s}, serviceAccounts: {include: %s}}\n",
		attach, globs("PREFIX*", 1, "*team-%d-?%d*", 8600), globs("long*", 1, "*sa-%d-?%d*", 3000))
}
