package policy

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// options are those of every file in testdata: one foreign namespace is allowed.
var options = Options{Namespace: "pullsecrets", SourceNamespaces: []string{"allowed"}}

// A file of testdata/bad says why in its comment, then has the documents, and as "problems" what is said of them.
func TestParseTellsEveryProblemOfABadPolicy(t *testing.T) {
	for _, c := range testCases(t, "testdata/bad/*.txtar", 60) {
		t.Run(c.name(), func(t *testing.T) {
			p, problems := Parse(c.documents(), options)
			if p != nil || len(problems.Errors()) == 0 {
				t.Errorf("accepted: %s", c.Comment)
			}
			for _, problem := range problems {
				if IsDocument(problem.Document) {
					checkPlace(t, problem, c.file(problem.Document))
				}
			}
			c.expect(t, "problems", problems.Error()+"\n")
		})
	}
}

// A file of testdata/good has a side file with the rules as they are understood, every default written out.
func TestParseUnderstandsAGoodPolicy(t *testing.T) {
	for _, c := range testCases(t, "testdata/good/*.txtar", 18) {
		t.Run(c.name(), func(t *testing.T) {
			p, problems := Parse(c.documents(), options)
			if p == nil {
				t.Fatalf("refused: %v", problems)
			}
			c.expect(t, "rules", render(p, problems))
		})
	}
}

// render writes a policy in a stable, compact form.
func render(p *Policy, problems Problems) string {
	var b strings.Builder
	for _, w := range problems {
		fmt.Fprintln(&b, w)
	}
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "%s force=%t prune=%t", r.Name, r.Force, r.Prune)
		if r.Attach != AttachAccounts {
			fmt.Fprintf(&b, " attach=%s", r.Attach)
		}
		if r.Override {
			b.WriteString(" override=true")
		}
		b.WriteByte('\n')
		for _, s := range r.Secrets {
			fmt.Fprintf(&b, "  %s -> %s\n", s.Source, s.Name)
		}
		fmt.Fprintf(&b, "  namespaces %s\n  accounts   %s\n", renderMatcher(r.Namespaces), renderMatcher(r.ServiceAccounts))
	}
	fmt.Fprintf(&b, "sources %v\ncopies %v\n", p.Sources(), p.CopyNames())
	return b.String()
}

func renderMatcher(m Matcher) string {
	s := fmt.Sprintf("%v", m.include)
	if len(m.exclude) > 0 {
		s += fmt.Sprintf(" but %v", m.exclude)
	}
	if !m.selector.Empty() {
		s += " where " + m.selector.String()
	}
	return s
}

