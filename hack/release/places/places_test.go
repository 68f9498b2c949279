package places

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// Every version that the tree names is the one of VERSION, and there is nothing that the release would not set.
func TestTheTreeNamesOneVersion(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for file := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, file)); err == nil { // a file that was deleted is still in the index
			files = append(files, file)
		}
	}
	if !slices.Contains(files, "kustomize/base/kustomization.yaml") {
		t.Fatalf("these %d files are not of this repository", len(files))
	}
	problems, err := Check(root, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// What a place looks like, and what is wrong with another: the same text with %s for the version.
var ways = []struct {
	name, file, text string
	bare             bool
}{
	{name: "VERSION", file: "VERSION", text: "%s\n"},
	{name: "?ref=", file: "README.md", text: "- github.com/pullsecrets/pullsecrets/kustomize/base?ref=%s\n"},
	{name: "?ref= in quotes", file: "a.md", text: "-k 'https://github.com/pullsecrets/pullsecrets//kustomize/base?timeout=90s&ref=%s'\n"},
	{name: "?ref= at the end of a sentence", file: "a.md", text: "github.com/pullsecrets/pullsecrets/kustomize/…?ref=%s.\n"},
	{name: "?ref= of whatever", file: "a.md", text: "| `kubectl apply -k …?ref=%s` |\n"},
	{name: "image", file: "internal/e2e/testdata/kustomize/kustomize-base.yaml", text: "image: ghcr.io/pullsecrets/pullsecrets:%s\n"},
	{name: "image by digest too", file: "a.yaml", text: "image: ghcr.io/pullsecrets/pullsecrets:%s@sha256:0123\n"},
	{name: "newTag", file: "kustomize/base/kustomization.yaml", text: "images:\n- name: ghcr.io/pullsecrets/pullsecrets\n  newTag: %s\n"},
	{name: "newTag after newName", file: "docs/a.md", text: "- name: ghcr.io/pullsecrets/pullsecrets\n  newName: harbor.example/p\n  newTag: \"%s\"\n"},
	{name: "pre-commit", file: "docs/gitops.md", text: "- repo: https://github.com/pullsecrets/pullsecrets\n  rev: %s\n"},
	{name: "pre-commit in a comment", file: ".pre-commit-hooks.yaml", text: "#   - repo: https://github.com/pullsecrets/pullsecrets\n#     rev: %s\n"},
	{name: "go install", file: "a.md", text: "go install github.com/pullsecrets/pullsecrets@%s\n"},
	{name: "action", file: "a.yaml", text: "- uses: pullsecrets/pullsecrets@%s\n"},
	{name: "action of a folder", file: "a.yaml", text: "- uses: pullsecrets/pullsecrets/actions/check@%s # one\n"},
	{name: "the action's default", file: "actions/setup/action.yml", text: "inputs:\n  version:\n    default: %s\n"},
	{name: "the action's example", file: "actions/setup/install.sh", text: "fail \"$VERSION is not one such as %s\"\n"},
	{name: "schema", file: "schema/policy.json", text: "\"https://raw.githubusercontent.com/pullsecrets/pullsecrets/%s/schema/policy.json\"\n"},
	{name: "download", file: "a.md", text: "kubectl apply -f https://github.com/pullsecrets/pullsecrets/releases/download/%s/install.yaml\n"},
	{name: "Argo CD", file: "a.yaml", text: "repoURL: https://github.com/pullsecrets/pullsecrets\n    path: kustomize/base\n    targetRevision: %s\n"},
	{name: "GitRepository", file: "a.yaml", text: "  url: https://github.com/pullsecrets/pullsecrets\n  ref: {tag: %s}\n"},
	{name: "OCIRepository", file: "a.yaml", text: "  url: oci://ghcr.io/pullsecrets/manifests\n  ref:\n    tag: %s\n"},
	{name: "flux pull artifact", file: "a.md", text: "flux pull artifact oci://ghcr.io/pullsecrets/manifests:%s --output .\n"},
	{name: "clone", file: "a.md", text: "git clone --depth 1 --branch %s https://github.com/pullsecrets/pullsecrets ../p\n"},
	{name: "OCIRepository of the chart", file: "a.yaml", text: "  url: oci://ghcr.io/pullsecrets/charts/pullsecrets\n  ref:\n    tag: %s\n", bare: true},
	{name: "Argo CD's chart", file: "a.yaml", text: "repoURL: ghcr.io/pullsecrets/charts\n  chart: pullsecrets\n  targetRevision: %s\n", bare: true},
	{name: "helm", file: "a.md", text: "helm install pullsecrets oci://ghcr.io/pullsecrets/charts/pullsecrets --version %s\n", bare: true},
	{name: "helm over two lines", file: "a.md", text: "helm install p oci://ghcr.io/pullsecrets/charts/pullsecrets -n x \\\n  --version %s\n", bare: true},
	{name: "Chart.yaml", file: "charts/pullsecrets/Chart.yaml", text: "name: pullsecrets\nversion: %s\n", bare: true},
	{name: "appVersion", file: "charts/pullsecrets/Chart.yaml", text: "name: pullsecrets\nappVersion: \"%s\"\n"},
	{name: "helm.sh/chart", file: "a.yaml", text: "helm.sh/chart: pullsecrets-%s\n", bare: true},
	{name: "app.kubernetes.io/version", file: "a.yaml", text: "app.kubernetes.io/version: \"%s\"\n"},
}

func as(text, v string, bare bool) string {
	if bare {
		v = strings.TrimPrefix(v, "v")
	}
	return strings.ReplaceAll(text, "%s", v)
}

// tree writes files and returns their folder and names.
func tree(t *testing.T, files map[string]string) (string, []string) {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for name, text := range files {
		names = append(names, name)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir, names
}

func check(t *testing.T, files map[string]string) []string {
	t.Helper()
	dir, names := tree(t, files)
	problems, err := Check(dir, names)
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

// Each way is found when it names another version, and is set.
func TestEveryWay(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			if p := check(t, map[string]string{"VERSION": "v0.1.0\n", w.file: as(w.text, "v0.1.0", w.bare)}); len(p) > 0 {
				t.Errorf("the right version is refused: %v", p)
			}
			for _, other := range []string{"v0.0.9", "v10.2.30-rc.1"} {
				dir, files := tree(t, map[string]string{w.file: as(w.text, other, w.bare)})
				if w.file != File {
					files = append(files, File)
					if err := os.WriteFile(filepath.Join(dir, File), []byte("v0.1.0\n"), 0o666); err != nil {
						t.Fatal(err)
					}
					if p, err := Check(dir, files); err != nil || len(p) != 1 || !strings.HasPrefix(p[0], w.file+":") {
						t.Errorf("%s is not refused: %v, %v", other, p, err)
					}
				}
				if changed, err := Set(dir, files, "v1.0.0-beta.2"); err != nil || !slices.Contains(changed, w.file) {
					t.Fatalf("not set: %v, %v", changed, err)
				}
				text, err := os.ReadFile(filepath.Join(dir, w.file))
				if want := as(w.text, "v1.0.0-beta.2", w.bare); err != nil || string(text) != want {
					t.Errorf("set to %q, not to %q", text, want)
				}
				if p, err := Check(dir, files); err != nil || len(p) > 0 {
					t.Errorf("what was set is refused: %v, %v", p, err)
				}
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, text := range []string{
		"image: ghcr.io/pullsecrets/pullsecrets:latest",
		"# $schema=https://raw.githubusercontent.com/pullsecrets/pullsecrets/main/schema/policy.json",
		"- github.com/pullsecrets/pullsecrets/kustomize/base",
		"kubectl apply -k 'https://github.com/pullsecrets/pullsecrets//kustomize/base'",
		"- github.com/pullsecrets/pullsecrets/kustomize/base?ref=v9.9.9",
		"- github.com/pullsecrets/pullsecrets/kustomize/base?ref=main",
		"go install github.com/pullsecrets/pullsecrets@latest",
		"uses: pullsecrets/pullsecrets@v0",
		"a new way to say pullsecrets 0.1.0",
		"a new way: v0.1.0.",
	} {
		if p := check(t, map[string]string{"VERSION": "v0.1.0\n", "docs/a.md": "first\n" + text + "\n"}); len(p) != 1 || !strings.HasPrefix(p[0], "docs/a.md:2: ") {
			t.Errorf("%q is not refused: %v", text, p)
		}
	}
}

// What is about something else stays, and may.
func TestWhatIsLeftAlone(t *testing.T) {
	for file, text := range map[string]string{
		"go.mod":       "require example.com/x v0.1.0\n",
		"sub/go.sum":   "example.com/x v0.1.0 h1:\n",
		"CHANGELOG.md": "## v0.0.9\n",
		"a.md": "0.1.0 of something else, 10.1.0, v0.1.0-rc.1, 0.1.0.1, k8s.io/api v0.37.2, registry.k8s.io/pause:3.10, github.com/pullsecrets/pullsecrets,\n" +
			"ghcr.io/pullsecrets/pullsecrets@sha256:0123, https://github.com/pullsecrets/pullsecrets/blob/main/README.md,\n" +
			"github.com/other/pullsecrets?ref=v3.0.0, actions/checkout@v4, image: ghcr.io/other/pullsecrets:v0.1.0\n",
	} {
		dir, files := tree(t, map[string]string{"VERSION": "v0.1.0\n", file: text})
		if p, err := Check(dir, files); err != nil || len(p) > 0 {
			t.Errorf("%s: %v, %v", file, p, err)
		}
		if changed, err := Set(dir, files, "v0.2.0"); err != nil || !slices.Equal(changed, []string{"VERSION"}) {
			t.Errorf("%s: set in %v, %v", file, changed, err)
		}
	}
}
