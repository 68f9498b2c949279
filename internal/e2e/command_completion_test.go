package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// bashCompletion is where Debian's package bash-completion, which the script for bash needs, has its functions.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// shellsAsked are the shells, with how each is asked what it completes. $LINE is what was typed. There is none for
// PowerShell: of it, only the answers that its script asks for are tested.
var shellsAsked = map[string][]string{
	// As readline calls what is registered for a command.
	"bash": {"--norc", "--noprofile", "-c", `source ` + bashCompletion + `
source <(pullsecrets completion bash)
read -ra COMP_WORDS <<<"$LINE"
[[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE}
registered=$(complete -p pullsecrets)
[[ $registered =~ -F\ ([^ ]*) ]] && "${BASH_REMATCH[1]}"
if [[ ${#COMPREPLY[@]} == 0 && $registered == *"-o default"* ]]; then
	COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
fi
printf '%s\n' "${COMPREPLY[@]}"`},
	"fish": {"--no-config", "-c", `pullsecrets completion fish | source; complete -C "$LINE" | cut -f1`},
	// In a terminal of its own, with the key pressed.
	"zsh": {"-f", "-c", `zmodload zsh/zpty
zpty -b shell zsh -f -i
zpty -w shell 'PS1=; autoload -U compinit && compinit -u; source <(pullsecrets completion zsh); print sta""rted'
typeset -F SECONDS=0
out=
until [[ $out == *started* ]] || (( SECONDS > 20 )); do zpty -r -t shell chunk && out+=$chunk || sleep 0.02; done
zpty -n -w shell "$LINE"$'\t\t'
out= SECONDS=0 quiet=0
until (( quiet > 20 || SECONDS > 20 )); do
	if zpty -r -t shell chunk; then
		out+=$chunk
		quiet=0
	else
		sleep 0.02
		[[ $out == *$'\n'* || $out == *policy.yaml* ]] && (( quiet++ ))
	fi
done
print -r -- "$out"; zpty -d shell`},
}

// TestTheShellsCompleteWhatIsInTheCluster loads each script in its own shell, and has it complete names that the real
// API server lists, and words that need no cluster.
func TestTheShellsCompleteWhatIsInTheCluster(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("one")
	s.Namespace("two")
	s.Account(ns, "builder")
	s.Pod(ns, "web-1", "default")
	s.Pod(ns, "web-2", "default")
	program := harness.Binary(t)
	folder := t.TempDir()
	harness.Must(t, os.WriteFile(folder+"/policy.yaml", nil, 0o600))
	for shell, args := range shellsAsked {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%s is not installed", shell)
			}
			if _, err := os.Stat(bashCompletion); shell == "bash" && err != nil {
				t.Skip("the package bash-completion is not installed")
			}
			ask := func(line string) []string {
				cmd := exec.Command(shell, args...)
				cmd.Dir = folder
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "LINE="+line, "TERM=dumb",
					"HOME="+folder, "KUBECONFIG="+s.Kubeconfig)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
				return strings.Fields(string(out))
			}
			for line, want := range map[string][]string{
				"pullsecrets plan -o ":                           {"text", "json", "markdown"},
				"pullsecrets explain " + s.Name(""):              {s.Name("one"), s.Name("two")},
				"pullsecrets explain -n " + s.Name("") + "o":     {s.Name("one")},
				"pullsecrets explain " + ns + " pod/":            {"pod/web-1", "pod/web-2"},
				"pullsecrets explain -n " + ns + " ":             {"pod/web-1", "serviceaccount/builder"},
				"pullsecrets explain " + ns + " serviceaccount/": {"serviceaccount/builder", "serviceaccount/default"},
				"pullsecrets validate -f pol":                    {"policy.yaml"},
			} {
				got := ask(line)
				for _, w := range want {
					if !slices.ContainsFunc(got, func(g string) bool { return strings.HasSuffix(g, w) }) {
						t.Errorf("%q: %q is not among %q", line, w, got)
					}
				}
			}
		})
	}
}

// TestKubectlCompletesThePlugin asks the real kubectl, with the program that docs/commands.md says to make.
func TestKubectlCompletesThePlugin(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	program := harness.Binary(t)
	folder := t.TempDir()
	harness.Must(t, os.Symlink(program, folder+"/kubectl-pullsecrets"))
	page, err := os.ReadFile("../../docs/commands.md")
	harness.Must(t, err)
	_, script, _ := strings.Cut(string(page), "```sh\n#!/bin/sh\n")
	script, _, _ = strings.Cut(script, "```")
	harness.Must(t, os.WriteFile(folder+"/kubectl_complete-pullsecrets", []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))

	out, err := s.Kubectl("", "__complete", "pullsecrets", "explain", s.Name(""))
	if err != nil || !strings.Contains(out, "\n"+ns+"\n:4\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestNamesAreCompletedWithTheRightsOfTheUser asks as an account that may list nothing, and against a cluster that is
// not there: no names, and no word.
func TestNamesAreCompletedWithTheRightsOfTheUser(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	config, err := clientcmd.LoadFromFile(s.Kubeconfig)
	harness.Must(t, err)
	context := config.Contexts[config.CurrentContext]
	context.Namespace = ns
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, clientcmd.WriteToFile(*config, kubeconfig))
	ask := func(words ...string) string {
		status, out, errs := s.Command(append([]string{"__complete", "explain", "-kubeconfig", kubeconfig}, words...)...)
		if status != 0 || errs != "" {
			t.Errorf("%q: exit %d, said %s", words, status, errs)
		}
		return out
	}
	if got := ask("serviceaccount/"); got != "serviceaccount/default\n:4\n" {
		t.Errorf("of the context's namespace: %q", got)
	}
	if got := ask("-as", fmt.Sprintf("system:serviceaccount:%s:default", ns), "serviceaccount/"); got != ":4\n" {
		t.Errorf("without the right to list: %q", got)
	}
	for _, c := range config.Clusters {
		c.Server = "https://127.0.0.1:1"
	}
	harness.Must(t, clientcmd.WriteToFile(*config, kubeconfig))
	if got := ask("serviceaccount/"); got != ":4\n" {
		t.Errorf("without a cluster: %q", got)
	}
}
