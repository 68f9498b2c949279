package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// completed is the answer to what stands before a cursor.
func completed(t *testing.T, typed ...string) string {
	t.Helper()
	status, out, errs := command(t, "", append([]string{completeCommand}, typed...)...)
	if status != 0 || errs != "" {
		t.Errorf("%q: exit %d, said %q", typed, status, errs)
	}
	return out
}

func TestWhatIsCompletedWithoutACluster(t *testing.T) {
	kubeconfig := kubeconfigFor(t, "https://127.0.0.1:1")
	t.Setenv("KUBECONFIG", kubeconfig)
	for _, tt := range []struct {
		typed []string
		want  string // candidates, or the last of them, and the directive
	}{
		{[]string{"va"}, "validate\tcheck a policy before it is merged\n:4\n"},
		{[]string{"nonsense", ""}, ":4\n"},
		{[]string{"-log-f"}, "-log-format\tFORMAT: json, console, or auto for console on a terminal\n:4\n"},
		{[]string{"plan", "--max"}, "--max-prune\tPERCENT that run is started with\n:4\n"},
		{[]string{"plan", "-o", ""}, "text\njson\nmarkdown\n:4\n"},
		{[]string{"plan", "--o=m"}, "markdown\n:4\n"},
		{[]string{"validate", "-o", "g"}, "github\n:4\n"},
		{[]string{"-leader-elect", "-log-level", "de"}, "debug\n:4\n"},
		{[]string{"run", "-log-format", "c"}, "console\n:4\n"},
		{[]string{"plan", "-f", ""}, ":0\n"},
		{[]string{"plan", "-cluster", ""}, ":0\n"},
		{[]string{"validate", "-o", "json", ""}, ":0\n"},
		{[]string{"rbac", "-cluster", ""}, "one\ntwo\n:4\n"},
		{[]string{"explain", "-context", ""}, "production\nstaging\n:4\n"},
		{[]string{"explain", "-user=o"}, "oidc\nother\n:4\n"},
		{[]string{"explain", "-as", ""}, ":4\n"},
		{[]string{"check", "s"}, "secret/\n:6\n"},
		{[]string{"check", "secret/"}, ":4\n"},
		{[]string{"check", "secret/a", "x"}, ":4\n"},
		{[]string{"check", "-config", ""}, ":0\n"},
		{[]string{"completion", "f"}, "fish\n:4\n"},
		{[]string{"completion", "fish", "x"}, ":4\n"},
		{[]string{"explain", "po"}, "pod/\n:6\n"},
		{[]string{"explain", "team-a", "pod/web", "x"}, ":4\n"},
	} {
		if got := completed(t, tt.typed...); got != tt.want {
			t.Errorf("%q:\n%s", tt.typed, cmp.Diff(tt.want, got))
		}
	}
	if all := completed(t, "purge", ""); !strings.Contains(all, "-yes\tdo not ask\n") {
		t.Errorf("where only flags can stand, there are no flags:\n%s", all)
	}
	if all := completed(t); !strings.Contains(all, "explain\t") || strings.Contains(all, completeCommand) {
		t.Errorf("the commands are:\n%s", all)
	}
}

// TestNobodyWaitsForNames asks a cluster whose user is signed in by a program that never answers.
func TestNobodyWaitsForNames(t *testing.T) {
	kubeconfig := kubeconfigFor(t, "https://127.0.0.1:1")
	writeFile(t, "plugin.sh", []byte("#!/bin/sh\nexec sleep 60 2>/dev/null\n"))
	begin := time.Now()
	if got := completed(t, "explain", "-kubeconfig", kubeconfig, "-user", "plugin", ""); !strings.HasSuffix(got, ":6\n") {
		t.Errorf("got %q", got)
	}
	if took := time.Since(begin); took > completionPatience+20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestAListThatDoesNotComeIsWaitedForOnce completes pods and service accounts of a namespace, from an API server that
// takes requests and answers none.
func TestAListThatDoesNotComeIsWaitedForOnce(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	defer server.Close()
	kubeconfig := kubeconfigFor(t, server.URL)
	if got := completed(t, "explain", "-kubeconfig", kubeconfig, "-n", "team-a", ""); got != ":4\n" {
		t.Errorf("got %q", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d lists were asked for, one after the other", n)
	}
}

// TestTheLastOfThousandsIsCompleted has an API server that cuts a list where a limit is given.
func TestTheLastOfThousandsIsCompleted(t *testing.T) {
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList"))
	for i := range 5000 {
		all.Items = append(all.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("web-%04d", i)}})
	}
	whole, err := json.Marshal(all) // before the clock of a completion runs
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil {
			_, _ = w.Write(whole)
			return
		}
		cut := all
		cut.Items = all.Items[:limit]
		_ = json.NewEncoder(w).Encode(cut)
	}))
	defer server.Close()
	kubeconfig := kubeconfigFor(t, server.URL)
	if got := completed(t, "explain", "-kubeconfig", kubeconfig, "team-a", "pod/web-499"); strings.Count(got, "\n") != 11 {
		t.Errorf("got %q", got)
	}
}

