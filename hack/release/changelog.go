package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

const changelogFile = "CHANGELOG.md"

// areas are the parts of the changelog in their order, with the packages that commits name before the colon of their
// subject. What a user sees comes first.
var areas = []struct {
	title    string
	packages []string
}{
	{"Policy", []string{"policy", "schema", "validate"}},
	{"Controller", []string{"reconcile", "plan", "cluster", "apply", "watch", "state", "prune", "report", "status", "queue", "election", "activation", "kube", "admission", "bound", "run"}},
	{"Commands", []string{"cli", "explain", "rbac", "render", "manifest", "policyfile", "purge", "inspect", "coverage", "migrate", "completion", "version"}},
	{"Manifests and chart", []string{"kustomize", "components", "overlays", "chart", "charts", "examples", "image", "Dockerfile"}},
	{"Documentation", []string{"docs", "README", "MIGRATING", "SECURITY", "CONTRIBUTING"}},
	{"Everything else", nil},
	{"Tests and tools", []string{"e2e", "hack", "bench", "oracle", "gitops", "helm", "controlplane", "node", "demo", "image-test", "release", "workflows", ".github", "ci", "make", "tools", "test"}},
}

// everythingElse is where a subject goes that names no known package.
const everythingElse = "Everything else"

// subject is a commit's: package: what. Of several packages the first counts, of a path its first folder.
var subject = regexp.MustCompile(`^((\.?\w[\w-]*)(?:[/.][\w./-]*)?(?:, [\w./-]+)*): (.+)$`)

// changes returns the section of a version: the commits since the last tag, by area.
func (r repository) changes(ctx context.Context, version string) (string, error) {
	versions, err := r.released(ctx)
	if err != nil {
		return "", err
	}
	date, err := r.git(ctx, "log", "-1", "--format=%cs")
	if err != nil {
		return "", err
	}
	last := newest(versions)
	if last == nil {
		return section(version, date, "The first release. README.md says what it does.\n"), nil
	}
	log, err := r.git(ctx, "log", "--no-merges", "--reverse", "--format=%s", fmt.Sprintf("refs/tags/v%s..HEAD", last))
	if err != nil {
		return "", err
	}
	return section(version, date, grouped(strings.Split(log, "\n"))), nil
}

// lastSection finds the version of the first section, which is of the last release.
var lastSection = regexp.MustCompile(`(?m)^## (v\S+), `)

func section(version, date, text string) string {
	return fmt.Sprintf("## %s, %s\n\n%s", version, date, text)
}

func grouped(subjects []string) string {
	lines := map[string][]string{}
	for _, s := range subjects {
		title, what := area(s)
		if what != "" {
			lines[title] = append(lines[title], "- "+what)
		}
	}
	var text []string
	for _, a := range areas {
		if len(lines[a.title]) > 0 {
			text = append(text, "### "+a.title+"\n\n"+strings.Join(lines[a.title], "\n")+"\n")
		}
	}
	if text == nil {
		return "Nothing but the version.\n"
	}
	return strings.Join(text, "\n")
}

// area returns the area of a commit, and its subject without the package where the area says as much.
func area(s string) (title, what string) {
	parts := subject.FindStringSubmatch(s)
	if parts == nil {
		return everythingElse, s
	}
	for _, a := range areas {
		for _, name := range a.packages {
			if name != parts[2] {
				continue
			}
			if parts[1] == "release" && strings.HasPrefix(parts[3], "v") {
				return "", "" // an earlier release
			}
			return a.title, parts[1] + ": " + parts[3]
		}
	}
	return everythingElse, s
}

// addSection puts a section above the others of a changelog, below what stands at its head.
func addSection(changelog, section string) string {
	head, older, any := strings.Cut(changelog, "\n## ")
	text := strings.TrimSpace(head) + "\n\n" + section
	if any {
		text += "\n## " + older
	}
	return text
}

// notes returns what a changelog says of a version, without the heading.
func notes(changelog, version string) (string, error) {
	_, text, ok := strings.Cut("\n"+changelog, "\n## "+version+", ")
	if !ok {
		return "", fmt.Errorf("%s has no section of %s", changelogFile, version)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	_, text, _ = strings.Cut(text, "\n")
	return strings.TrimSpace(text) + "\n", nil
}
