package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pullsecrets/pullsecrets/hack/release/places"
)

// prepare sets the version everywhere, writes CHANGELOG.md, commits and tags. It refuses before it changes anything.
func prepare(ctx context.Context, repo repository, version string) error {
	if err := repo.mayRelease(ctx, version); err != nil {
		return err
	}
	before, err := repo.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if err = repo.set(ctx, version); err == nil {
		_, err = repo.git(ctx, "tag", "--annotate", "--message", "pullsecrets "+version, version)
	}
	if err != nil {
		return errors.Join(err, repo.undo(ctx, before))
	}
	fmt.Printf("%s is committed and tagged in this repository; nothing is pushed.\n", version)
	return nil
}

// undo takes back what was written and committed: the tree was clean before.
func (r repository) undo(ctx context.Context, before string) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // an interrupt is a reason to undo
	}
	if _, err := r.git(ctx, "reset", "--quiet", "--hard", before); err != nil {
		return fmt.Errorf("the tree has parts of the release. Take them back with: git reset --hard %s\n%w", before, err)
	}
	return errors.New("nothing is changed")
}

// set commits the tree of a version.
func (r repository) set(ctx context.Context, version string) error {
	files, err := r.files(ctx)
	if err != nil {
		return err
	}
	changed, err := places.Set(r.dir, files, version)
	if err != nil {
		return err
	}
	problems, err := places.Check(r.dir, files)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.New("the tree names other versions:\n  " + strings.Join(problems, "\n  "))
	}
	fmt.Printf("%s is set in %d files.\n", version, len(changed))
	if err := r.writeChangelog(ctx, version); err != nil {
		return err
	}
	_, err = r.git(ctx, "commit", "--all", "--message", "release: "+version)
	return err
}

func (r repository) writeChangelog(ctx context.Context, version string) error {
	name := filepath.Join(r.dir, changelogFile)
	before, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	section, err := r.changes(ctx, version)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(addSection(string(before), section)), 0o666)
}
