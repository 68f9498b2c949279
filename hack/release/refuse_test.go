package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
)

// A release that cannot be is refused with one line, and nothing is changed.
func TestRefusals(t *testing.T) {
	wantsPassword := newRegistry(t)
	for _, c := range []struct {
		name  string
		world func(t *testing.T, dir string)
		args  []string
		want  string
	}{
		{name: "no version of a release", args: []string{"prepare", "1.0"}, want: `"1.0" is no version of a release`},
		{name: "no version of a release, published", args: []string{"publish", "-registry", "localhost:1/p", "v1.0"}, want: `"v1.0" is no version of a release`},
		{name: "a tag that exists", args: []string{"prepare", "v0.2.0"}, want: "the tag v0.2.0 is there already"},
		{name: "an old version", args: []string{"prepare", "v0.1.9"}, want: "v0.1.9 is not newer than the last tag v0.2.0"},
		{name: "a pre-release of what is released", args: []string{"prepare", "v0.2.0-rc.1"}, want: "not newer than the last tag v0.2.0"},
		{name: "older than the tree", args: []string{"prepare", "v0.2.1"}, want: "v0.2.1 is not newer than v0.3.0, which the tree says it is",
			world: func(t *testing.T, dir string) {
				put(t, dir, "VERSION", "v0.3.0\n")
				git(t, dir, "commit", "--quiet", "-a", "-m", "release: v0.3.0")
			}},
		{name: "an edit that is not committed", args: []string{"prepare", "v0.3.0"}, want: "the tree has changes (M README.md)",
			world: func(t *testing.T, dir string) { put(t, dir, "README.md", "edited\n") }},
		{name: "a file that is not committed", args: []string{"prepare", "v0.3.0"}, want: "the tree has changes (?? new.go)",
			world: func(t *testing.T, dir string) { put(t, dir, "new.go", "package new\n") }},
		{name: "a version that the release would not set", args: []string{"prepare", "v0.3.0"},
			want: "docs.md:1: it names the version in a way that hack/release/places does not know: add it there\nnothing is changed",
			world: func(t *testing.T, dir string) {
				put(t, dir, "docs.md", "from v0.3.0 on\n")
				git(t, dir, "add", ".")
				git(t, dir, "commit", "--quiet", "-m", "docs: more")
			}},
		{name: "another branch", args: []string{"prepare", "v0.3.0"}, want: "a release is made on the branch main, and this is feature: git switch main",
			world: func(t *testing.T, dir string) { git(t, dir, "switch", "--quiet", "--create", "feature") }},
		{name: "no branch", args: []string{"prepare", "v0.3.0"}, want: "a release is made on the branch main, and this is none: git switch main",
			world: func(t *testing.T, dir string) { git(t, dir, "switch", "--quiet", "--detach") }},
		{name: "a part of the history", args: []string{"prepare", "v0.3.0"}, want: "which this clone has only in part: git fetch --unshallow --tags",
			world: func(t *testing.T, dir string) { put(t, dir, ".git/shallow", git(t, dir, "rev-parse", "HEAD")+"\n") }},
		{name: "tags that were not fetched", args: []string{"prepare", "v0.4.0"}, want: "CHANGELOG.md tells of v0.3.0, whose tag is not here: git fetch --tags",
			world: func(t *testing.T, dir string) {
				put(t, dir, "CHANGELOG.md", "# Changelog\n\n## v0.3.0, 2020-01-01\n\n- more\n\n## v0.2.0, 2019-01-01\n")
				git(t, dir, "commit", "--quiet", "-a", "-m", "release: v0.3.0")
			}},
		{name: "a commit that a hook refuses", args: []string{"prepare", "v0.3.0"}, want: "git commit: exit status 1: not today\nnothing is changed",
			world: func(t *testing.T, dir string) {
				put(t, dir, ".git/hooks/pre-commit", "#!/bin/sh\necho not today >&2\nexit 1\n")
				if err := os.Chmod(filepath.Join(dir, ".git/hooks/pre-commit"), 0o755); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "a tag that cannot be", args: []string{"prepare", "v0.3.0"}, want: "nothing is changed",
			world: func(t *testing.T, dir string) { git(t, dir, "tag", "v0.3.0/of-somebody") }},
		{name: "no registry", args: []string{"v0.3.0"}, want: "no registry is named"},
		{name: "no registry to publish to", args: []string{"publish", "v0.2.0"}, want: "no registry is named"},
		{name: "a registry without a host", args: []string{"-registry", "pullsecrets", "v0.3.0"}, want: "-registry pullsecrets names no registry"},
		{name: "a registry with a scheme", args: []string{"-registry", "oci://ghcr.io/pullsecrets", "v0.3.0"}, want: "names no registry"},
		{name: "a registry that is away", args: []string{"-registry", "127.0.0.1:1/pullsecrets", "v0.3.0"}, want: "the registry 127.0.0.1:1 cannot be reached"},
		{name: "a registry that does not know us", args: []string{"-registry", wantsPassword.prefix, "v0.3.0"},
			want: "does not let you push to pullsecrets/pullsecrets: docker login " + wantsPassword.host},
		{name: "a registry that refuses the password", args: []string{"-registry", wantsPassword.prefix, "v0.3.0"},
			world: func(t *testing.T, _ string) { wantsPassword.loginWith(t, "another") },
			want:  "does not let you push to pullsecrets/pullsecrets: docker login " + wantsPassword.host},
		{name: "a folder with files", args: []string{"-registry", "127.0.0.1:1/pullsecrets", "-out", "places", "v0.3.0"}, want: "the folder places is not empty"},
		{name: "no such tag", args: []string{"publish", "-registry", "127.0.0.1:1/p", "v0.3.0"}, want: "there is no tag v0.3.0: make it with hack/release.sh prepare v0.3.0"},
		{name: "a tag that is not checked out", args: []string{"publish", "-registry", "127.0.0.1:1/p", "v0.2.0"}, want: "v0.2.0 is not what is checked out"},
		{name: "a tag in a part of the history", args: []string{"publish", "-registry", "127.0.0.1:1/p", "v0.2.0"}, want: "which this clone has only in part: git fetch --unshallow --tags",
			world: func(t *testing.T, dir string) {
				git(t, dir, "checkout", "--quiet", "v0.2.0")
				put(t, dir, ".git/shallow", git(t, dir, "rev-parse", "HEAD")+"\n")
			}},
		{name: "a tag with edits", args: []string{"publish", "-registry", "127.0.0.1:1/p", "v0.2.0"}, want: "the tree has changes",
			world: func(t *testing.T, dir string) {
				git(t, dir, "checkout", "--quiet", "v0.2.0")
				put(t, dir, "VERSION", "v0.2.1\n")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := smallRepository(t)
			if c.world != nil {
				c.world(t, dir)
			}
			before := state(t, dir)
			err := command(t.Context(), append([]string{"-root", dir}, c.args...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if strings.Contains(strings.TrimSuffix(err.Error(), "\nnothing is changed"), "\n") && !strings.Contains(c.want, "\n") {
				t.Errorf("not one line: %q", err)
			}
			if after := state(t, dir); after != before {
				t.Errorf("it changed the tree:\n%s\nto\n%s", before, after)
			}
		})
	}
}

// A registry that takes the connection and never answers can be interrupted.
func TestARegistryThatDoesNotAnswer(t *testing.T) {
	dir := smallRepository(t)
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	before := state(t, dir)
	host := strings.TrimPrefix(server.URL, "http://")
	err := command(ctx, []string{"-root", dir, "-registry", host + "/pullsecrets", "v0.3.0"})
	if err == nil || !strings.HasPrefix(err.Error(), "the registry "+host+" cannot be reached: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if after := state(t, dir); after != before {
		t.Errorf("it changed the tree:\n%s\nto\n%s", before, after)
	}
}

// A registry that goes away while it is pushed to is told in one line.
func TestARegistryThatDies(t *testing.T) {
	isolated(t)
	registry := newRegistry(t)
	registry.login(t)
	target, err := newTarget(t.Context(), registry.prefix)
	if err != nil {
		t.Fatal(err)
	}
	registry.dies.Store(true)
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = target.push(target.image.Tag("v0.1.0"), image)
	if err == nil || !strings.HasPrefix(err.Error(), "the registry "+registry.host+" cannot be reached: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if there, err := target.there(target.image.Tag("v0.1.0")); err != nil || there != nil {
		t.Errorf("half an image is there: %v, %v", there, err)
	}
}

// What prepare leaves: the version set, a changelog, one commit, an annotated tag, and nothing else.
func TestPrepare(t *testing.T) {
	dir := smallRepository(t)
	if err := command(t.Context(), []string{"-root", dir, "prepare", "v0.3.0-rc.1"}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dir, "VERSION") + get(t, dir, "README.md"); got != "v0.3.0-rc.1\ngithub.com/pullsecrets/pullsecrets/kustomize/base?ref=v0.3.0-rc.1\n" {
		t.Errorf("the tree says %q", got)
	}
	if got := get(t, dir, changelogFile); !strings.HasPrefix(got, "# Changelog\n\nWhat changed.\n\n## v0.3.0-rc.1, 20") || !strings.HasSuffix(got, "\n\n### Policy\n\n- policy: more\n") {
		t.Errorf("the changelog says %q", got)
	}
	if got := git(t, dir, "status", "--porcelain"); got != "" {
		t.Errorf("left over: %s", got)
	}
	if got := git(t, dir, "log", "--format=%s", "v0.2.0.."); got != "release: v0.3.0-rc.1\npolicy: more" {
		t.Errorf("the commits are %q", got)
	}
	if got := git(t, dir, "cat-file", "-t", "v0.3.0-rc.1") + " " + git(t, dir, "describe", "--exact-match"); got != "tag v0.3.0-rc.1" {
		t.Errorf("the tag is %q", got)
	}
	// And the one after it has its own changes above.
	if err := command(t.Context(), []string{"-root", dir, "prepare", "v0.3.0"}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dir, changelogFile); !strings.Contains(got, "\nNothing but the version.\n\n## v0.3.0-rc.1, ") {
		t.Errorf("the changelog says %q", got)
	}
}

// A version that is in the registry is not replaced by another, and pushing it again is no error.
func TestAReleaseIsNotReplaced(t *testing.T) {
	isolated(t)
	registry := newRegistry(t)
	registry.login(t)
	target, err := newTarget(context.Background(), registry.prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.mayPush(); err != nil {
		t.Fatal(err)
	}
	first, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	other, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag := target.image.Tag("v0.1.0")
	for range 2 {
		if err := target.push(tag, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := target.push(tag, other); err == nil || !strings.Contains(err.Error(), "a release is not replaced") {
		t.Errorf("another image was pushed: %v", err)
	}
	if err := target.push(target.image.Tag("v0.2.0"), other); err != nil {
		t.Fatal(err)
	}
	for _, index := range []pushable{first, other} { // what moves is replaced
		if err := target.move(target.image.Tag("latest"), index); err != nil {
			t.Fatal(err)
		}
		want, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if found, err := target.there(target.image.Tag("latest")); err != nil || found == nil || found.Digest != want {
			t.Errorf("latest is %v, %v, and not %s", found, err, want)
		}
	}
}
