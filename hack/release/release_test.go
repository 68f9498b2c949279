package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pullsecrets/pullsecrets/hack/release/places"
)

// released is what a release left.
type released struct {
	clone, out      string
	version, commit string
	target          *target
	digests         map[string]string // by the path below the registry's prefix
}

// TestRelease makes the next release of this commit in a clone, with hack/release.sh and a registry, and installs from
// there as users do. The work tree is not touched.
func TestRelease(t *testing.T) {
	c := newCluster(t)
	isolated(t)
	registry := newRegistry(t)
	registry.login(t)
	clone := cloned(t)
	version := next(t, clone)
	r := &released{clone: clone, version: version, out: filepath.Join(t.TempDir(), "dist")}
	var err error
	if r.target, err = newTarget(t.Context(), registry.prefix); err != nil {
		t.Fatal(err)
	}

	// The first try ends halfway: the registry takes the image, and no chart.
	noChart := "/charts/pullsecrets/manifests/"
	registry.refuse.Store(&noChart)
	text, err := script(clone, "-quick", "-registry", registry.prefix, "-out", r.out, version)
	if want := version + " is committed and tagged in this repository. Go on with: hack/release.sh publish -registry " + registry.prefix + " -out " + r.out + " " + version; err == nil || !strings.Contains(text, want) {
		t.Fatalf("a registry without room: %v, and it says\n%s\nnot: %s", err, text, want)
	}
	if want := "the registry " + registry.host + " refuses pullsecrets/charts/pullsecrets: "; !strings.Contains(text, want) {
		t.Errorf("it does not say %q:\n%s", want, text)
	}
	imageOfFirst, err := r.target.there(r.target.image.Tag(version))
	if err != nil || imageOfFirst == nil {
		t.Fatalf("the image is not there: %v", err)
	}
	if latest, err := r.target.there(r.target.image.Tag("latest")); err != nil || latest != nil {
		t.Errorf("latest is moved although the release is not whole: %v, %v", latest, err)
	}
	if _, err := os.Stat(r.out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there are files although the release is not whole: %v", err)
	}

	// Going on builds everything again. Other bytes would be refused: the image is there.
	registry.refuse.Store(nil)
	if text, err := script(clone, "publish", "-quick", "-registry", registry.prefix, "-out", r.out, version); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	r.commit = git(t, clone, "rev-parse", "HEAD")
	r.digests = digests(t, r, registry)
	if got := imageOfFirst.Digest.String(); got != r.digests["pullsecrets"] {
		t.Errorf("two builds made the images %s and %s", got, r.digests["pullsecrets"])
	}

	t.Run("tree", func(t *testing.T) { tree(t, r) })
	t.Run("from nothing", func(t *testing.T) { fromNothing(t, r) })
	t.Run("image", func(t *testing.T) { image(t, r) })
	t.Run("archives", func(t *testing.T) { archives(t, r) })
	t.Run("boms", func(t *testing.T) { boms(t, r) })
	t.Run("krew", func(t *testing.T) { krew(t, r) })
	t.Run("homebrew", func(t *testing.T) { homebrew(t, r) })
	c.registry, c.version = registry, version
	t.Run("install", func(t *testing.T) { installs(t, c, r) })
	t.Run("docs", func(t *testing.T) { documented(t, c, r) })
}

// cloned is this commit as the main branch, with one more on it.
func cloned(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "--quiet", "../..", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	current, err := places.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "checkout", "--quiet", "-B", "main")
	if git(t, dir, "rev-parse", "--is-shallow-repository") == "true" {
		beginHere(t, dir)
	}
	if git(t, dir, "tag", "--list", current) == "" {
		git(t, dir, "tag", "-a", "-m", current, current)
	}
	git(t, dir, "commit", "--quiet", "--allow-empty", "-m", "policy: what the test of the release adds")
	return dir
}

// beginHere makes the history of a shallow clone, which cannot be released, begin with its only commit.
func beginHere(t *testing.T, dir string) {
	t.Helper()
	git(t, dir, "checkout", "--quiet", "--orphan", "begin")
	git(t, dir, "commit", "--quiet", "-m", "docs: begin")
	git(t, dir, "branch", "--quiet", "-M", "begin", "main")
	git(t, dir, "remote", "remove", "origin")
	for tag := range strings.FieldsSeq(git(t, dir, "tag")) {
		git(t, dir, "tag", "-d", tag)
	}
	if err := os.Remove(filepath.Join(dir, ".git", "shallow")); err != nil {
		t.Fatal(err)
	}
}

