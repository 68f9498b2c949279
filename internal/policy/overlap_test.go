package policy

import (
	"fmt"
	"strings"
	"testing"
)

// TestMeetIsTrueWhereANameIsMatchedByBoth holds the comparison of globs against trying all short names.
func TestMeetIsTrueWhereANameIsMatchedByBoth(t *testing.T) {
	names, globs := words("ab", 8), words("ab*?", 4)
	matched := make([][]bool, len(globs))
	for i, g := range globs {
		for _, n := range names {
			matched[i] = append(matched[i], glob(g).matches(n))
		}
	}
	for i, a := range globs {
		for j, b := range globs {
			want, covered := false, true
			for n := range names {
				want = want || matched[i][n] && matched[j][n]
				covered = covered && (matched[i][n] || !matched[j][n])
			}
			o := overlaps{left: maxComparisons}
			if got := o.meet(glob(a), glob(b)); got != want {
				t.Errorf("%s and %s meet: %t, want %t", a, b, got, want)
			}
			if glob(a).covers(glob(b)) && !covered {
				t.Errorf("%s does not cover %s", a, b)
			}
		}
	}
}

// words are all words of letters, from one up to longest.
func words(letters string, longest int) []string {
	last, all := []string{""}, []string(nil)
	for range longest {
		var next []string
		for _, w := range last {
			for _, c := range letters {
				next = append(next, w+string(c))
			}
		}
		last, all = next, append(all, next...)
	}
	return all
}

// TestManyRulesAreComparedOnlySoFar holds that comparing ends, however many rules, globs or labels there are, and that
// 1,000 rules with a glob or a label each are still compared all.
func TestManyRulesAreComparedOnlySoFar(t *testing.T) {
	for _, tt := range []struct {
		why   string
		rules int
		match func(i int) string
		all   bool
	}{
		{"a name each", 1000, func(i int) string { return fmt.Sprintf(`{include: [team-%d]}`, i) }, true},
		{"a glob each", 1000, func(i int) string { return fmt.Sprintf(`{include: ["team-%04d-*"]}`, i) }, true},
		{"globs that take long", 1000, func(i int) string { return fmt.Sprintf(`{include: ["?%04d%s?"]}`, i, strings.Repeat("*a*b", 20)) }, false},
		{"a label each", 1000, func(i int) string { return fmt.Sprintf(`{selector: {matchLabels: {team: t%d}}}`, i) }, true},
		{"many names in few rules", 4, func(i int) string {
			return "{include: [" + strings.Repeat(fmt.Sprintf("n%d, ", i), 2000) + "a], exclude: [" + strings.Repeat("b, ", 2000) + "a]}"
		}, false},
		{"globs longer than any name", 20, func(i int) string {
			return fmt.Sprintf(`{include: ["%s%d"], exclude: ["%s"]}`, strings.Repeat("a*", 4000), i, strings.Repeat("*a?", 4000))
		}, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
			for i := range tt.rules {
				fmt.Fprintf(&b, "- {name: r%d, secrets: [{source: {name: s%d}, name: reg}], namespaces: %s}\n", i, i, tt.match(i))
			}
			c := &checker{opts: options, ruleAt: map[string]string{}}
			doc, text := decode("a.yaml", b.String())
			c.document(doc, text)
			if len(text.problems) > 0 {
				t.Fatal(text.problems)
			}
			o := overlaps{left: maxComparisons}
			o.warn(c.rules)
			if tt.all != (o.left >= 0) {
				t.Errorf("all were compared: %t, want %t", o.left >= 0, tt.all)
			}
			for _, p := range text.problems {
				if strings.Contains(p.Message, "matches too") {
					t.Errorf("these rules exclude each other: %s", p)
				}
			}
		})
	}
}

func BenchmarkParseAThousandRules(b *testing.B) {
	var text strings.Builder
	text.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "- {name: r%d, secrets: [{source: {name: s%d}, name: reg}], namespaces: {include: ['team-%d-*']}}\n", i, i, i)
	}
	for b.Loop() {
		if p, problems := Parse(map[string]string{"a.yaml": text.String()}, options); p == nil {
			b.Fatal(problems)
		}
	}
}
