package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nowhere is a port on which nothing listens.
const nowhere = "http://127.0.0.1:1"

// TestWhatIsFoundDecidesTheStatus scans a small module with databases that call one function vulnerable.
func TestWhatIsFoundDecidesTheStatus(t *testing.T) {
	module := `{"package": {"name": "golang.org/x/mod", "ecosystem": "Go"},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "99.0.0"}]}],
		"ecosystem_specific": {"imports": [{"path": "golang.org/x/mod/semver", "symbols": ["Compare"]}]}}`
	library := strings.NewReplacer("golang.org/x/mod/semver", "strings", "golang.org/x/mod", "stdlib", "Compare", "ToUpper").Replace(module)
	notCalled := strings.ReplaceAll(module, "Compare", "Sort")
	dir := calling(t)
	for _, tt := range []struct {
		what, affected string
		strict         bool
		status         int
		said           string
	}{
		{"a module's function is called", module, false, 1, "golang.org/x/mod/semver.Compare, from example.com/program.main"},
		{"another one is", notCalled, true, 0, "the program calls nothing that has a known vulnerability"},
		{"the standard library's is", library, false, 0, "build a release with a newer one"},
		{"the same, before a release", library, true, 1, "mended in v99.0.0"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var out bytes.Buffer
			status, err := check(t.Context(), &out, dir, database(t, tt.affected), tt.strict, nowhere)
			if err != nil || status != tt.status || !strings.Contains(out.String(), tt.said) {
				t.Errorf("status %d, want %d: %v\n%s", status, tt.status, err, &out)
			}
		})
	}
}

// TestWithoutADatabaseItSaysThatItSkips has neither the public database nor a module of it. No release is made then.
func TestWithoutADatabaseItSaysThatItSkips(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", t.TempDir())
	var out bytes.Buffer
	status, err := check(t.Context(), &out, calling(t), "", false, nowhere)
	if err != nil || status != 0 || !strings.Contains(out.String(), "vulncheck: skipped, no database of vulnerabilities can be reached") {
		t.Errorf("status %d: %v\n%s", status, err, &out)
	}
	if status, err := check(t.Context(), &out, calling(t), "", true, nowhere); err == nil || status != 2 {
		t.Errorf("before a release: status %d: %v\n%s", status, err, &out)
	}
}

func TestThePublicDatabaseComesFirst(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(t.TempDir())))
	defer server.Close()
	if url, err := reachable(t.Context(), server.URL); err == nil && url == server.URL {
		t.Errorf("%s has no database", url)
	}
	served := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer served.Close()
	if url, err := reachable(t.Context(), served.URL); err != nil || url != served.URL {
		t.Errorf("%s: %v", url, err)
	}
}

func TestWhatCannotBeToldIsAnError(t *testing.T) {
	var out bytes.Buffer
	status, err := check(t.Context(), &out, t.TempDir(), database(t, "{}"), false, nowhere)
	if err == nil || status != 2 {
		t.Errorf("a folder without a module: status %d\n%s", status, &out)
	}
}

// database is a folder with one entry.
func database(t *testing.T, affected string) (url string) {
	t.Helper()
	dir := t.TempDir()
	entry := fmt.Sprintf(`{"schema_version": "1.3.1", "id": "GO-2000-0001", "modified": "2020-01-01T00:00:00Z",
		"published": "2020-01-01T00:00:00Z", "summary": "an example", "affected": [%s]}`, affected)
	if err := os.WriteFile(filepath.Join(dir, "GO-2000-0001.json"), []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + dir
}

// calling is a module that calls both functions.
func calling(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var sums, requirement string
	for line := range strings.Lines(read(t, "../go.sum")) {
		if strings.HasPrefix(line, "golang.org/x/mod ") {
			sums += line
		}
	}
	for line := range strings.Lines(read(t, "../go.mod")) {
		if strings.HasPrefix(line, "\tgolang.org/x/mod ") {
			requirement = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "// indirect"))
		}
	}
	for file, text := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.26.0\n\nrequire " + requirement + "\n",
		"go.sum": sums,
		"main.go": "package main\n\nimport (\n\t\"strings\"\n\n\t\"golang.org/x/mod/semver\"\n)\n\n" +
			"func main() { println(semver.Compare(strings.ToUpper(\"v1\"), \"v2\")) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
