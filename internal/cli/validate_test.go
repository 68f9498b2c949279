package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// A file of testdata/validate says why in its comment, then has the files of a folder, and as "session" what is typed
// there and what comes of it: what is printed, what is said on standard error, and the exit status.
func TestValidate(t *testing.T) {
	playSessions(t, "validate", 25)
}

// A file of testdata/cluster is the same for the commands that talk to a cluster, where none is needed.
func TestClusterFlags(t *testing.T) { playSessions(t, "cluster", 1) }

// A file of testdata/check is the same for check, where no registry is needed.
func TestCheckUsage(t *testing.T) { playSessions(t, "check", 1) }

func playSessions(t *testing.T, folder string, atLeast int) {
	paths, err := filepath.Glob("testdata/" + folder + "/*.txtar")
	if err != nil || len(paths) < atLeast {
		t.Fatalf("%d files, and at least %d are there: %v", len(paths), atLeast, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			playSession(t, path)
		})
	}
}

func playSession(t *testing.T, path string) {
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("KUBECONFIG", "/does/not/exist")
	session := &a.Files[len(a.Files)-1]
	if session.Name != "session" {
		t.Fatalf("the last file is to be the session, not %s", session.Name)
	}
	for _, f := range a.Files[:len(a.Files)-1] {
		writeFile(t, f.Name, f.Data)
	}
	var got strings.Builder
	for line := range strings.Lines(string(session.Data)) {
		if typed, ok := strings.CutPrefix(line, "$ pullsecrets "); ok {
			fmt.Fprint(&got, line, typedAt(t, typed))
		}
	}
	if *update {
		session.Data = []byte(got.String())
		writeFile(t, path, txtar.Format(a))
		return
	}
	if diff := cmp.Diff(string(session.Data), got.String()); diff != "" {
		t.Errorf("%s(-want +got):\n%s", a.Comment, diff)
	}
	// What no file may hand on is called so.
	if strings.Contains(strings.ReplaceAll(got.String(), "s3cret.yaml", ""), "s3cret") {
		t.Error("what could be a credential was printed")
	}
}

// typedAt runs a command line. "< FILE" at its end is standard input.
func typedAt(t *testing.T, line string) string {
	args, file, redirected := strings.Cut(strings.TrimSpace(line), " < ")
	var stdin []byte
	if redirected {
		var err error
		if stdin, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	status := Main(t.Context(), strings.Fields(args), bytes.NewReader(stdin), &out, &errs)
	text := out.String()
	for line := range strings.Lines(errs.String()) {
		text += "2> " + line
	}
	return fmt.Sprintf("%s=> %d\n", text, status)
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
