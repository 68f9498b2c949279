package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// FuzzReadPolicy holds that no input makes the search for a policy panic, that its errors quote nothing, and that the
// text which is found in a manifest stands where it is said to stand.
func FuzzReadPolicy(f *testing.F) {
	paths, err := filepath.Glob("testdata/validate/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(string(file.Data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := policyfile.Read(policyfile.Query{File: "-", Name: "pullsecrets-policy", Namespace: "pullsecrets"}, strings.NewReader(text))
		if err != nil {
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error quotes the text: %v", err)
			}
			return
		}
		for document, at := range s.Positions {
			if at.Key != "" && !at.Within {
				standsThere(t, strings.Split(text, "\n"), s.Documents[document], at)
			}
		}
		_, findings := s.Parse(policy.Options{Namespace: "pullsecrets"})
		for _, found := range findings {
			if lines := strings.Count(text, "\n") + 1; !found.Position.Within && found.Line > lines {
				t.Errorf("%s: the text has %d lines", found, lines)
			}
		}
	})
}

func standsThere(t *testing.T, lines []string, document string, at policyfile.Position) {
	for i, want := range strings.Split(strings.TrimRight(document, "\n"), "\n") {
		if strings.TrimSpace(want) == "" {
			continue
		}
		if at.Line+i >= len(lines) {
			t.Fatalf("line %d of the document is said to be line %d of %d", i+1, at.Line+i+1, len(lines))
		}
		if got := lines[at.Line+i]; len(got) < at.Column || strings.TrimSuffix(got[at.Column:], "\r") != want {
			t.Fatalf("line %d of the document is said to stand at line %d, column %d: %q, want %q", i+1, at.Line+i+1, at.Column+1, got, want)
		}
	}
}
