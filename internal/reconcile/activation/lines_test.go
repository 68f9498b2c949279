package activation

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

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
			a := newActivator(Options{Log: zerolog.New(&out), Documents: map[string]string{"policy.yaml": tt.text}})
			a.evaluator.read()
			for line := range strings.Lines(out.String()) {
				if len(line) > bound.MaxLine {
					t.Errorf("%d bytes: %.200s", len(line), line)
				}
			}
			if !strings.Contains(out.String(), tt.said) || !strings.Contains(out.String(), " more\"") {
				t.Errorf("the log says %.500s", out.String())
			}
			if text := a.evaluator.evaluation.errors; text != nil && len(message(a)) > 1024 {
				t.Errorf("the message has %d bytes", len(message(a)))
			}
		})
	}
}

func message(a *Activator) string {
	_, text := a.verdict()
	return text
}
