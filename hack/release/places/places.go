// Package places knows every way in which a file of the repository names the version of pullsecrets: the release sets
// them, and a test holds them against the file VERSION. It reads and writes files, and knows nothing of git.
package places

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// File is the one source of the version.
const File = "VERSION"

// What names a version: a whole one, a part of one, or a word for whatever is newest. Only the first can be right.
const version = `(v?\d+\.\d+\.\d+(?:-[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?|v\d+(?:\.\d+)?|latest|main|master|HEAD|dev)`

// place is a way to name the version.
type place struct {
	name    string
	pattern *regexp.Regexp // its group is the version
	files   string         // the glob of the files where it counts; everywhere without one
	bare    bool           // it is written without the v, as Helm has it
}

// places are all ways that are known. What a pattern finds under one of them is set by the release.
var places = []place{
	{name: "the version of this tree", pattern: regexp.MustCompile(`^(\S+)\n$`), files: File},
	{name: "a remote kustomization", pattern: regexp.MustCompile(`(?:github\.com/pullsecrets/pullsecrets[^\s?'"` + "`" + `)]*|…)\?(?:[^\s'"&]*&)?ref=` + version)},
	{name: "the image", pattern: regexp.MustCompile(`ghcr\.io/pullsecrets/pullsecrets:` + version)},
	{name: "the image of a kustomization", pattern: regexp.MustCompile(`name: ghcr\.io/pullsecrets/pullsecrets\n(?:\s*newName: .*\n)?\s*newTag: "?` + version)},
	{name: "a pre-commit hook", pattern: regexp.MustCompile(`repo: https://github\.com/pullsecrets/pullsecrets\n[\s#]*rev: ` + version)},
	{name: "the module or the action", pattern: regexp.MustCompile(`\bpullsecrets/pullsecrets(?:/[\w./-]+)?@` + version)},
	{name: "what the action installs", pattern: regexp.MustCompile(`(?m)^\s*(?:default|version): "?` + version), files: "actions/*/action.yml"},
	{name: "an example of a version", pattern: regexp.MustCompile(`is not one such as ` + version)},
	{name: "a file of this repository", pattern: regexp.MustCompile(`raw\.githubusercontent\.com/pullsecrets/pullsecrets/(?:refs/tags/)?` + version + `/`)},
	{name: "a file of a release", pattern: regexp.MustCompile(`github\.com/pullsecrets/pullsecrets/releases/(?:download|tag)/` + version)},
	{name: "a source of GitOps", pattern: regexp.MustCompile(`https://github\.com/pullsecrets/pullsecrets(?:\.git)?"?\n(?:\s*path: .*\n)?\s*(?:targetRevision|ref): "?` + version)},
	{name: "a source of Flux", pattern: regexp.MustCompile(`url: (?:oci://ghcr\.io/pullsecrets/manifests|https://github\.com/pullsecrets/pullsecrets)(?:\.git)?\n\s*ref:\s*\{?\s*(?:tag|semver): "?` + version)},
	{name: "the manifests", pattern: regexp.MustCompile(`ghcr\.io/pullsecrets/manifests:` + version)},
	{name: "a clone", pattern: regexp.MustCompile(`--branch[ =]` + version + ` https://github\.com/pullsecrets/pullsecrets`)},
	{name: "the chart for Flux", pattern: regexp.MustCompile(`url: oci://ghcr\.io/pullsecrets/charts/pullsecrets\n\s*ref:\s*\{?\s*(?:tag|semver): "?` + version), bare: true},
	{name: "the chart for Argo CD", pattern: regexp.MustCompile(`repoURL: (?:oci://)?ghcr\.io/pullsecrets/charts(?:/pullsecrets)?\n(?:\s*(?:chart|path): .*\n)?\s*targetRevision: "?` + version), bare: true},
	{name: "the chart for helm", pattern: regexp.MustCompile(`oci://ghcr\.io/pullsecrets/charts/pullsecrets(?:[^\n]|\\\n)*?--version[ =]` + version), bare: true},
	{name: "the chart", pattern: regexp.MustCompile(`(?m)^version: "?` + version), files: "charts/*/Chart.yaml", bare: true},
	{name: "the chart's image", pattern: regexp.MustCompile(`(?m)^appVersion: "?` + version), files: "charts/*/Chart.yaml"},
	{name: "the label of the chart", pattern: regexp.MustCompile(`helm\.sh/chart: "?pullsecrets-` + version), bare: true},
	{name: "the label of the version", pattern: regexp.MustCompile(`app\.kubernetes\.io/version: "?` + version)},
}

// without are references to this repository that name no version where one belongs: they follow the branch.
var without = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"a remote kustomization without ?ref=", regexp.MustCompile(`github\.com/pullsecrets/pullsecrets(?:\.git)?//?(?:kustomize|examples)/[^\s?'"` + "`" + `)]*(?:[\s'"` + "`" + `)]|$)`)},
}

