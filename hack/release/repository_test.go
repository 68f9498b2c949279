package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// isolated keeps what the machine says of git, Helm and registries out of the tests.
func isolated(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.com",
		"GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.com",
		"DOCKER_CONFIG": t.TempDir(), "HELM_CONFIG_HOME": t.TempDir(), "HELM_CACHE_HOME": t.TempDir(), "HELM_DATA_HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		t.Setenv(name, "") // so that it comes back
		os.Unsetenv(name)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// smallRepository is one with a version in two places, a commit and a tag.
func smallRepository(t *testing.T) string {
	t.Helper()
	isolated(t)
	dir := t.TempDir()
	git(t, dir, "init", "--quiet", "--initial-branch", "main")
	put(t, dir, "VERSION", "v0.2.0\n")
	put(t, dir, "README.md", "github.com/pullsecrets/pullsecrets/kustomize/base?ref=v0.2.0\n")
	put(t, dir, "CHANGELOG.md", "# Changelog\n\nWhat changed.\n")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "-m", "docs: begin")
	git(t, dir, "tag", "-a", "-m", "v0.2.0", "v0.2.0")
	put(t, dir, "notes.txt", "more\n")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "-m", "policy: more")
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// state is all that a refused release must leave as it is.
func state(t *testing.T, dir string) string {
	t.Helper()
	return git(t, dir, "rev-parse", "HEAD") + "\n" + git(t, dir, "tag") + "\n" + git(t, dir, "status", "--porcelain") + "\n" + git(t, dir, "diff")
}