// TestOnlyWhatCanBeTypedIsCompleted has names in the kubeconfig that are two lines, or that a terminal would follow.
func TestOnlyWhatCanBeTypedIsCompleted(t *testing.T) {
	kubeconfig := kubeconfigFor(t, "https://127.0.0.1:1")
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, kubeconfig, append(text, `- {name: "two\nlines", context: {cluster: one, user: token}}
- {name: "red\e[31m", context: {cluster: one, user: token}}
- {name: "with a space", context: {cluster: one, user: token}}
`...))
	if got := completed(t, "plan", "-kubeconfig", kubeconfig, "-context", ""); got != "production\nstaging\nwith a space\n:4\n" {
		t.Errorf("got %q", got)
	}
}

// TestAPluginThatSignsInGetsNoKeys holds that what is typed goes to the shell, also where a plugin would ask for a password.
func TestAPluginThatSignsInGetsNoKeys(t *testing.T) {
	kubeconfig := kubeconfigFor(t, "https://127.0.0.1:1")
	config, err := completingCluster{&clusterFlags{kubeconfig: kubeconfig, user: "plugin"}}.config()
	if err != nil || !config.ExecProvider.StdinUnavailable {
		t.Errorf("%+v, %v", config, err)
	}
}

// TestAChoiceIsCompletedWithWhatIsAccepted gives each flag that has a fixed set of values another one: the refusal has
// to name the very set.
func TestAChoiceIsCompletedWithWhatIsAccepted(t *testing.T) {
	found := 0
	for _, c := range newRoot(strings.NewReader(""), io.Discard, io.Discard).Subcommands {
		c.FlagSet.VisitAll(func(f *flag.Flag) {
			what, _ := flag.UnquoteUsage(f)
			words, ok := f.Value.(choice)
			if fixed := slices.Contains([]string{"FORM", "FORMAT", "LEVEL"}, what); ok != fixed {
				t.Errorf("%s -%s takes a %s: register it with choiceVar, so that it is completed", c.Name, f.Name, what)
			}
			if !ok {
				return
			}
			found++
			status, _, errs := command(t, "", c.Name, "-"+f.Name, "nonsense")
			if want := `-` + f.Name + ` "nonsense": one of ` + strings.Join(words.words, ", ") + "\n"; status == 0 || !strings.Contains(errs, want) {
				t.Errorf("%s: exit %d, said %q, want %q", c.Name, status, errs, want)
			}
		})
	}
	if found < 5 {
		t.Errorf("%d flags have a fixed set", found)
	}
}

func TestOnlyAShellThatIsKnownGetsAScript(t *testing.T) {
	for _, shell := range shells {
		if status, out, errs := command(t, "", "completion", shell); status != 0 || errs != "" || !strings.Contains(out, completeCommand) {
			t.Errorf("%s: exit %d, said %q, printed\n%s", shell, status, errs, out)
		}
	}
	for _, args := range [][]string{{"tcsh"}, nil, {"bash", "zsh"}} {
		if status, out, errs := command(t, "", append([]string{"completion"}, args...)...); status != 1 || out != "" || !strings.Contains(errs, "bash, zsh, fish, powershell") {
			t.Errorf("%q: exit %d, printed %q, said %q", args, status, out, errs)
		}
	}
}
