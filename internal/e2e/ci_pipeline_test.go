package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// pipelineFolder has the policy in a checkout.
const pipelineFolder = "examples/argocd/pullsecrets"

// pipeline is a clone of a repository that has our examples, and what a runner has installed.
type pipeline struct {
	t              *testing.T
	checkout, temp string
	path           string
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	// kustomize takes no temporary folder of macOS, which is a link.
	root, err := filepath.EvalSymlinks(t.TempDir())
	harness.Must(t, err)
	for _, part := range []string{"kustomize", "examples"} {
		harness.Must(t, os.CopyFS(filepath.Join(root, part), os.DirFS("../../"+part)))
	}
	program := harness.Binary(t)
	c := &pipeline{t, root, t.TempDir(), filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")}
	c.git("init", "-q")
	return c
}

func (c *pipeline) folder() string { return filepath.Join(c.checkout, pipelineFolder) }

func (c *pipeline) read(file string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.folder(), file))
	harness.Must(c.t, err)
	return string(text)
}

func (c *pipeline) write(file, text string) {
	c.t.Helper()
	harness.Must(c.t, os.WriteFile(filepath.Join(c.folder(), file), []byte(text), 0o644))
}

func (c *pipeline) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=somebody", "-c", "user.email=somebody@example.com"}, args...)...)
	cmd.Dir = c.checkout
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits what is there.
func (c *pipeline) commit() string {
	c.t.Helper()
	c.git("add", "-A")
	c.git("commit", "-q", "--allow-empty", "-m", "a change")
	return c.git("rev-parse", "HEAD")
}

// action runs the steps of one of our actions as a runner does, and returns the status of the first that failed.
func (c *pipeline) action(name string, inputs map[string]string, env ...string) (status int, said string) {
	c.t.Helper()
	folder, err := filepath.Abs("../../actions/" + name)
	harness.Must(c.t, err)
	text, err := os.ReadFile(folder + "/action.yml")
	harness.Must(c.t, err)
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run, Shell string
				Env        map[string]string
			}
		}
	}
	harness.Must(c.t, yaml.Unmarshal(text, &action))
	for _, step := range action.Runs.Steps {
		stepEnv := append([]string{"GITHUB_ACTION_PATH=" + folder, "RUNNER_TEMP=" + c.temp}, env...)
		for variable, value := range step.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
			given, ok := inputs[input]
			if !ok {
				given = action.Inputs[input].Default
			}
			stepEnv = append(stepEnv, variable+"="+given)
		}
		if step.Shell != "bash" || strings.Contains(step.Run, "${{") {
			c.t.Errorf("%s: what is given to a step goes through its environment, and never into its text", name)
		}
		var out string
		status, out = c.bash(step.Run, stepEnv...)
		said += out
		if status != 0 {
			break
		}
	}
	return status, said
}

// bash runs a step in the checkout.
func (c *pipeline) bash(script string, env ...string) (status int, said string) {
	c.t.Helper()
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = c.checkout
	cmd.Env = append(append(os.Environ(), "PATH="+c.path, "GITHUB_ACTIONS="), env...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}
