package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageSaysWhatCameOut holds docs/compatibility.md against the results beside it.
func TestThePageSaysWhatCameOut(t *testing.T) {
	text, filled, err := filled(document)
	if err != nil {
		t.Fatal(err)
	}
	if filled != text {
		t.Error("docs/compatibility.md is not what docs/compatibility.json says; run: go -C hack/matrix run . docs")
	}
}

// TestTheResultsAreOfWhatIsThere finds results of a version that is built no more, and of tests that are no more.
func TestTheResultsAreOfWhatIsThere(t *testing.T) {
	all, err := read(document + ".json")
	if err != nil || len(all) == 0 {
		t.Fatalf("no results: %v", err)
	}
	known, err := releases()
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOf(t)
	for _, r := range all {
		if _, err := choose(known, []string{r.Version}); err != nil {
			t.Errorf("a result is of Kubernetes %s: %v; run: make matrix VERSIONS=%s", r.Version, err, minor(r.Version))
		}
		names := append(append([]string{}, r.Failed...), r.Again...)
		for _, s := range r.Skipped {
			names = append(names, s.Test)
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%s: there is no %s any more; run: make matrix VERSIONS=%s", r.Version, name, minor(r.Version))
			}
		}
	}
}

// testsOf are the names of the tests of internal/e2e.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../internal/e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{$`).FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}

const events = `{"Action":"start","Package":"p"}
{"Action":"run","Test":"TestRuns"}
{"Action":"output","Test":"TestRuns","Output":"=== RUN   TestRuns\n"}
{"Action":"pass","Test":"TestRuns","Elapsed":1}
{"Action":"output","Test":"TestNew","Output":"    a_test.go:20: needs Kubernetes 1.36: foos of a/v1; this is 1.34.4\n"}
{"Action":"skip","Test":"TestNew"}
{"Action":"output","Test":"TestOld","Output":"    a_test.go:20: needs a Kubernetes before 1.36: no foos of a/v1; this is 1.37.2\n"}
{"Action":"skip","Test":"TestOld"}
{"Action":"output","Test":"TestTool","Output":"=== RUN   TestTool\n    a_test.go:1: jq is not installed\n"}
{"Action":"skip","Test":"TestTool"}
{"Action":"pass","Test":"TestPart/one"}
{"Action":"output","Test":"TestPart/two/deep","Output":"    a_test.go:20: needs Kubernetes 1.36: foos of a/v1; this is 1.34.4\n"}
{"Action":"skip","Test":"TestPart/two/deep"}
{"Action":"pass","Test":"TestPart/two"}
{"Action":"pass","Test":"TestPart"}
{"Action":"output","Test":"TestAll/one","Output":"    a_test.go:20: needs Kubernetes 1.36: foos of a/v1; this is 1.34.4\n"}
{"Action":"skip","Test":"TestAll/one"}
{"Action":"output","Test":"TestAll/two","Output":"    b_test.go:7: needs Kubernetes 1.36: foos of a/v1; this is 1.34.4\n"}
{"Action":"skip","Test":"TestAll/two"}
{"Action":"pass","Test":"TestAll"}
{"Action":"output","Test":"TestSeveral/one","Output":"    a_test.go:20: needs Kubernetes 1.36: foos of a/v1; this is 1.34.4\n"}
{"Action":"skip","Test":"TestSeveral/one"}
{"Action":"output","Test":"TestSeveral/two","Output":"    a_test.go:1: jq is not installed\n"}
{"Action":"skip","Test":"TestSeveral/two"}
{"Action":"pass","Test":"TestSeveral"}
{"Action":"fail","Test":"TestFails/one"}
{"Action":"output","Test":"TestFails","Output":"    a_test.go:3: why\n"}
{"Action":"fail","Test":"TestFails","Elapsed":2}
{"Action":"output","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":65.4}
`

