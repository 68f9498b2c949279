package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The place is the end of what does not fit, or that of the text where something is not closed.
func TestASyntaxErrorStandsWhereItIs(t *testing.T) {
	for _, tt := range []struct{ why, text, want string }{
		{"no mistake", "a: b\n---\nc: d\n", ""},
		{"nothing", "", ""},
		{"a second colon", "a: b\nc: d: e\n", "2:5 mapping values are not allowed in this context"},
		{"characters of several bytes before it", "ä: [ö, é: ü: ß]\n", "1:12 did not find expected ',' or ']'"},
		{"Windows line ends", "a: b\r\n b: c: d\r\n", "2:3 mapping values are not allowed in this context"},
		{"an alias of nothing, found at its star", "a: '*x'\nb: [c, *x]\n", "2:8 unknown anchor 'x' referenced"},
		{"in a second document, after one that no JSON can hold", "a: .inf\n---\nb: c: d\n", "3:5 mapping values are not allowed in this context"},
		{"a quote that is not closed", "a: \"b\nc: d\n", "3:1 found unexpected end of stream"},
		{"JSON in one line", `{"a": ["b" "c"]}`, "1:14 did not find expected ',' or ']'"},
		{"no policy is so large, so the place is the library's", strings.Repeat("a: b\n", MaxSize/5+1) + "c: d: e\n", "104859:0 mapping values are not allowed in this context"},
		{"not even text", "a: \xff\n", "1:4 invalid leading UTF-8 octet"},
	} {
		got := ""
		if line, column, reason := SyntaxError(tt.text); reason != "" {
			got = fmt.Sprintf("%d:%d %s", line, column, reason)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
	}
}

// BenchmarkASyntaxErrorAtTheEnd is the longest search: of the largest text, again and again nearly all is read.
func BenchmarkASyntaxErrorAtTheEnd(b *testing.B) {
	text := "rules:\n" + strings.Repeat("- {name: x, secrets: [{source: {name: y}}]}\n", MaxSize/45) + "- a: b: c\n"
	for b.Loop() {
		if _, _, reason := SyntaxError(text); reason == "" {
			b.Fatal("no mistake was found")
		}
	}
}
