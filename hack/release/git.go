package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// repository is a work tree of git, used through git itself.
type repository struct{ dir string }

func (r repository) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(strings.TrimSuffix(fmt.Sprintf("git %s: %v: %s", args[0], err, strings.TrimSpace(stderr.String())), ": "))
	}
	return strings.TrimSpace(string(out)), nil
}

// clean refuses a tree with changes, untracked files too: they would be in the release, or be missing from it.
func (r repository) clean(ctx context.Context) error {
	changes, err := r.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		first, _, _ := strings.Cut(changes, "\n")
		return fmt.Errorf("the tree has changes (%s): commit or remove them first", strings.TrimSpace(first))
	}
	return nil
}

// onMain refuses a branch, and a commit of none: a release is of what everybody has.
func (r repository) onMain(ctx context.Context) error {
	branch, err := r.git(ctx, "branch", "--show-current")
	if err != nil || branch == "main" {
		return err
	}
	return fmt.Errorf("a release is made on the branch main, and this is %s: git switch main", cmp.Or(branch, "none"))
}

// whole refuses a shallow clone: it lacks tags, and commits that belong into CHANGELOG.md.
func (r repository) whole(ctx context.Context) error {
	shallow, err := r.git(ctx, "rev-parse", "--is-shallow-repository")
	if err == nil && shallow == "true" {
		err = errors.New("a release is of the whole history, which this clone has only in part: git fetch --unshallow --tags")
	}
	return err
}

// files returns the names of all tracked files.
func (r repository) files(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, "ls-files", "-z")
	return strings.Split(strings.TrimRight(out, "\x00"), "\x00"), err
}

// commitOf returns the commit that a tag is of, and its time; no commit where there is no such tag.
func (r repository) commitOf(ctx context.Context, tag string) (string, time.Time, error) {
	if found, err := r.git(ctx, "tag", "--list", tag); err != nil || found == "" {
		return "", time.Time{}, err
	}
	out, err := r.git(ctx, "log", "-1", "--format=%H %ct", "refs/tags/"+tag)
	if err != nil {
		return "", time.Time{}, err
	}
	hash, seconds, _ := strings.Cut(out, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return hash, time.Unix(unix, 0).UTC(), err
}

// export writes the tree of a commit into a folder. Each file has the time of the commit, so that archives of them are
// always the same.
func (r repository) export(ctx context.Context, commit, dir string) (err error) {
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	cmd.Dir, cmd.Stderr = r.dir, os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(untar(stdout, dir), cmd.Wait())
}

func untar(from io.Reader, dir string) error {
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the archive has a file outside of it: %s", h.Name)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, text, h.FileInfo().Mode().Perm()); err != nil {
			return err
		}
		if err := os.Chtimes(name, h.ModTime, h.ModTime); err != nil {
			return err
		}
	}
}