// skipped are files that name other versions: of modules, of earlier releases, and those of the tests of this.
func skipped(file string) bool {
	base := path.Base(file)
	return base == "go.mod" || base == "go.sum" || file == "CHANGELOG.md" || strings.HasPrefix(file, "hack/release/")
}

func (p place) in(file string) bool {
	if p.files == "" {
		return true
	}
	ok, _ := path.Match(p.files, file)
	return ok
}

func (p place) want(v string) string {
	if p.bare {
		return strings.TrimPrefix(v, "v")
	}
	return v
}

// Read returns the version of the tree.
func Read(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, File))
	return strings.TrimSpace(string(text)), err
}

// Set writes the version into every place of the files, and returns the files that changed.
func Set(root string, files []string, v string) (changed []string, err error) {
	for _, file := range files {
		text, err := read(root, file)
		if err != nil {
			return changed, err
		}
		set := text
		for _, p := range places {
			if p.in(file) {
				set = p.set(set, v)
			}
		}
		if bytes.Equal(set, text) {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, file), set, 0o666); err != nil { // the mode of what is there stays
			return changed, err
		}
		changed = append(changed, file)
	}
	return changed, nil
}

func (p place) set(text []byte, v string) []byte {
	var out []byte
	done := 0
	for _, at := range p.pattern.FindAllSubmatchIndex(text, -1) {
		out = append(out, text[done:at[2]]...)
		out = append(out, p.want(v)...)
		done = at[3]
	}
	return append(out, text[done:]...)
}

// Check returns, with file and line, every place that names another version than VERSION, every reference that names
// none, and every mention of the version in a way that the release does not know and so would not set.
func Check(root string, files []string) ([]string, error) {
	v, err := Read(root)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, file := range files {
		text, err := read(root, file)
		if err != nil {
			return nil, err
		}
		for _, p := range checkFile(file, text, v) {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", file, 1+bytes.Count(text[:p.at], []byte("\n")), p.what))
		}
	}
	return problems, nil
}

type problem struct {
	at   int
	what string
}

func checkFile(file string, text []byte, v string) (problems []problem) {
	known := map[int]bool{} // where the versions that a place has begin
	for _, p := range places {
		if !p.in(file) {
			continue
		}
		for _, at := range p.pattern.FindAllSubmatchIndex(text, -1) {
			known[at[2]] = true
			if found := string(text[at[2]:at[3]]); found != p.want(v) {
				problems = append(problems, problem{at[2], fmt.Sprintf("%s is %s, and %s says %s", p.name, found, File, p.want(v))})
			}
		}
	}
	for _, w := range without {
		for _, at := range w.pattern.FindAllIndex(text, -1) {
			problems = append(problems, problem{at[0], w.name})
		}
	}
	for _, at := range mentions(text, strings.TrimPrefix(v, "v")) {
		if !known[at] && !known[at-1] { // the place may begin at the v before it
			problems = append(problems, problem{at, "it names the version in a way that hack/release/places does not know: add it there"})
		}
	}
	slices.SortStableFunc(problems, func(a, b problem) int { return a.at - b.at })
	return problems
}

// mentions returns where a number stands by itself: 0.1.0 is not in 10.1.0 or in 0.1.0-rc.1. Without a v it may be of
// something else, and counts within two lines after our name.
func mentions(text []byte, number string) (at []int) {
	for _, found := range regexp.MustCompile(regexp.QuoteMeta(number)).FindAllIndex(text, -1) {
		before, v := bytes.CutSuffix(text[:found[0]], []byte("v"))
		if !partOfWord.Match(last(before)) && !goesOn.Match(text[found[1]:]) && !ofOthers(before) && (v || ourName.Match(before)) {
			at = append(at, found[0])
		}
	}
	return at
}

// ofOthers tells whether a version is that of another's image or module: example.com/other:v0.1.0.
func ofOthers(before []byte) bool {
	reference := reference.Find(before)
	return reference != nil && !bytes.Contains(reference, []byte("pullsecrets/"))
}

var (
	reference  = regexp.MustCompile(`[\w.-]+/[\w./-]+[:@]$`)
	partOfWord = regexp.MustCompile(`[\w.-]`)
	ourName    = regexp.MustCompile(`pullsecrets[^\n]*(?:\n[^\n]*){0,2}$`)
	goesOn     = regexp.MustCompile(`^(?:\w|[.-]\w)`)
)

func last(text []byte) []byte { return text[max(0, len(text)-1):] }

// read returns the text of a file, and none of one that names no version: binary, a link, or skipped.
func read(root, file string) ([]byte, error) {
	name := filepath.Join(root, file)
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if skipped(file) || !info.Mode().IsRegular() {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, err
	}
	return text, err
}