func TestWhatComesOfTheEvents(t *testing.T) {
	var progress strings.Builder
	c := newCollector(&progress)
	if err := c.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	r := c.result()
	if !c.ended || r.Passed != 2 || strings.Join(r.Failed, " ") != "TestFails" {
		t.Errorf("got %+v", r)
	}
	var got []string
	for _, s := range r.Skipped {
		got = append(got, s.Test+" "+strings.Join(s.Cases, ",")+" since "+s.Since+" before "+s.Before+": "+s.What)
	}
	want := `TestAll  since 1.36 before : foos of a/v1
TestNew  since 1.36 before : foos of a/v1
TestOld  since  before 1.36: no foos of a/v1
TestPart two/deep since 1.36 before : foos of a/v1
TestSeveral  since  before : Kubernetes 1.36: foos of a/v1; jq is not installed
TestTool  since  before : jq is not installed`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
	if !strings.Contains(progress.String(), "why") || !strings.Contains(progress.String(), "pass TestPart (0.0s)") {
		t.Errorf("it prints\n%s", &progress)
	}
}

// Tests that a panic, os.Exit or the time limit kept from running are in no event, and so in no result: there must be none then.
func TestTestsThatAreBrokenOffGiveNoResult(t *testing.T) {
	for name, end := range map[string]string{
		"a panic": `{"Action":"fail","Test":"TestB"}
{"Action":"output","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
		"the time limit": `{"Action":"run","Test":"TestB"}
{"Action":"output","Test":"TestB","Output":"panic: test timed out after 1h40m0s\n"}
{"Action":"output","Output":"FAIL\tp\t6000.1s\n"}
{"Action":"fail","Package":"p"}`,
		"a kill": `{"Action":"output","Output":"FAIL\n"}`,
	} {
		c := newCollector(io.Discard)
		if err := c.read(strings.NewReader(`{"Action":"fail","Test":"TestA"}` + "\n" + end + "\n")); err != nil {
			t.Fatal(err)
		}
		if c.ended {
			t.Errorf("%s: the tests are taken for ended: %+v", name, c.result())
		}
	}
}

// What failed and passes when it runs again is told apart from what passed at once.
func TestARepetitionIsSaid(t *testing.T) {
	first := result{Version: "1.34.4", Commit: "abc", Passed: 10, Failed: []string{"TestA", "TestB"}}
	r, err := first.repeated(result{Version: "1.34.4", Commit: "abc", Passed: 1, Failed: []string{"TestB"}})
	if err != nil || r.Passed != 11 || strings.Join(r.Failed, " ") != "TestB" || strings.Join(r.Again, " ") != "TestA" {
		t.Errorf("got %+v, %v", r, err)
	}
	text := versions([]string{"1.35.4", "1.34.4"}, results{r})
	for _, want := range []string{"| 1.35.4 | not tried yet |", "| 1.34.4 | 11 | 0 | `TestB`; at the second try these passed: `TestA` |"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// A second try on another commit says nothing of the first, and the page says so.
func TestARepetitionOnAnotherCommitIsSaid(t *testing.T) {
	first := result{Version: "1.34.4", Commit: "abc", Passed: 10, Failed: []string{"TestA"}}
	r, err := first.repeated(result{Version: "1.34.4", Commit: "def", Passed: 1})
	if err != nil {
		t.Fatal(err)
	}
	text, want := versions([]string{"1.34.4"}, results{r}), "none; at the second try, at `def`, these passed: `TestA` | `abc` |"
	if !strings.Contains(text, want) {
		t.Errorf("lacks %q:\n%s", want, text)
	}
}

// What did not run at the second try did not pass.
func TestWhatDoesNotRunAgainDoesNotPass(t *testing.T) {
	first := result{Version: "1.34.4", Passed: 10, Failed: []string{"TestA", "TestB"}}
	r, err := first.repeated(result{Version: "1.34.4", Passed: 1, Skipped: []skip{{Test: "TestB", What: "jq is not installed"}}})
	if err != nil || r.Passed != 11 || len(r.Failed) != 0 || strings.Join(r.Again, " ") != "TestA" || len(r.Skipped) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := first.repeated(result{Version: "1.34.4", Passed: 1}); err == nil {
		t.Errorf("one of two is there no more, and it says %+v", r)
	}
}

// A test that is run in part for two reasons is one test.
func TestATestIsCountedOnce(t *testing.T) {
	r := result{Version: "1.34.4", Passed: 3, Skipped: []skip{
		{Test: "TestA", Cases: []string{"x"}, What: "jq"}, {Test: "TestA", Cases: []string{"y"}, What: "fish"}, {Test: "TestB", What: "jq"}}}
	if text, want := versions([]string{"1.34.4"}, results{r}), "| 1.34.4 | 3, 1 of them in part | 1 |"; !strings.Contains(text, want) {
		t.Errorf("lacks %q:\n%s", want, text)
	}
}

// One reason is one row, with all tests and all versions that it is about; the newest feature comes first.
func TestWhatTestsNeedIsARowForEachReason(t *testing.T) {
	foo := skip{Since: "1.36", What: "foos"}
	of := func(s skip, test string, cases ...string) skip {
		s.Test, s.Cases = test, cases
		return s
	}
	got := needs([]string{"1.37.2", "1.35.4", "1.34.4"}, results{
		{Version: "1.37.2", Skipped: []skip{of(skip{Before: "1.36", What: "no foos"}, "TestOld"), of(skip{What: "jq is not installed"}, "TestTool")}},
		{Version: "1.35.4", Skipped: []skip{of(foo, "TestA"), of(foo, "TestB", "one", "two")}},
		{Version: "1.34.4", Skipped: []skip{of(foo, "TestA"), of(foo, "TestB", "one", "two"), of(skip{Since: "1.35", What: "bars"}, "TestC", "x")}},
	})
	want := `| what they need | not run on | tests |
| --- | --- | --- |
| Kubernetes 1.36: foos | 1.35, 1.34 | 2: ~TestA~, ~TestB~ (2 cases) |
| Kubernetes 1.35: bars | 1.34 | 1: ~TestC~ (a case) |
| a Kubernetes before 1.36: no foos | 1.37 | 1: ~TestOld~ |
| jq is not installed | 1.37 | 1: ~TestTool~ |
`
	if want = strings.ReplaceAll(want, "~", "`"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAResultReplacesThatOfAnEarlierPatch(t *testing.T) {
	all := results{{Version: "1.9.1"}, {Version: "1.34.4"}}.put(result{Version: "1.34.6"}).put(result{Version: "1.37.2"})
	var got []string
	for _, r := range all {
		got = append(got, r.Version)
	}
	if strings.Join(got, " ") != "1.37.2 1.34.6 1.9.1" {
		t.Errorf("got %v", got)
	}
}

// Versions that ran on several machines come into one page; a file that is not there is told of, not taken for none.
func TestResultsOfElsewhereAreTaken(t *testing.T) {
	document, part := filepath.Join(t.TempDir(), "page"), filepath.Join(t.TempDir(), "part.json")
	markers := "<!-- begin versions -->\n<!-- end versions -->\n<!-- begin needs -->\n<!-- end needs -->\n"
	if err := os.WriteFile(document+".md", []byte(markers), 0o644); err != nil {
		t.Fatal(err)
	}
	known, err := releases()
	if err != nil {
		t.Fatal(err)
	}
	for file, r := range map[string]result{document + ".json": {Version: known[0], Passed: 7}, part: {Version: known[1], Passed: 5}} {
		if err := (results{r}).save(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := take(document, []string{part}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document + ".md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| " + known[0] + " | 7 |", "| " + known[1] + " | 5 |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if err := take(document, []string{part + ".nothing"}); err == nil {
		t.Error("a file that is not there was taken")
	}
	for _, r := range []result{{Version: known[0]}, {Version: "1.3.0", Passed: 5}} {
		if err := (results{r}).save(part); err != nil {
			t.Fatal(err)
		}
		if err := take(document, []string{part}); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}

func TestAVersionThatIsNotBuiltIsRefused(t *testing.T) {
	known, err := releases()
	if err != nil || len(known) < 2 {
		t.Fatalf("%v, %v", known, err)
	}
	if got, err := choose(known, []string{minor(known[1])}); err != nil || len(got) != 1 || got[0] != known[1] {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(known, []string{"1.3"}); err == nil {
		t.Error("1.3 is taken for one of them")
	}
}
