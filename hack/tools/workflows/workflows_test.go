package workflows

import (
	"io/fs"
	"maps"
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

// mayWrite is what each job may do beyond reading.
var mayWrite = map[string]string{
	"github-plan.yaml plan":    "pull-requests: write",
	"release.yaml publish":     "attestations: write, id-token: write, packages: write",
	"release.yaml release":     "contents: write",
	"scorecard.yaml scorecard": "id-token: write, security-events: write",
}

// TestWhatJobsMayWriteIsAList finds a job that may write more than it is known to need.
func TestWhatJobsMayWriteIsAList(t *testing.T) {
	found := map[string]string{}
	for _, file := range slices.Concat(ours(t), shown) {
		for id, job := range parsed(t, file).Jobs {
			name := path.Base(file) + " " + id
			if p := job.Permissions; p != nil {
				if p.All != nil {
					t.Errorf("%s: permissions: %s", name, p.All.Value)
				}
				var scopes []string
				for scope, may := range p.Scopes {
					if may.Value.Value != "read" {
						scopes = append(scopes, scope+": "+may.Value.Value)
					}
				}
				slices.Sort(scopes)
				if len(scopes) > 0 {
					found[name] = strings.Join(scopes, ", ")
				}
			}
		}
	}
	if !maps.Equal(found, mayWrite) {
		t.Errorf("they may write %q, want %q", found, mayWrite)
	}
}

var secret = regexp.MustCompile(`\$\{\{[^}]*secrets|secrets: inherit`)

// TestNoStrangerRunsBesideASecret holds where a pull request's code runs: with a read-only token, without any secret, and
// in a workflow that leaves nothing behind for the release. What is from outside never becomes a script's text.
func TestNoStrangerRunsBesideASecret(t *testing.T) {
	for _, file := range slices.Concat(ours(t), shown) {
		workflow := parsed(t, file)
		for _, event := range workflow.On {
			name := event.EventName()
			if name == "pull_request_target" || name == "issue_comment" || name == "workflow_run" && path.Base(file) != "github-plan.yaml" {
				t.Errorf("%s runs on %s, with the repository's own rights for what a stranger wrote", file, name)
			}
			if text := read(t, file); name == "pull_request" && (secret.MatchString(text) || strings.Contains(text, ": write")) {
				t.Errorf("%s runs what a pull request says, beside a secret or with a right to write", file)
			}
		}
		for id, job := range workflow.Jobs {
			for _, step := range job.Steps {
				switch exec := step.Exec.(type) {
				case *actionlint.ExecRun:
					if strings.Contains(exec.Run.Value, "${{") {
						t.Errorf("%s: job %s: an expression in a script; give it through env", file, id)
					}
				case *actionlint.ExecAction:
					cached := strings.HasPrefix(exec.Uses.Value, "actions/cache")
					if cache := exec.Inputs["cache"]; strings.HasPrefix(exec.Uses.Value, "actions/setup-go@") {
						cached = cache == nil || cache.Value.Value != "false"
					}
					if cached && path.Base(file) == "release.yaml" {
						t.Errorf("%s: job %s: what is released takes nothing from a cache", file, id)
					}
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

// TestEveryVersionOfKubernetesIsTried holds that each which hack/controlplane builds has a job every night.
func TestEveryVersionOfKubernetesIsTried(t *testing.T) {
	folders, err := filepath.Glob(root + "hack/controlplane/versions/*/go.mod")
	if err != nil || len(folders) == 0 {
		t.Fatalf("the earlier versions are %v: %v", folders, err)
	}
	newest := regexp.MustCompile(`\sk8s\.io/kubernetes v(\d+\.\d+)\.`).FindStringSubmatch(read(t, root+"hack/controlplane/go.mod"))
	if newest == nil {
		t.Fatal("hack/controlplane/go.mod names no version of Kubernetes")
	}
	want := []string{newest[1]}
	for _, folder := range folders {
		want = append(want, path.Base(path.Dir(filepath.ToSlash(folder))))
	}
	var got []string
	for _, v := range parsed(t, root+".github/workflows/matrix.yaml").Jobs["matrix"].Strategy.Matrix.Rows["version"].Values {
		got = append(got, strings.Trim(v.String(), `"`))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the jobs are for %v, want %v", got, want)
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

func parsed(t *testing.T, file string) *actionlint.Workflow {
	t.Helper()
	workflow, errs := actionlint.Parse([]byte(read(t, file)))
	if len(errs) > 0 {
		t.Fatalf("%s: %v", file, errs)
	}
	return workflow
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
