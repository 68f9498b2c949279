package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheReferenceShowsWhatIsReallyPrinted runs the commands of docs/policy.md on the files that it shows: those that
// start with a comment of their name.
func TestTheReferenceShowsWhatIsReallyPrinted(t *testing.T) {
	const path = "../../docs/policy.md"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	folder := t.TempDir()
	for _, m := range regexp.MustCompile("(?s)```yaml\n(# (\\S+\\.yaml)\n.*?)```").FindAllStringSubmatch(text, -1) {
		writeFile(t, folder+"/"+m[2], []byte(m[1]))
	}
	ran := 0
	real := regexp.MustCompile("(?s)```console\n(.*?)```").ReplaceAllStringFunc(text, func(block string) string {
		out := "```console\n"
		for line := range strings.Lines(block) {
			if typed, ok := strings.CutPrefix(line, "$ pullsecrets "); ok {
				ran++
				out += line + printedIn(t, folder, typed)
			}
		}
		return out + "```"
	})
	if ran < 5 {
		t.Errorf("%d commands were run", ran)
	}
	if *update && real != text {
		writeFile(t, path, []byte(real))
		return
	}
	if diff := cmp.Diff(text, real); diff != "" {
		t.Errorf("%s is stale, run go test ./internal/cli -run Reference -update (-shown +printed):\n%s", path, diff)
	}
}

// printedIn is what a terminal shows. "; echo $?" shows the exit status.
func printedIn(t *testing.T, folder, typed string) string {
	line, echo := strings.CutSuffix(strings.TrimSpace(typed), "; echo $?")
	text := ""
	t.Run(line, func(t *testing.T) {
		t.Chdir(folder)
		printed, status, _ := strings.Cut(strings.ReplaceAll("\n"+typedAt(t, line), "\n2> ", "\n"), "\n=> ")
		text = strings.TrimPrefix(printed+"\n", "\n")
		if echo {
			text += status
		}
	})
	return text
}
