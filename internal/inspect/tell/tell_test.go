package tell

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// A terminal shows the lines indented, and what the status repeats is said once.
func TestTextIsTheLinesIndented(t *testing.T) {
	e := &inspect.Explanation{
		Namespace: "a", Notes: []string{"the last good policy is in force"}, Rules: []inspect.RuleExplanation{{Rule: "hub"}, {Rule: "ghcr", WhyNot: "it has no label"}},
		Do:       []inspect.Step{{Why: "restart it", Command: "kubectl -n a rollout restart deployment/web"}},
		Accounts: []inspect.AccountExplanation{{Name: "default", Owners: []string{"x", "y"}, Names: []inspect.NameExplanation{{Name: "reg", Rule: "hub", Text: "missing"}, {Name: "b", Text: "there"}}}},
		Copies: []inspect.CopyExplanation{
			{Name: "reg", Rule: "hub", Source: "pullsecrets/hub", Reason: "Missing", Text: "403 Forbidden", Status: []string{"403 Forbidden", "quota"}, Diff: []string{"- x"}},
			{Name: "old", Unread: true, Text: "it has the marks of a copy"},
		},
	}
	const want = `namespace a
  note: the last good policy is in force
  rule hub: selects it
  rule ghcr: does not select it: it has no label
what to do
  restart it
    kubectl -n a rollout restart deployment/web
serviceaccount default, owned by x and y
  reg (rule hub): missing
  b: there
secret reg: absent
  rule hub, from pullsecrets/hub
  Missing: 403 Forbidden
  status: quota
    - x
secret old: not readable
  it has the marks of a copy
`
	if diff := cmp.Diff(want, Text(e)); diff != "" {
		t.Error(diff)
	}
}
