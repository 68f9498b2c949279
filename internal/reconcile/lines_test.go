package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

func TestOtherManagersAreBounded(t *testing.T) {
	owners := slices.Repeat([]cluster.Owner{{Manager: strings.Repeat("m", 128), Operation: "Update"}}, 500)
	if got := (&contested{owners: owners}).Error(); len(got) > bound.MaxText || !strings.Contains(got, "and 497 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// TestNoLineAboutAPolicyIsTooLong has a text with thousands of mistakes, one with thousands of warnings, and one that makes
// 500 copies.
func TestNoLineAboutAPolicyIsTooLong(t *testing.T) {
	many := func(n int, format string) string {
		text := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n"
		for i := range n {
			text += fmt.Sprintf(format, i)
		}
		return text
	}
	for why, tt := range map[string]struct{ text, said string }{
		"mistakes": {many(4000, "- {name: r%d, secrets: [{source: {nmae: a}}]}\n"), "the policy was refused"},
		"warnings": {many(2000, "- {name: r%d, secrets: [{source: {name: a}}], namespaces: {include: [\"a_b\", \"*\"]}}\n"), "the policy was refused"},
		"copies":   {many(500, "- {name: r%d, secrets: [{source: {name: a}, name: a-rather-long-name-of-a-copy-%[1]d}]}\n"), "the policy was accepted"},
	} {
		t.Run(why, func(t *testing.T) {
			var out bytes.Buffer
			c := New(Config{Log: zerolog.New(&out), Documents: map[string]string{"policy.yaml": tt.text}})
			c.judge.read()
			for line := range strings.Lines(out.String()) {
				if len(line) > bound.MaxLine {
					t.Errorf("%d bytes: %.200s", len(line), line)
				}
			}
			if !strings.Contains(out.String(), tt.said) || !strings.Contains(out.String(), " more\"") {
				t.Errorf("the log says %.500s", out.String())
			}
			if text := c.judge.verdict.errors; text != nil && len(c.judge.message()) > 1024 {
				t.Errorf("the message has %d bytes", len(c.judge.message()))
			}
		})
	}
}

// TestTheStatusIsBounded has ten thousand rules, and problems that say much.
func TestTheStatusIsBounded(t *testing.T) {
	r := newReport(zerolog.Nop(), func() {}, plan.Reason.Explain)
	todo := plan.Plan{Namespace: "a"}
	for i := range 10_000 {
		todo.Actions = append(todo.Actions, plan.Action{Kind: plan.KindSecret, Rule: fmt.Sprintf("%0253d", i), Name: "x"})
	}
	changes := changeSet{namespace: "a"}
	for i := range 100 {
		changes.results = append(changes.results, result{
			plan.Action{Kind: plan.KindSecret, Verb: plan.Create, Rule: strings.Repeat("r", 253), Name: fmt.Sprintf("%0253d", i)},
			errors.New("no"),
		})
	}
	r.record(todo, changes)
	r.ofNone([]status.Problem{{Kind: "K", Name: "n", Reason: "R", Detail: strings.Repeat("<", 1<<20)}})
	text, err := status.Record{Status: status.Ready, Totals: r.totals()}.Encode()
	if err != nil || len(text) > 400<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for line := range strings.Lines(text) {
		if len(line) > bound.MaxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	var shown struct {
		Copies       map[string]int
		RulesLeftOut int
		ProblemCount int
		Problems     []any
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	if len(shown.Copies) != status.ShownRules || shown.RulesLeftOut != 10_000-status.ShownRules || shown.ProblemCount != 101 || len(shown.Problems) != shownProblems {
		t.Errorf("%d rules, %d left out, %d problems of %d", len(shown.Copies), shown.RulesLeftOut, len(shown.Problems), shown.ProblemCount)
	}
	if first := slices.Min(slices.Collect(maps.Keys(shown.Copies))); first != fmt.Sprintf("%0253d", 0) {
		t.Errorf("the first rule is %s", first)
	}
}
