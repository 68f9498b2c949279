package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestTheBudgetOfTheAPIServerIsEnough has it evaluate as many and as large parameters as are allowed; failurePolicy
// Fail makes it refuse what it cannot evaluate.
func TestTheBudgetOfTheAPIServerIsEnough(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	globs := func(rule int, format string, n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, rule, i))
		}
		return `["` + strings.Join(out, `", "`) + `"]`
	}
	ns := s.Namespace("a-namespace-with-a-long-name-0123456789-0123456789") // up to 63
	var rules strings.Builder
	for i := range 200 {
		fmt.Fprintf(&rules, "- {name: r%d, secrets: [{source: {name: s%d}, name: n%d}], namespaces: {include: %s, exclude: %s}, serviceAccounts: {include: %s}}\n",
			i, i%7, i%20, strings.Replace(globs(i, "*t-%d-?%d*", 39), "[", `["PREFIX*", `, 1), globs(i, "x-%d-%d-*", 30),
			strings.Replace(globs(i, "sa-%d-*-%d", 29), "[", `["long*", `, 1))
	}
	s.Promise(rules.String())
	long := "long" + strings.Repeat("-account", 31)
	began := time.Now()
	names := s.Born(ns, long)
	t.Logf("200 rules of 100 globs, of which ten each share a name, take %s", time.Since(began))
	if want := 20; len(names) != want {
		t.Errorf("an account gets %d names, want %d: %.300v", len(names), want, names)
	}

	// One rule at the very bounds: accounts by 64 KiB of globs, and 256 KiB in all.
	var large strings.Builder
	fmt.Fprintf(&large, "- {name: z, secrets: [{source: {name: s}, name: last}], namespaces: {include: %s}, serviceAccounts: {include: %s}}\n",
		strings.Replace(globs(1, "*team-%d-?%d*", 8600), "[", `["PREFIX*", `, 1), strings.Replace(globs(1, "*sa-%d-?%d*", 3000), "[", `["long*", `, 1))
	p, problems := policy.Parse(map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.Expand(large.String())}, policy.Options{Namespace: api.Home})
	if p == nil {
		t.Fatal(problems)
	}
	if _, errs := admission.Rules(p, admission.Dependencies{}); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	s.Parameters(p, admission.Dependencies{Namespace: api.Home})
	began = time.Now()
	names = s.Born(ns, long)
	t.Logf("one rule of 256 KiB takes %s", time.Since(began))
	if !slices.Equal(names, []string{"last"}) {
		t.Errorf("with one very large rule an account gets %.300v", names)
	}
}
