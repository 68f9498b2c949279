package policy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sigsyaml "sigs.k8s.io/yaml"
)

// FuzzParse holds that no text makes Parse panic, that every refusal says why, and that an accepted
// document means the same once it was decoded and written again: nothing is lost or guessed on the way.
func FuzzParse(f *testing.F) {
	for _, c := range testCases(f, "testdata/*/*.txtar", 78) {
		for _, content := range c.documents() {
			f.Add(content)
		}
	}
	f.Add(readFile(f, "../../examples/policy.yaml"))
	f.Fuzz(func(t *testing.T, content string) {
		p, problems := Parse(map[string]string{"a.yaml": content}, options)
		for _, problem := range problems {
			if problem.Message == "" || strings.HasSuffix(problem.Message, ": ") {
				t.Errorf("a problem without a reason: %#v", problem)
			}
			checkPlace(t, problem, content)
		}
		if p == nil {
			if len(problems.Errors()) == 0 {
				t.Error("refused without a reason")
			}
			return
		}
		doc, _ := decode("a.yaml", content)
		again, err := sigsyaml.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(generic(t, content), generic(t, string(again))); diff != "" {
			t.Errorf("something of it was lost (-text +understood):\n%s", diff)
		}
		q, problemsAgain := Parse(map[string]string{"a.yaml": string(again)}, options)
		if q == nil {
			t.Fatalf("accepted, and refused once written again: %v\n%s", problemsAgain, again)
		}
		if len(problems) != len(problemsAgain) {
			t.Errorf("has other warnings once written again: %v, then %v", problems, problemsAgain)
		}
		if !reflect.DeepEqual(p, q) {
			t.Errorf("means something else once written again (-first +again):\n%s\n%s",
				cmp.Diff(render(p, nil), render(q, nil)), again)
		}
	})
}

// checkPlace holds that what is said of a document has a place in it.
func checkPlace(t *testing.T, p Problem, content string) {
	t.Helper()
	if lines := strings.Count(content, "\n") + 1; p.Document != "" && (p.Line < 1 || p.Line > lines || p.Column < 1) {
		t.Errorf("a problem without a place in the %d lines: %#v", lines, p)
	}
}

// generic is what a text says without any of our types, and without what may as well be left out.
func generic(t *testing.T, content string) any {
	var v any
	if err := sigsyaml.Unmarshal([]byte(content), &v); err != nil {
		t.Fatal(err)
	}
	return withoutEmpty(v)
}

func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if v[key] = withoutEmpty(value); v[key] == nil {
				delete(v, key)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string, bool:
		if v == "" || v == false {
			return nil
		}
	}
	return v
}

// FuzzGlobs holds that globs match as the matcher by hand says, that globs which both match a name meet, and that one
// which covers another matches what that matches.
func FuzzGlobs(f *testing.F) {
	for _, seed := range [][3]string{
		{"*", "team-?", "team-a"}, {"*-system", "kube-*", "kube-system"}, {"a*b*c", "a?b?c", "axbxc"}, {"????*", "*a", "aaaa"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, a, b, name string) {
		o := overlaps{left: maxComparisons}
		if len(a) > maxGlob || len(b) > maxGlob || strings.ContainsAny(name, "*?") || strings.ContainsFunc(a+b+name, notInGlobs) {
			return
		}
		inA, inB := glob(a).matches(name), glob(b).matches(name)
		if inA != matchesByHand(a, name) || inB != matchesByHand(b, name) {
			t.Errorf("%q is said to match %q: %t, and %q: %t", a, name, inA, b, inB)
		}
		if inA && inB && !o.meet(glob(a), glob(b)) {
			t.Errorf("%q matches %q and %q, which are said not to meet", name, a, b)
		}
		if glob(a).covers(glob(b)) && inB && !inA {
			t.Errorf("%q is said to cover %q, and does not match %q", a, b, name)
		}
	})
}