// next is one more than everything that is released.
func next(t *testing.T, clone string) string {
	t.Helper()
	versions, err := repository{clone}.released(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "v" + newest(versions).IncMinor().String()
}

// script runs hack/release.sh as its user does, somewhere else.
func script(clone string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(clone, "hack", "release.sh"), args...)
	cmd.Dir = os.TempDir()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// digests reads digests.txt, and holds it against the registry.
func digests(t *testing.T, r *released, registry *testRegistry) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(get(t, r.out, "digests.txt")) {
		repository, digest, ok := strings.Cut(strings.TrimSpace(line), "@")
		path, below := strings.CutPrefix(repository, registry.prefix+"/")
		if !ok || !below {
			t.Fatalf("digests.txt has the line %q", line)
		}
		found[path] = digest
	}
	for _, tag := range []name.Tag{r.target.image.Tag(r.version), r.target.chart.Tag(r.version[1:]), r.target.manifests.Tag(r.version)} {
		want := found[strings.TrimPrefix(tag.Repository.Name(), registry.prefix+"/")]
		if there, err := r.target.there(tag); err != nil || there == nil || there.Digest.String() != want {
			t.Errorf("%s is %v, %v, and digests.txt says %s", tag, there, err, want)
		}
	}
	if len(found) != 3 {
		t.Errorf("digests.txt has %v", found)
	}
	return found
}

// tree looks at the repository: a clean tree whose own test of the version passes, a commit, a tag, a changelog.
func tree(t *testing.T, r *released) {
	if got := git(t, r.clone, "status", "--porcelain"); got != "" {
		t.Errorf("the tree is not clean:\n%s", got)
	}
	if got := git(t, r.clone, "cat-file", "-t", r.version); got != "tag" {
		t.Errorf("the tag is a %s", got)
	}
	if got := git(t, r.clone, "rev-parse", r.version+"^{commit}"); got != r.commit {
		t.Errorf("the tag is of %s, and not of %s", got, r.commit)
	}
	for _, args := range [][]string{
		{"-C", "hack/release", "test", "-count=1", "./places"},
		{"test", "-count=1", "-run", "Schema", "./internal/policy"},
		{"test", "-count=1", "-run", "WhatEachKustomizationBuilds", "./internal/e2e"},
		{"-C", "hack/helm", "test", "-count=1", "-run", "Generated|EqualToKustomize", "."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = r.clone
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("no tests to run")) {
			t.Errorf("go %v in the released tree: %v\n%s", args, err, out)
		}
	}
	want := "### Policy\n\n- policy: what the test of the release adds\n"
	if got := get(t, r.clone, changelogFile); !strings.Contains(got, "\n\n## "+r.version+", ") || !strings.Contains(got, want) {
		t.Errorf("the changelog says:\n%s", got)
	}
	if got := get(t, r.out, "notes.md"); got != want {
		t.Errorf("the notes say %q", got)
	}
}

// fromNothing builds one program without anything that was compiled before, in another folder: the same bytes.
func fromNothing(t *testing.T, r *released) {
	src := t.TempDir()
	if err := (repository{r.clone}).export(t.Context(), r.version, src); err != nil {
		t.Fatal(err)
	}
	p := platform{runtime.GOOS, runtime.GOARCH}
	program, err := buildOne(t.Context(), src, t.TempDir(), p, r.version)
	if err != nil {
		t.Fatal(err)
	}
	built, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, unpacked(t, filepath.Join(r.out, p.name()+".tar.gz"))[p.program()]) {
		t.Error("built from nothing, the program has other bytes")
	}
}

// image looks at what a node would: an index with both platforms, each the program of the archive and nothing else.
func image(t *testing.T, r *released) {
	for _, tag := range []string{"latest", r.version[:strings.LastIndex(r.version, ".")]} {
		if there, err := r.target.there(r.target.image.Tag(tag)); err != nil || there == nil || there.Digest.String() != r.digests["pullsecrets"] {
			t.Errorf("%s is %v, %v", tag, there, err)
		}
	}
	there, err := r.target.there(r.target.image.Tag(r.version))
	if err != nil || there == nil {
		t.Fatal(there, err)
	}
	if there.MediaType != types.OCIImageIndex {
		t.Errorf("it is a %s", there.MediaType)
	}
	index, err := there.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	hasLabels(t, r, manifest.Annotations)
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
		one, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := one.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		hasLabels(t, r, config.Config.Labels)
		if config.OS != m.Platform.OS || config.Architecture != m.Platform.Architecture || config.Config.User != "65532:65532" ||
			!slices.Equal(config.Config.Entrypoint, []string{"/pullsecrets"}) || !slices.Equal(config.Config.Cmd, []string{"run"}) {
			t.Errorf("the configuration of %s is %+v", m.Platform, config)
		}
		archived := unpacked(t, filepath.Join(r.out, "pullsecrets_"+m.Platform.OS+"_"+m.Platform.Architecture+".tar.gz"))
		if got := inLayers(t, one); !bytes.Equal(got, archived["pullsecrets"]) {
			t.Errorf("the program of %s is not that of the archive", m.Platform)
		}
	}
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("the platforms are %v", platforms)
	}
}

func hasLabels(t *testing.T, r *released, got map[string]string) {
	t.Helper()
	for key, want := range map[string]string{
		"org.opencontainers.image.version": r.version, "org.opencontainers.image.revision": r.commit,
		"org.opencontainers.image.source": sourceURL, "org.opencontainers.image.licenses": "Apache-2.0",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, not %q", key, got[key], want)
		}
	}
	if got["org.opencontainers.image.created"] == "" || got["org.opencontainers.image.title"] == "" || got["org.opencontainers.image.description"] == "" {
		t.Errorf("the labels are %v", got)
	}
}