// The larger part of a file of these sizes would be filler, so the documents are made here.
func TestParseRefusesATextThatIsTooLarge(t *testing.T) {
	const rules = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	comment := func(n int) string { return "#" + strings.Repeat("x", n-2) + "\n" }
	for _, tt := range []struct {
		why       string
		documents map[string]string
		want      string // "" is accepted
	}{
		{
			why:       "exactly the limit",
			documents: map[string]string{"a.yaml": rules + comment(MaxSize-len(rules))},
		}, {
			why:       "a byte too many",
			documents: map[string]string{"a.yaml": rules + comment(MaxSize-len(rules)+1)},
			want:      "the policy is 524289 bytes, and at most 524288 are allowed: select by label or glob instead of listing names\n",
		}, {
			why:       "the sum of the documents counts",
			documents: map[string]string{"a.yaml": rules + comment(300<<10), "b.yaml": rules + comment(300<<10)},
			want: fmt.Sprintf("the policy is %d bytes, and at most 524288 are allowed: select by label or glob instead of listing names\n",
				2*(len(rules)+300<<10)),
		}, {
			why:       "a key that is no document does not count, but is told",
			documents: map[string]string{"a.yaml": rules, "b.txt": comment(MaxSize)},
			want:      "b.txt: warning: is ignored: a key holds a policy when it ends in .yaml, .yml or .json\n",
		},
	} {
		t.Run(tt.why, func(t *testing.T) {
			p, problems := Parse(tt.documents, options)
			if len(problems.Errors()) == 0 != (p != nil) {
				t.Errorf("policy %v with errors %v", p, problems.Errors())
			}
			got := problems.Error()
			if got != "" {
				got += "\n"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSaysTheSameEveryTime(t *testing.T) {
	for _, c := range testCases(t, "testdata/bad/*.txtar", 60) {
		documents := c.documents()
		_, want := Parse(documents, options)
		for range 10 { // over maps, whose order differs from one range to the next
			if _, got := Parse(documents, options); !reflect.DeepEqual(want, got) {
				t.Errorf("%s (-first +later):\n%s", c.path, cmp.Diff(want, got))
				break
			}
		}
	}
}

func TestSourceNamespacesAreOnlyThoseOfTheOptions(t *testing.T) {
	documents := map[string]string{"a.yaml": `
apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- name: hub
  secrets:
  - source: {namespace: vault, name: hub}
`}
	for _, tt := range []struct {
		why  string
		opts Options
		want string
	}{
		{"its own", Options{Namespace: "vault"}, ""},
		{"allowed", Options{Namespace: "a", SourceNamespaces: []string{"b", "vault"}}, ""},
		{"not its own", Options{Namespace: "a"}, `a.yaml: rules[0].secrets[0].source.namespace: line 7, column 25: ` +
			`"vault": sources may only be in a; start the controller with -source-namespaces to allow others`},
		{"no globs", Options{Namespace: "a", SourceNamespaces: []string{"*"}}, `a.yaml: rules[0].secrets[0].source.namespace: line 7, column 25: ` +
			`"vault": sources may only be in a, *; start the controller with -source-namespaces to allow others`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			_, problems := Parse(documents, tt.opts)
			if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheExampleIsAcceptedAndIsThePolicyOfTheBase(t *testing.T) {
	example := readFile(t, "../../examples/policy.yaml")
	p, problems := Parse(map[string]string{"policy.yaml": example}, Options{Namespace: "pullsecrets"})
	if len(problems) > 0 || p == nil || len(p.Rules) == 0 {
		t.Errorf("the example is to be without problems and to have rules: %v", problems)
	}
	if diff := cmp.Diff(example, readFile(t, "../../kustomize/base/policy.yaml")); diff != "" {
		t.Errorf("kustomize/base/policy.yaml is to be a copy of examples/policy.yaml (-example +base):\n%s", diff)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheHashIsOfTheDocumentsAlone(t *testing.T) {
	base := map[string]string{"a.yaml": "one", "b.json": "two", "README.md": "text"}
	for _, tt := range []struct {
		why       string
		documents map[string]string
		same      bool
	}{
		{"the same", map[string]string{"a.yaml": "one", "b.json": "two", "README.md": "text"}, true},
		{"another key changed", map[string]string{"a.yaml": "one", "b.json": "two", "README.md": "new"}, true},
		{"another key removed", map[string]string{"a.yaml": "one", "b.json": "two"}, true},
		{"text changed", map[string]string{"a.yaml": "one ", "b.json": "two"}, false},
		{"a key renamed", map[string]string{"c.yaml": "one", "b.json": "two"}, false},
		{"a key added, if empty", map[string]string{"a.yaml": "one", "b.json": "two", "c.yml": ""}, false},
		{"a key removed", map[string]string{"a.yaml": "one"}, false},
		{"text moved to the next key", map[string]string{"a.yaml": "on", "b.json": "etwo"}, false},
		{"texts swapped", map[string]string{"a.yaml": "two", "b.json": "one"}, false},
		{"the next key and its text moved into this text", map[string]string{"a.yaml": "oneb.jsontwo"}, false},
		{"the same as it is hashed", map[string]string{"a.yaml": "one6:b.json3:two"}, false},
		{"nothing", nil, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if got := Hash(base) == Hash(tt.documents); got != tt.same {
				t.Errorf("same hash: %t, want %t", got, tt.same)
			}
		})
	}
}

func TestTheHashDoesNotDependOnTheOrderOfAMap(t *testing.T) {
	documents := map[string]string{}
	for i := range 20 {
		documents[fmt.Sprintf("%d.yaml", i)] = fmt.Sprint(i)
	}
	want := Hash(documents)
	for range 20 {
		if got := Hash(documents); got != want {
			t.Fatalf("got %s, then %s", want, got)
		}
	}
}

func TestSuggestionsAreNearOrNone(t *testing.T) {
	fields := []string{"name", "secrets", "namespaces", "serviceAccounts", "force", "prune"}
	for _, tt := range []struct{ got, want string }{
		{"Force", `: did you mean "force"?`},
		{"SERVICEACCOUNTS", `: did you mean "serviceAccounts"?`},
		{"secret", `: did you mean "secrets"?`},
		{"nmae", `: did you mean "name"?`},
		{"names", `: did you mean "name"?`},
		{"labels", `: one of name, secrets, namespaces, serviceAccounts, force, prune`},
		{"x", `: one of name, secrets, namespaces, serviceAccounts, force, prune`},
		{strings.Repeat("secrets", 20), `: one of name, secrets, namespaces, serviceAccounts, force, prune`},
	} {
		if diff := cmp.Diff(tt.want, suggestion(tt.got, fields)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.got, diff)
		}
	}
}
