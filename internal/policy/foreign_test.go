package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestNothingFollowsFromWhatTheDecoderCannotRead puts what it cannot read in each place of a good policy: what is there
// is told, and that fields are missing or empty, which they are not, is not.
func TestNothingFollowsFromWhatTheDecoderCannotRead(t *testing.T) {
	const good = "apiVersion: %s\nkind: %s\nrules:\n- name: %s\n  secrets:\n  - source: {name: %s}\n    name: %s\n" +
		"  namespaces:\n    include: [%s]\n    selector: {matchLabels: {%s: %s}}\n  force: %s\n"
	values := []any{APIVersion, Kind, "hub", "hub", "reg", "team-a", "team", "a", "true"}
	if _, problems := Parse(map[string]string{"a.yaml": fmt.Sprintf(good, values...)}, options); len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, odd := range []string{"{{ .Values.x }}", "{{a: b}: c}", "{[a]: b}", "[[a]]", "${X}", "{? [a, b] : c}", "{null: x}"} {
		for i := range values {
			with := slices.Clone(values)
			with[i] = odd
			text := fmt.Sprintf(good, with...)
			line := 1 + strings.Count(text[:strings.Index(text, odd)], "\n")
			_, problems := Parse(map[string]string{"a.yaml": text}, options)
			if len(problems) == 0 {
				t.Errorf("accepted:\n%s", text)
			}
			for _, p := range problems {
				if p.Line != line || strings.Contains(p.Message, "is empty") || strings.Contains(p.Message, "is missing") {
					t.Errorf("%s in line %d: %s", odd, line, p)
				}
			}
		}
	}
}

// TestNoErrorAdvisesToRemoveEverything: whoever follows an error in haste must not lose all copies.
func TestNoErrorAdvisesToRemoveEverything(t *testing.T) {
	for _, c := range testCases(t, "testdata/bad/*.txtar", 60) {
		if problems := c.file("problems"); strings.Contains(problems, "rules: []") {
			t.Errorf("%s:\n%s", c.path, problems)
		}
	}
}
