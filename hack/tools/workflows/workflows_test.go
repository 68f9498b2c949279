package workflows

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

const root = "../../../"

// shown are the workflows for others' repositories.
var shown = []string{root + "examples/ci/github-actions.yaml", root + "examples/ci/github-plan.yaml"}

// ours are our workflows.
func ours(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + ".github/workflows/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the workflows are %v: %v", files, err)
	}
	return files
}

// TestEveryActionIsPinned holds that what runs is a commit, with its version for people and for updates. What is of
// this repository itself may be named by version, as its users name it.
func TestEveryActionIsPinned(t *testing.T) {
	actions, err := filepath.Glob(root + "actions/*/action.yml")
	if err != nil || len(actions) < 3 {
		t.Fatalf("the actions are %v: %v", actions, err)
	}
	version := strings.TrimSpace(read(t, root+"VERSION"))
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	of := regexp.MustCompile(`(?m)^\s*-?\s*uses:\s*(.*)$`)
	versions := map[string]string{} // one action, one commit
	for _, file := range slices.Concat(ours(t), shown, actions) {
		for _, m := range of.FindAllStringSubmatch(read(t, file), -1) {
			what := m[1]
			own, isOwn := strings.CutPrefix(what, "pullsecrets/pullsecrets/")
			switch {
			case strings.HasPrefix(what, "./"):
			case isOwn:
				folder, at, _ := strings.Cut(own, "@")
				if _, err := os.Stat(root + folder + "/action.yml"); err != nil || at != version {
					t.Errorf("%s: uses %s, want an action of this repository at %s: %v", file, what, version, err)
				}
			case !pinned.MatchString(what):
				t.Errorf("%s: uses %s, want OWNER/NAME@40 digits # vX.Y.Z", file, what)
			default:
				name, commit, _ := strings.Cut(what, "@")
				if other, ok := versions[name]; ok && other != commit {
					t.Errorf("%s: %s is %s here and %s elsewhere", file, name, commit, other)
				}
				versions[name] = commit
			}
		}
	}
	if len(versions) < 5 {
		t.Errorf("only %v are used", versions)
	}
}

// TestNoJobMayMoreThanItNeeds holds that a workflow gives its jobs nothing but reading, and that what a job may write
// stands at that job alone; and that no checkout leaves the token behind for what runs after it.
func TestNoJobMayMoreThanItNeeds(t *testing.T) {
	for _, file := range slices.Concat(ours(t), shown) {
		workflow, errs := actionlint.Parse([]byte(read(t, file)))
		for _, err := range errs {
			t.Errorf("%s: %v", file, err)
		}
		if workflow == nil {
			continue
		}
		if text := read(t, file); !strings.Contains(text, "\npermissions: {contents: read}\n") && !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: the workflow is to say permissions: {contents: read}, or {}", file)
		}
		for id, job := range workflow.Jobs {
			for _, step := range job.Steps {
				action, ok := step.Exec.(*actionlint.ExecAction)
				if !ok || !strings.HasPrefix(action.Uses.Value, "actions/checkout@") {
					continue
				}
				if keeps := action.Inputs["persist-credentials"]; keeps == nil || keeps.Value.Value != "false" {
					t.Errorf("%s: job %s: checkout with persist-credentials: false", file, id)
				}
			}
		}
	}
}

// TestAReleaseIsOfWhatPassed holds the order of the release: nothing is pushed before the tests, and nothing is shown
// before it was pulled without a credential.
func TestAReleaseIsOfWhatPassed(t *testing.T) {
	workflow, _ := actionlint.Parse([]byte(read(t, root+".github/workflows/release.yaml")))
	needs := func(job string) (all []string) {
		for _, n := range workflow.Jobs[job].Needs {
			all = append(all, n.Value)
		}
		return all
	}
	for job, want := range map[string]string{"publish": "test", "smoke": "publish", "release": "smoke"} {
		if !slices.Contains(needs(job), want) {
			t.Errorf("%s needs %v, want %s among them", job, needs(job), want)
		}
	}
	if p := workflow.Jobs["smoke"].Permissions; p == nil || p.All != nil || len(p.Scopes) > 0 {
		t.Error("the smoke job is to have permissions: {}")
	}
	if text := read(t, root+".github/workflows/release.yaml"); strings.Contains(text, "pull_request") {
		t.Error("a release is never of a pull request")
	}
}

// TestTheDocumentedIdentityIsThatOfTheRelease holds that docs/verify.md names the workflow that signs.
func TestTheDocumentedIdentityIsThatOfTheRelease(t *testing.T) {
	page := read(t, root+"docs/verify.md")
	identity := "--certificate-identity https://github.com/pullsecrets/pullsecrets/"
	if n := strings.Count(page, identity+".github/workflows/release.yaml@refs/tags/vX.Y.Z"); n != 2 || n != strings.Count(page, "--certificate-identity") {
		t.Errorf("the identity is there %d times", n)
	}
	text := read(t, root+".github/workflows/release.yaml")
	for _, command := range []string{`cosign sign --yes`, `cosign sign-blob --yes --bundle dist/checksums.txt.sigstore.json`, `push: {tags: ["v*"]}`} {
		if !strings.Contains(text, command) {
			t.Errorf("the release lacks %q", command)
		}
	}
}

// TestEveryModuleIsUpdated finds the modules, and the patterns of the updates that are for them.
func TestEveryModuleIsUpdated(t *testing.T) {
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directories []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, root+".github/dependabot.yml")), &config); err != nil {
		t.Fatal(err)
	}
	updated := func(ecosystem, folder string) bool {
		for _, u := range config.Updates {
			for _, pattern := range u.Directories {
				if ok, _ := path.Match(pattern, folder); ok && u.Ecosystem == ecosystem {
					return true
				}
			}
		}
		return false
	}
	found := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		ecosystem := map[string]string{"go.mod": "gomod", "action.yml": "github-actions"}[d.Name()]
		if err != nil || ecosystem == "" {
			return err
		}
		found++
		relative, err := filepath.Rel(root, filepath.Dir(file))
		if folder := path.Join("/", filepath.ToSlash(relative)); !updated(ecosystem, folder) {
			t.Errorf("nothing updates %s", folder)
		}
		return err
	})
	if err != nil || found < 8 {
		t.Errorf("%d modules and actions: %v", found, err)
	}
}

func TestTheFormsOfIssuesAreYAML(t *testing.T) {
	forms, err := filepath.Glob(root + ".github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(forms) < 3 {
		t.Fatalf("the forms are %v: %v", forms, err)
	}
	for _, form := range forms {
		if err := yaml.Unmarshal([]byte(read(t, form)), &map[string]any{}); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
