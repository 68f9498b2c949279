package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pullsecrets/pullsecrets/hack/release/places"
)

// parse reads a version as releases are named: vX.Y.Z or vX.Y.Z-PRE. A registry has no tags with a +.
func parse(text string) (*semver.Version, error) {
	number, isV := strings.CutPrefix(text, "v")
	v, err := semver.StrictNewVersion(number)
	if !isV || err != nil || v.Metadata() != "" {
		return nil, fmt.Errorf("%q is no version of a release: vX.Y.Z, or vX.Y.Z-rc.1 for a pre-release", text)
	}
	return v, nil
}

// released returns the versions that have a tag.
func (r repository) released(ctx context.Context) (versions []*semver.Version, err error) {
	out, err := r.git(ctx, "tag", "--list", "v*")
	for tag := range strings.FieldsSeq(out) {
		if v, err := parse(tag); err == nil { // other tags are none of ours
			versions = append(versions, v)
		}
	}
	return versions, err
}

// newest returns the highest of the versions, nil of none.
func newest(versions []*semver.Version) (high *semver.Version) {
	for _, v := range versions {
		if high == nil || v.GreaterThan(high) {
			high = v
		}
	}
	return high
}

// mayRelease refuses what cannot become a release.
func (r repository) mayRelease(ctx context.Context, version string) error {
	v, err := parse(version)
	if err != nil {
		return err
	}
	for _, refuse := range []func(context.Context) error{r.onMain, r.whole} {
		if err := refuse(ctx); err != nil {
			return err
		}
	}
	versions, err := r.released(ctx)
	if err != nil {
		return err
	}
	if err := r.newer(v, version, versions); err != nil {
		return err
	}
	return r.clean(ctx)
}

// newer refuses a version that is not higher than all before, which are known by tags, CHANGELOG.md and VERSION.
func (r repository) newer(v *semver.Version, version string, versions []*semver.Version) error {
	for _, released := range versions {
		if released.Equal(v) {
			return fmt.Errorf("the tag %s is there already: choose a higher version, or publish this one with hack/release.sh publish", version)
		}
	}
	if last := newest(versions); last != nil && !v.GreaterThan(last) {
		return fmt.Errorf("%s is not newer than the last tag v%s", version, last)
	}
	if err := r.tagged(versions); err != nil {
		return err
	}
	text, err := places.Read(r.dir)
	if err != nil {
		return err
	}
	current, err := parse(text)
	if err != nil {
		return fmt.Errorf("the file %s: %w", places.File, err)
	}
	if v.LessThan(current) {
		return fmt.Errorf("%s is not newer than %s, which the tree says it is", version, text)
	}
	return nil
}

// tagged refuses a clone without the tag of the last release: its commits would be told a second time.
func (r repository) tagged(versions []*semver.Version) error {
	changelog, err := os.ReadFile(filepath.Join(r.dir, changelogFile))
	if err != nil {
		return err
	}
	told := lastSection.FindSubmatch(changelog)
	if told == nil || slices.ContainsFunc(versions, func(v *semver.Version) bool { return "v"+v.String() == string(told[1]) }) {
		return nil
	}
	return fmt.Errorf("%s tells of %s, whose tag is not here: git fetch --tags", changelogFile, told[1])
}

// imageTags returns the tags that an image of a version gets besides its own. Those that move never move back.
func imageTags(v *semver.Version, released []*semver.Version) (moving []string) {
	if v.Prerelease() != "" {
		return nil
	}
	line, latest := true, true
	for _, other := range released {
		if other.Prerelease() == "" && other.GreaterThan(v) {
			latest = false
			line = line && (other.Major() != v.Major() || other.Minor() != v.Minor())
		}
	}
	if line {
		moving = append(moving, fmt.Sprintf("v%d.%d", v.Major(), v.Minor()))
	}
	if latest {
		moving = append(moving, "latest")
	}
	return moving
}
