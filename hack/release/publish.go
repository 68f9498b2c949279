package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// release is a version that is built into a folder and pushed.
type release struct {
	version  string // with the v
	commit   string
	at       time.Time // of the commit: the only time in what is built
	src      string    // the tree of the commit
	again    string    // the same, for the second build
	cache    string    // of the second build; that of the first when empty
	out      string    // where the files come to be
	programs map[platform]string
	files    []string // of out, in the order in which they were made
}

// publish builds a tag and pushes it. It can be repeated: what is in the registry already is left alone.
func publish(ctx context.Context, o order) error {
	target, err := newTarget(ctx, o.registry)
	if err != nil {
		return err
	}
	r, err := o.repo.checkedOut(ctx, o.version)
	if err != nil {
		return err
	}
	if err := free(o.out); err != nil {
		return err
	}
	if err := target.mayPush(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pullsecrets-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r.src, r.again, r.out = filepath.Join(work, "src"), filepath.Join(work, "elsewhere", "src"), filepath.Join(work, "out")
	if !o.quick {
		r.cache = filepath.Join(work, "cache")
	}
	for _, dir := range []string{r.src, r.again} {
		if err := o.repo.export(ctx, r.commit, dir); err != nil {
			return err
		}
	}
	released, err := o.repo.released(ctx)
	if err != nil {
		return err
	}
	v, err := parse(o.version)
	if err != nil {
		return err
	}
	image, manifests, err := r.build(ctx)
	if err != nil {
		return err
	}
	if err := r.push(target, image, manifests, imageTags(v, released)); err != nil {
		return err
	}
	if err := os.CopyFS(o.out, os.DirFS(r.out)); err != nil {
		return err
	}
	fmt.Printf("%s is in %s, its files are in %s.\n", o.version, o.registry, o.out)
	return nil
}

// free refuses a folder with files in it: those of another version must not go along.
func free(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(files) > 0 {
		return fmt.Errorf("the folder %s is not empty: remove it, or name another with -out", dir)
	}
	return nil
}

// checkedOut refuses to build anything but a tag that the clean work tree is at.
func (r repository) checkedOut(ctx context.Context, version string) (*release, error) {
	if _, err := parse(version); err != nil {
		return nil, err
	}
	if err := r.whole(ctx); err != nil { // without the tags of newer releases, latest would go back
		return nil, err
	}
	commit, at, err := r.commitOf(ctx, version)
	if err != nil {
		return nil, err
	}
	if commit == "" {
		return nil, fmt.Errorf("there is no tag %s: make it with hack/release.sh prepare %s", version, version)
	}
	head, err := r.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	if head != commit {
		return nil, fmt.Errorf("%s is not what is checked out: git checkout %s", version, version)
	}
	return &release{version: version, commit: commit, at: at}, r.clean(ctx)
}

// build makes everything that needs no registry.
func (r *release) build(ctx context.Context) (image v1.ImageIndex, manifests v1.Image, err error) {
	if err := os.MkdirAll(r.out, 0o777); err != nil {
		return nil, nil, err
	}
	if r.programs, err = r.buildAll(ctx); err != nil {
		return nil, nil, err
	}
	for _, step := range []func() error{r.archives, r.sboms, r.notes, r.chart} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	if manifests, err = r.manifests(); err != nil {
		return nil, nil, err
	}
	image, err = newImage(r.programs, labels(r.version, r.commit, r.at), r.at)
	return image, manifests, err
}

// push pushes all under their version, writes what names the digests, and only then moves the tags that move.
func (r *release) push(t *target, image v1.ImageIndex, manifests v1.Image, moving []string) error {
	imageDigest, err := image.Digest()
	if err != nil {
		return err
	}
	manifestsDigest, err := manifests.Digest()
	if err != nil {
		return err
	}
	chart, err := os.ReadFile(filepath.Join(r.out, r.chartFile()))
	if err != nil {
		return err
	}
	if err := t.push(t.image.Tag(r.version), image); err != nil {
		return err
	}
	if err := t.push(t.manifests.Tag(r.version), manifests); err != nil {
		return err
	}
	chartDigest, err := t.pushChart(chart, strings.TrimPrefix(r.version, "v"), r.at)
	if err != nil {
		return err
	}
	install, err := installYAML(r.src, t.image.Name(), r.version, imageDigest.String())
	if err != nil {
		return err
	}
	if err := r.write("install.yaml", func(to io.Writer) error { _, err := to.Write(install); return err }); err != nil {
		return err
	}
	if err := r.checksums(); err != nil {
		return err
	}
	digests := fmt.Sprintf("%s@%s\n%s@%s\n%s@%s\n", t.image.Name(), imageDigest, t.chart.Name(), chartDigest, t.manifests.Name(), manifestsDigest)
	if err := os.WriteFile(filepath.Join(r.out, "digests.txt"), []byte(digests), 0o666); err != nil {
		return err
	}
	for _, tag := range moving {
		if err := t.move(t.image.Tag(tag), image); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file of the release.
func (r *release) write(name string, content func(io.Writer) error) error {
	r.files = append(r.files, name)
	return write(filepath.Join(r.out, name), content)
}

// archives packs each program with the licence, and writes the files by which krew and Homebrew find them.
func (r *release) archives() error {
	var downloads []download
	for _, p := range platforms {
		entries := []entry{
			{name: p.program(), file: r.programs[p], mode: 0o755},
			{name: "LICENSE", file: filepath.Join(r.src, "LICENSE"), mode: 0o644},
		}
		name, pack := p.name()+".tar.gz", tarGz
		if p.os == "windows" {
			name, pack = p.name()+".zip", zipped
		}
		if err := r.write(name, func(to io.Writer) error { return pack(to, entries, r.at) }); err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		downloads = append(downloads, newDownload(p, r.version, name, content))
	}
	if err := r.write("pullsecrets.yaml", func(to io.Writer) error { return writePackage(to, krewManifest, r.version, downloads) }); err != nil {
		return err
	}
	return r.write("pullsecrets.rb", func(to io.Writer) error { return writePackage(to, brewFormula, r.version, downloads) })
}

func (r *release) sboms() error {
	for _, p := range platforms {
		if err := r.write(p.name()+".cdx.json", func(to io.Writer) error { return writeSBOM(to, r.programs[p], r.version, r.at) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) notes() error {
	changelog, err := os.ReadFile(filepath.Join(r.src, changelogFile))
	if err != nil {
		return err
	}
	text, err := notes(string(changelog), r.version)
	if err != nil {
		return err
	}
	return r.write("notes.md", func(to io.Writer) error { _, err := io.WriteString(to, text); return err })
}

func (r *release) chartFile() string {
	return "pullsecrets-" + strings.TrimPrefix(r.version, "v") + ".tgz"
}

func (r *release) chart() error {
	file, err := packageChart(r.src, r.out, r.version)
	if err != nil {
		return err
	}
	if filepath.Base(file) != r.chartFile() {
		return fmt.Errorf("the chart is in %s, and not in %s", file, r.chartFile())
	}
	r.files = append(r.files, r.chartFile())
	return nil
}

func (r *release) manifests() (v1.Image, error) {
	entries, err := folder(r.src, "kustomize")
	if err != nil {
		return nil, err
	}
	entries = append(entries, entry{name: "LICENSE", file: filepath.Join(r.src, "LICENSE"), mode: 0o644})
	var archive bytes.Buffer
	if err := tarGz(&archive, entries, r.at); err != nil {
		return nil, err
	}
	err = r.write("pullsecrets-manifests.tar.gz", func(to io.Writer) error { _, err := to.Write(archive.Bytes()); return err })
	if err != nil {
		return nil, err
	}
	return newManifests(archive.Bytes(), r.version, r.commit, r.at)
}

// checksums writes what sha256sum -c reads.
func (r *release) checksums() error {
	names := slices.Sorted(slices.Values(r.files))
	return r.write("checksums.txt", func(to io.Writer) error {
		for _, name := range names {
			content, err := os.ReadFile(filepath.Join(r.out, name))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(to, "%s  %s\n", sum(content), name); err != nil {
				return err
			}
		}
		return nil
	})
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}
