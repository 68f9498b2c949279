package policy

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGlobsAreAnchoredAndOnlyStarAndQuestionMarkAreSpecial(t *testing.T) {
	for _, tt := range []struct {
		glob glob
		name string
		want bool
		why  string
	}{
		{"a", "a", true, "a name is itself"},
		{"a", "ab", false, "anchored at the end"},
		{"b", "ab", false, "anchored at the start"},
		{"*", "", true, "a star is also nothing"},
		{"*", "anything-at.all", true, "a star crosses dots and dashes"},
		{"a*", "a", true, ""},
		{"*a", "ba", true, ""},
		{"*a", "ab", false, ""},
		{"kube-*", "kube-system", true, ""},
		{"kube-*", "kube", false, ""},
		{"*-dev", "a-dev-dev", true, "the star goes back to take more"},
		{"a*b*c", "a-b-c-b-c", true, ""},
		{"a*b*c", "a-c-b", false, ""},
		{"**", "a", true, "two stars are one"},
		{"a**b", "ab", true, ""},
		{"?", "a", true, ""},
		{"?", "", false, "a question mark is exactly one"},
		{"?", "ab", false, ""},
		{"team-?", "team-a", true, ""},
		{"?*", "", false, "at least one"},
		{"*?", "ab", true, ""},
		{"a.b", "axb", false, "a dot is a dot"},
		{"", "", true, ""},
		{"", "a", false, ""},
	} {
		if got := tt.glob.matches(tt.name); got != tt.want {
			t.Errorf("%q matches %q: %t, want %t: %s", tt.glob, tt.name, got, tt.want, tt.why)
		}
	}
}

func TestGlobsMatchAsTheirRegularExpressionsDo(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	text := func(alphabet string) string {
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	matched := 0
	for range 20_000 {
		pattern, name := text("ab.**?"), text("ab.")
		want := regexp.MustCompile("^" + strings.NewReplacer("*", ".*", "?", ".", ".", `\.`).Replace(pattern) + "$").MatchString(name)
		if got := glob(pattern).matches(name); got != want {
			t.Fatalf("seed %d: %q matches %q: %t, want %t", seed, pattern, name, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d of the pairs match: they try too little", matched)
	}
}

// TestEveryShortGlobMatchesAsTheMatcherByHandSays tries every short glob with every short name.
func TestEveryShortGlobMatchesAsTheMatcherByHandSays(t *testing.T) {
	matched, pairs := 0, 0
	names := slices.Collect(textsUpTo(6, "ab."))
	for pattern := range textsUpTo(6, "ab*?") {
		for _, name := range names {
			want := matchesByHand(pattern, name)
			if got := glob(pattern).matches(name); got != want {
				t.Fatalf("%q matches %q: %t, want %t", pattern, name, got, want)
			}
			pairs++
			if want {
				matched++
			}
		}
	}
	if matched*20 < pairs {
		t.Errorf("only %d of %d pairs match: they try too little", matched, pairs)
	}
}

// textsUpTo are all texts of at most so many characters of an alphabet.
func textsUpTo(longest int, alphabet string) iter.Seq[string] {
	return func(yield func(string) bool) {
		texts := []string{""}
		for i := 0; i < len(texts); i++ {
			if !yield(texts[i]) {
				return
			}
			if len(texts[i]) < longest {
				for _, c := range alphabet {
					texts = append(texts, texts[i]+string(c))
				}
			}
		}
	}
}

// matchesByHand is a second matcher, without path.Match: it goes back to the last star whenever a character differs.
func matchesByHand(glob, name string) bool {
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(glob) && glob[p] == '*':
			star, mark = p, n
			p++
		case p < len(glob) && (glob[p] == '?' || glob[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(glob[p:], "*") == ""
}

func TestNoGlobTakesLong(t *testing.T) {
	name := strings.Repeat("a", 253)
	done := make(chan string, 1)
	go func() {
		globs := []string{"*" + strings.Repeat("a", MaxSize), strings.Repeat("*", MaxSize) + "b"}
		for _, part := range []string{"*a", "a*", "*a*", "?*", "*?", "**a"} {
			globs = append(globs, strings.Repeat(part, 200)+"b")
		}
		for _, text := range globs {
			pattern := glob(text)
			for range 100 {
				if pattern.matches(name) {
					done <- fmt.Sprintf("%s… matches %s…", pattern[:10], name[:10])
					return
				}
			}
		}
		done <- ""
	}()
	select {
	case wrong := <-done:
		if wrong != "" {
			t.Error(wrong)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still at it after 10 s, where microseconds should do")
	}
}
