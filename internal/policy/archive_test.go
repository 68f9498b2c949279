package policy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive is a test case in one file, in the txtar form: a comment, then files, each after a line "-- name --".
type archive struct {
	comment string
	names   []string // in order
	files   map[string]string
}

func readArchive(t testing.TB, path string) *archive {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{files: map[string]string{}}
	name := ""
	for line := range strings.Lines(string(content)) {
		if m, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "-- "); ok && strings.HasSuffix(m, " --") {
			name = strings.TrimSuffix(m, " --")
			a.names = append(a.names, name)
			a.files[name] = ""
			continue
		}
		if name == "" {
			a.comment += line
		} else {
			a.files[name] += line
		}
	}
	return a
}

// documents are the files that are not called as one of these.
func (a *archive) documents(but ...string) map[string]string {
	out := map[string]string{}
next:
	for name, content := range a.files {
		for _, b := range but {
			if name == b {
				continue next
			}
		}
		out[name] = content
	}
	return out
}

func (a *archive) write(t *testing.T, path, name, content string) {
	t.Helper()
	if _, ok := a.files[name]; !ok {
		a.names = append(a.names, name)
	}
	a.files[name] = content
	var b bytes.Buffer
	b.WriteString(a.comment)
	for _, n := range a.names {
		fmt.Fprintf(&b, "-- %s --\n%s", n, a.files[n])
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func filesOf(t *testing.T, pattern string, least int) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < least {
		t.Fatalf("%s has %d files, and at least %d are there", pattern, len(paths), least)
	}
	return paths
}
