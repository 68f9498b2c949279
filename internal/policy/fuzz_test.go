package policy

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sigsyaml "sigs.k8s.io/yaml"
)

// FuzzParse holds that no text makes Parse panic, that every refusal says why, and that an accepted
// document means the same once it was decoded and written again: nothing is lost or guessed on the way.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range seeds {
		for _, content := range readArchive(f, path).documents("problems", "rules") {
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
		q, problems := Parse(map[string]string{"a.yaml": string(again)}, options)
		if q == nil {
			t.Fatalf("accepted, and refused once written again: %v\n%s", problems, again)
		}
		if !reflect.DeepEqual(p, q) {
			t.Errorf("means something else once written again (-first +again):\n%s\n%s",
				cmp.Diff(render(p, nil), render(q, nil)), again)
		}
	})
}
