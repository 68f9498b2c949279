package policy

import (
	"math/rand/v2"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

func matcherOf(t *testing.T, include, exclude []glob, selector string) Matcher {
	t.Helper()
	parsed, err := labels.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	return Matcher{include: include, exclude: exclude, selector: parsed}
}

func TestWhyNotSaysWhatKeepsAnObjectOut(t *testing.T) {
	for _, tt := range []struct {
		why              string
		include, exclude []glob
		selector         string
		labels           map[string]string
		want             string
	}{
		{"selected", []glob{"*"}, nil, "", nil, ""},
		{"no glob", []glob{"x", "kube-*"}, nil, "", nil, `include has no glob that matches it: "x", "kube-*"`},
		{"nothing included", nil, nil, "", nil, "include is empty"},
		{"excluded", []glob{"*"}, []glob{"x", "team-?"}, "", nil, `exclude has a glob that matches it: "team-?"`},
		{"no label", []glob{"*"}, nil, "team=a", nil, "the selector asks for team=a, and it has no label team"},
		{"another label", []glob{"*"}, nil, "team in (a,b)", map[string]string{"team": "c"}, "the selector asks for team in (a,b), and its label is team=c"},
		{"a label too many", []glob{"*"}, nil, "!off", map[string]string{"off": ""}, "the selector asks for !off, and its label is off="},
	} {
		if got := matcherOf(t, tt.include, tt.exclude, tt.selector).WhyNot("team-a", cluster.NewLabels(tt.labels)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}

// What is explained must be what was decided.
func TestWhyNotAgreesWithMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	for range 5000 {
		m := matcherOf(t, []glob{glob(pick("*", "a*", "b", "?a"))}, []glob{glob(pick("x", "a?", "*b"))},
			pick("", "k=v", "k!=v", "k in (v,w)", "k notin (v)", "k", "!k", "k=v,l=w"))
		name, set := pick("a", "ab", "b", "ba"), cluster.Labels{{Key: pick("k", "l"), Value: pick("v", "w")}}
		if got := m.WhyNot(name, set); (got == "") != m.Matches(name, set) {
			t.Fatalf("%s, %v, %+v: %q", name, set, m, got)
		}
	}
}
