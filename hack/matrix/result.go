package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// result is what came of the tests on one version.
type result struct {
	Version string   `json:"version"` // of Kubernetes, as the API server says it, such as 1.34.4
	Commit  string   `json:"commit"`  // what was tested
	Passed  int      `json:"passed"`  // tests, without those of which every case was skipped
	Failed  []string `json:"failed,omitempty"`
	Again   []string `json:"again,omitempty"`   // those of Passed that had failed the first time
	AgainAt []string `json:"againAt,omitempty"` // the commits of their second tries, where those are others
	Skipped []skip   `json:"skipped,omitempty"`
}

// skip is a test that did not run, or some of a test's cases.
type skip struct {
	Test  string   `json:"test"`
	Cases []string `json:"cases,omitempty"` // those that did not run; none: the whole test
	// What it needs: of Kubernetes, since or before a version, or something else that is not here.
	Since  string `json:"since,omitempty"`
	Before string `json:"before,omitempty"`
	What   string `json:"what"`
}

// The words of Needs and NeedsOlder in internal/e2e/harness.
var (
	needsNewer = regexp.MustCompile(`needs Kubernetes (\d+\.\d+): (.+); this is `)
	needsOlder = regexp.MustCompile(`needs a Kubernetes before (\d+\.\d+): (.+); this is `)
	position   = regexp.MustCompile(`(?m)^\s*\S+\.go:\d+: `)
)

// reason reads why a test was skipped from what it said.
func reason(said string) skip {
	if m := needsNewer.FindStringSubmatch(said); m != nil {
		return skip{Since: m[1], What: m[2]}
	}
	if m := needsOlder.FindStringSubmatch(said); m != nil {
		return skip{Before: m[1], What: m[2]}
	}
	var words []string
	for line := range strings.Lines(said) {
		if at := position.FindString(line); at != "" {
			words = append(words, strings.TrimSpace(strings.TrimPrefix(line, at)))
		}
	}
	return skip{What: strings.Join(words, "; ")}
}

// result counts tests, not their cases. A test of which every case was skipped was not run.
func (c *collector) result() (r result) {
	for _, name := range c.names {
		if strings.Contains(name, "/") {
			continue
		}
		switch c.outcome[name] {
		case "fail":
			r.Failed = append(r.Failed, name)
		case "skip":
			s := reason(c.skips[name])
			s.Test = name
			r.Skipped = append(r.Skipped, s)
		case "pass":
			if skips, ran := c.cases(name); !ran && len(skips) > 0 {
				r.Skipped = append(r.Skipped, whole(skips))
			} else {
				r.Passed++
				r.Skipped = append(r.Skipped, skips...)
			}
		}
	}
	slices.Sort(r.Failed)
	slices.SortFunc(r.Skipped, func(a, b skip) int { return cmp.Compare(a.Test, b.Test) })
	return r
}

// whole is that a test was not run, by what its cases need.
func whole(skips []skip) skip {
	one := skips[0]
	if len(skips) > 1 {
		var all []string
		for _, s := range skips {
			all = append(all, s.needs())
		}
		one = skip{Test: one.Test, What: strings.Join(all, "; ")}
	}
	one.Cases = nil
	return one
}

// needs is what the test needs, in words.
func (s skip) needs() string {
	switch {
	case s.Before != "":
		return fmt.Sprintf("a Kubernetes before %s: %s", s.Before, s.What)
	case s.Since != "":
		return fmt.Sprintf("Kubernetes %s: %s", s.Since, s.What)
	}
	return s.What
}

// cases are those of a test that were skipped, one entry for each reason, and whether any other was run.
func (c *collector) cases(test string) (skips []skip, ran bool) {
	for _, name := range c.names {
		sub, ok := strings.CutPrefix(name, test+"/")
		if !ok {
			continue
		}
		if c.outcome[name] != "skip" {
			ran = ran || !c.onlySkipped(name)
			continue
		}
		s := reason(c.skips[name])
		s.Test = test
		i := slices.IndexFunc(skips, func(o skip) bool { return o.Since == s.Since && o.Before == s.Before && o.What == s.What })
		if i < 0 {
			skips, i = append(skips, s), len(skips)
		}
		skips[i].Cases = append(skips[i].Cases, sub)
	}
	return skips, ran
}

// onlySkipped reports whether a subtest has cases of its own, and each was skipped.
func (c *collector) onlySkipped(test string) bool {
	some := false
	for _, name := range c.names {
		if strings.HasPrefix(name, test+"/") {
			some = true
			if c.outcome[name] != "skip" && !c.onlySkipped(name) {
				return false
			}
		}
	}
	return some
}

// repeated is the result after those that failed ran again. One that was skipped then did not pass; and where one is there no
// more, nobody knows of it.
func (r result) repeated(now result) (result, error) {
	open := slices.Clone(now.Failed)
	for _, s := range now.Skipped {
		if len(s.Cases) == 0 {
			open = append(open, s.Test)
		}
	}
	passed := slices.DeleteFunc(slices.Clone(r.Failed), func(test string) bool { return slices.Contains(open, test) })
	if len(passed) != now.Passed {
		return r, fmt.Errorf("of %s, which failed, %d passed and %d did not: run all tests, without -again", strings.Join(r.Failed, ", "), now.Passed, len(open))
	}
	out := r
	out.Failed, out.Passed = now.Failed, r.Passed+now.Passed
	out.Skipped = slices.Concat(r.Skipped, now.Skipped)
	slices.SortStableFunc(out.Skipped, func(a, b skip) int { return cmp.Compare(a.Test, b.Test) })
	out.Again = slices.Concat(r.Again, passed)
	slices.Sort(out.Again)
	if len(passed) > 0 && now.Commit != r.Commit && !slices.Contains(r.AgainAt, now.Commit) {
		out.AgainAt = append(slices.Clone(r.AgainAt), now.Commit)
	}
	return out, nil
}

type results []result

func (all results) of(version string) *result {
	for i := range all {
		if all[i].Version == version {
			return &all[i]
		}
	}
	return nil
}

// put takes a result in place of those of the same minor version.
func (all results) put(r result) results {
	all = append(slices.DeleteFunc(slices.Clone(all), func(o result) bool { return minor(o.Version) == minor(r.Version) }), r)
	slices.SortFunc(all, func(a, b result) int { return -compare(a.Version, b.Version) })
	return all
}

// minor is 1.34 of 1.34.4.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// compare orders versions such as 1.34.4 by their numbers.
func compare(a, b string) int {
	numbers := func(v string) (n []int) {
		for part := range strings.SplitSeq(v, ".") {
			i, _ := strconv.Atoi(part)
			n = append(n, i)
		}
		return n
	}
	return slices.Compare(numbers(a), numbers(b))
}

// read returns no results where there is no file yet.
func read(file string) (all results, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

func (all results) save(file string) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
