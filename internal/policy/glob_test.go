package policy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
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

func TestNoGlobTakesLong(t *testing.T) {
	name := strings.Repeat("a", 253)
	done := make(chan string, 1)
	go func() {
		for _, part := range []string{"*a", "a*", "*a*", "?*", "*?", "**a"} {
			pattern := glob(strings.Repeat(part, 200) + "b")
			if pattern.matches(name) {
				done <- fmt.Sprintf("%s… matches %s…", pattern[:10], name[:10])
				return
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
