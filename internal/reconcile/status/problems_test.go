package status

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// randomNames are names of namespaces that no compression makes much shorter, sorted.
func randomNames(r *rand.Rand, n int) (names []string) {
	for range n {
		name := make([]byte, 63)
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// incompressible is a policy text of the largest size, all but its first lines a comment that no compression makes shorter.
func incompressible(r *rand.Rand) map[string]string {
	text := strings.Builder{}
	text.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n# ")
	for text.Len() < policy.MaxSize-4 {
		text.WriteRune(rune(0x4e00 + r.IntN(0x5000))) // three bytes, of which a compression saves a third
	}
	return map[string]string{"policy.yaml": text.String()}
}

// TestAllProblemsFitBesideTheLargestPolicy in the size that the status ConfigMap may have, and what does not is counted.
func TestAllProblemsFitBesideTheLargestPolicy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	small, err := PackPolicy(map[string]string{"policy.yaml": "rules: []\n"})
	if err != nil {
		t.Fatal(err)
	}
	large, err := PackPolicy(incompressible(r))
	if err != nil || len(large) < 300<<10 {
		t.Fatalf("%d bytes: %v", len(large), err)
	}
	names := randomNames(r, 10_000)
	of := func(reasons ...string) (all []FullProblem) {
		for _, reason := range reasons {
			all = append(all, FullProblem{Problem: Problem{Kind: "Secret", Name: "reg", Reason: reason, Detail: "it is"}, Namespaces: names})
		}
		return all
	}
	var many []FullProblem // with words of their own, as API servers have them
	for i, name := range names {
		many = append(many, FullProblem{Problem: Problem{Kind: "Secret", Name: "reg", Reason: "WriteFailed", Detail: strings.Join(names[i:min(i+15, len(names))], " ")}, Namespaces: []string{name}})
	}
	for _, c := range []struct {
		name   string
		policy []byte
		all    []FullProblem
		whole  bool
	}{
		{"ten thousand namespaces", small, of("ForeignSecret"), true},
		{"ten thousand namespaces beside the largest policy", large, of("ForeignSecret"), false},
		{"three problems in each", small, of("ForeignSecret", "OtherData", "WriteFailed"), false},
		{"ten thousand problems", large, many, false},
	} {
		record := Record{Status: Degraded, Totals: Totals{Copies: map[string]int{}, Problems: len(c.all)}}
		for i := range 2000 {
			record.Rules = append(record.Rules, RuleTotals{Name: fmt.Sprintf("%0253d", i), OldestNamespace: names[i], OldestUnsynced: "2026-01-02T03:04:05Z", Unsynced: 5, Missing: 3})
			record.Summaries = append(record.Summaries, SourceSummary{Source: names[i] + "/" + names[i], State: policy.SourceUsable, LastChange: "2026-01-02T03:04:05Z", Expires: "2026-01-02T03:04:05Z"})
		}
		text, err := record.Encode()
		if err != nil {
			t.Fatal(err)
		}
		others := len(text) + len(c.policy)
		packed, err := PackProblems(c.all, RoomForProblems(others))
		if err != nil || packed == nil {
			t.Fatalf("%s: %d bytes, %v", c.name, len(packed), err)
		}
		if whole := others + len(packed); whole > 900<<10 {
			t.Errorf("%s: the ConfigMap has %d bytes", c.name, whole)
		}
		if again, _ := PackProblems(c.all, RoomForProblems(others)); !bytes.Equal(packed, again) {
			t.Errorf("%s: the same problems give other bytes, so the status would be written again and again", c.name)
		}
		got, err := UnpackProblems(packed)
		if err != nil || len(got) == 0 {
			t.Fatalf("%s: %d problems, %v", c.name, len(got), err)
		}
		if c.whole {
			if diff := cmp.Diff(c.all, got); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
			continue
		}
		kept := 0
		for i, p := range got {
			if kept += len(p.Namespaces); len(p.Namespaces)+p.More != len(c.all[i].Namespaces) || !slices.Equal(p.Namespaces, c.all[i].Namespaces[:len(p.Namespaces)]) {
				t.Fatalf("%s: %d namespaces and %d more of %d", c.name, len(p.Namespaces), p.More, len(c.all[i].Namespaces))
			}
		}
		t.Logf("%s: %d problems of %d, %d namespaces, %d bytes beside %d", c.name, len(got), len(c.all), kept, len(packed), others)
		if len(packed) < RoomForProblems(others)*8/10 {
			t.Errorf("%s: %d bytes are used of %d", c.name, len(packed), RoomForProblems(others))
		}
	}
	if none, err := PackProblems(nil, 1000); none != nil || err != nil {
		t.Errorf("no problems are %v, %v", none, err)
	}
	if none, err := PackProblems(of("ForeignSecret"), RoomForProblems(950<<10)); none != nil || err != nil {
		t.Errorf("without room there are %d bytes, %v", len(none), err)
	}
}

// TestProblemsThatSomebodyEditedAreAnError however large they are.
func TestProblemsThatSomebodyEditedAreAnError(t *testing.T) {
	bomb, err := zip([]byte(`[{"reason": "` + strings.Repeat("x", 2*maxProblemText) + `"}]`))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := zip([]byte("no JSON"))
	object, _ := zip([]byte(`{"reason": "x"}`))
	for why, packed := range map[string][]byte{"no gzip": []byte("[]"), "no JSON": text, "no list": object, "far too much": bomb, "it ends": bomb[:20]} {
		if got, err := UnpackProblems(packed); err == nil || !strings.Contains(err.Error(), "key problems") {
			t.Errorf("%s: %d problems, %v", why, len(got), err)
		}
	}
	if none, err := UnpackProblems(nil); none != nil || err != nil {
		t.Errorf("no bytes are %v, %v", none, err)
	}
}

// TestARollOutIsTakenBack and nothing else.
func TestARollOutIsTakenBack(t *testing.T) {
	record := Record{Status: Ready, Observed: "sha256:1", RolledOut: "sha256:1", Confirmed: "sha256:0", Totals: Totals{Copies: map[string]int{"hub": 3}}}
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	record.RolledOut = ""
	if diff := cmp.Diff(record, Decode(NotRolledOut(text))); diff != "" {
		t.Error(diff)
	}
	for _, edited := range []string{"", "no JSON", `{"status": 5, "rolledOut": "sha256:1"}`, `{"status": "Ready"}`} {
		if got := NotRolledOut(edited); got != edited {
			t.Errorf("%q becomes %q", edited, got)
		}
	}
}
