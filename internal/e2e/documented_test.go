package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestPodsThatNameAnOldSecretAreFoundAsDocumented runs the command of docs/alternatives.md, for pods of several lists.
func TestPodsThatNameAnOldSecretAreFoundAsDocumented(t *testing.T) {
	s := newSandbox(t)
	page, err := os.ReadFile("../../docs/alternatives.md")
	must(t, err)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no command")
	}
	ns := s.namespace("team")
	s.pod(ns, "both", "default", "other", s.name("old"))
	s.pod(ns, "one", "default", s.name("old"))
	s.pod(ns, "neither", "default", "other")
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(string(block[1]), "OLD", s.name("old")))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
	out, err := cmd.Output()
	must(t, err)
	want := ns + "/both other " + s.name("old") + "\n" + ns + "/one " + s.name("old") + "\n"
	if string(out) != want {
		t.Errorf("it prints\n%swant\n%s", out, want)
	}
}
