package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestPodsThatNameAnOldSecretAreFoundAsDocumented runs the command of docs/alternatives.md, for pods of several lists.
func TestPodsThatNameAnOldSecretAreFoundAsDocumented(t *testing.T) {
	s := newSandbox(t)
	page, err := os.ReadFile("../../docs/alternatives.md")
	harness.Must(t, err)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no command")
	}
	ns := s.Namespace("team")
	s.Pod(ns, "both", "default", "other", s.Name("old"))
	s.Pod(ns, "one", "default", s.Name("old"))
	s.Pod(ns, "neither", "default", "other")
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(string(block[1]), "OLD", s.Name("old")))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig)
	out, err := cmd.Output()
	harness.Must(t, err)
	want := ns + "/both other " + s.Name("old") + "\n" + ns + "/one " + s.Name("old") + "\n"
	if string(out) != want {
		t.Errorf("it prints\n%swant\n%s", out, want)
	}
}

// TestAHeldPruneIsConfirmedAsDocumented runs the command of docs/gitops.md.
func TestAHeldPruneIsConfirmedAsDocumented(t *testing.T) {
	s := newSandbox(t)
	page, err := os.ReadFile("../../docs/gitops.md")
	harness.Must(t, err)
	block := regexp.MustCompile("(?s)## Confirming a held prune\n.*?```sh\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no command")
	}
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.Fourteen()
	s.Start()
	s.Revised("Ready", harness.OnlyLabelled)
	s.Revised("Degraded", harness.NoRules)
	s.WantAll(all, true)
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", string(block[1]))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.WantStatus("Ready")
	s.WantAll(all, false)
}
