package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const statusFolder = "testdata/status/"

// statusCase is what a controller wrote.
type statusCase struct {
	text     string // the live one
	verdict  string
	message  string
	revision [2]string // of the live text, and the one judged last
	record   status.Record
	problems []status.FullProblem
}

func (c statusCase) input(t *testing.T) overview.Input {
	t.Helper()
	const judged = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	documents := map[string]string{"policy.yaml": judged}
	hash := policy.Hash(documents)
	c.record.Status, c.record.Observed, c.record.RolledOut, c.record.Problems = c.verdict, hash, hash, len(c.problems)
	record, err := c.record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	saved := &cluster.ConfigMap{Data: map[string]string{status.KeyRecord: record}, BinaryData: map[string][]byte{}}
	if saved.BinaryData[status.KeyPolicy], err = status.PackPolicy(documents); err != nil {
		t.Fatal(err)
	}
	if saved.BinaryData[status.KeyProblems], err = status.PackProblems(c.problems, 100<<10); err != nil {
		t.Fatal(err)
	}
	live := &cluster.ConfigMap{Data: map[string]string{"policy.yaml": judged + c.text}, Annotations: map[string]string{
		cluster.AnnotationStatus: c.verdict, cluster.AnnotationObserved: hash, cluster.AnnotationMessage: c.message,
	}}
	for i, name := range []string{cluster.AnnotationRevision, cluster.AnnotationObservedRevision} {
		if c.revision[i] != "" {
			live.Annotations[name] = c.revision[i]
		}
	}
	return overview.Input{
		Namespace: "pullsecrets", PolicyName: "pullsecrets-policy", StatusName: statusName, Policy: live, Status: saved,
		Edited: "2026-06-01T11:50:00Z", Kubectl: "kubectl --context=prod", Meanings: inspect.ProblemMeanings(),
	}
}

func manyNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("team-%03d", i))
	}
	return names
}

// statusCases are what status is tried on.
func statusCases() map[string]statusCase {
	rules := []status.RuleTotals{
		{Name: "dockerhub", Namespaces: 400, Copies: 393, Missing: 7, ServiceAccounts: 800, Unsynced: 2, OldestUnsynced: "2026-06-01T11:57:00Z", OldestNamespace: "team-003"},
		{Name: "ghcr", Namespaces: 12, Copies: 12, ServiceAccounts: 12},
		{Name: "nobody"},
	}
	record := status.Record{
		Rules: rules,
		Summaries: []status.SourceSummary{
			{Source: "pullsecrets/dockerhub", State: policy.SourceUsable, LastChange: "2026-05-29T12:00:00Z", Expires: "2026-06-08T12:00:00Z"},
			{Source: "pullsecrets/ghcr", State: policy.SourceMissing},
			{Source: "pullsecrets/old", State: policy.SourceUsable, LastChange: "2025-05-29T12:00:00Z", Expires: "2026-05-31T12:00:00Z"},
		},
		SourceHosts: []status.SourceHosts{{Source: "pullsecrets/dockerhub", Hosts: []string{"docker.io", "hub.example"}}},
		Verified:    []status.VerifiedSource{{Source: "pullsecrets/dockerhub", Verdict: status.VerdictAccepted}},
		Totals: status.Totals{
			Namespaces: 412, Selected: 400, Failing: 7, ServiceAccounts: 812, Copies: map[string]int{"dockerhub": 393, "ghcr": 12},
			Sources: []status.SourceFinding{{Source: "pullsecrets/old", Reason: "SourceExpired", Message: "the credential for old.example expired at 2026-05-31T12:00:00Z", Problem: true}},
		},
	}
	evil := "reg\x1b[2J\r\n::error::\u202e"
	return map[string]statusCase{
		"ready": {verdict: "Ready", message: "in force in all namespaces that it selects", revision: [2]string{"4f2a", "4f2a"}, record: record},
		"degraded": {verdict: "Degraded", message: "rule ghcr, Secret reg in namespace team-000: the source secret does not exist (SourceMissing)", revision: [2]string{"4f2a", "4f2a"}, record: record,
			problems: []status.FullProblem{
				{Problem: status.Problem{Scope: "policy", Rule: "ghcr", Kind: "Secret", Name: "reg", Source: "pullsecrets/ghcr", Reason: "SourceMissing", Detail: "the source secret does not exist; copies that exist are kept"}, Namespaces: manyNames(12)},
				{Problem: status.Problem{Scope: "policy", Kind: "Secret", Name: "old", Source: "pullsecrets/old", Reason: "SourceExpired", Detail: "the credential for old.example expired at 2026-05-31T12:00:00Z: put a new one into the source"}},
				{Problem: status.Problem{Scope: "namespace", Rule: "dockerhub", Kind: "Secret", Name: "regcred", Reason: "ForeignSecret", Detail: "a secret of this name exists that is not ours and has other content; it is left alone, and its name is not added to service accounts: rename the copies, remove it, or set force: true"}, Namespaces: manyNames(5), More: 3},
				{Problem: status.Problem{Scope: "namespace", Rule: "dockerhub", Kind: "Secret", Name: evil, Reason: "WriteFailed", Detail: evil}, Namespaces: []string{"team-003"}},
				{Problem: status.Problem{Scope: "namespace", Rule: "dockerhub", Kind: "ServiceAccount", Name: "default", Reason: "WriteFailed", Detail: "denied by quota"}, Namespaces: []string{"team-003", "team-004"}},
			}},
		"held": {verdict: "Degraded", message: "held back", record: status.Record{Totals: status.Totals{Namespaces: 412, Copies: map[string]int{}}},
			problems: []status.FullProblem{
				{Problem: status.Problem{Scope: "policy", Kind: "Secret", Name: "regcred", Reason: "PruneHeld", Detail: "too much"}, Namespaces: manyNames(300)},
				{Problem: status.Problem{Scope: "policy", Kind: "ServiceAccount", Name: "default", Reason: "PruneHeld", Detail: "too much"}, Namespaces: manyNames(300)},
			}},
		"edited": {text: "# another\n", verdict: "Ready", message: "in force", revision: [2]string{"77aa", "4f2a"}, record: record},
	}
}

// TestStatusInEachForm holds what status prints. To write it anew: go test ./internal/cli -run StatusInEachForm -update
func TestStatusInEachForm(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	cases := statusCases()
	for name, c := range cases {
		o := overview.From(c.input(t))
		for form, f := range map[string]statusFlags{"txt": {form: "text"}, "all.txt": {form: "text", all: true}, "json": {form: "json"}} {
			if form != "txt" && name != "degraded" {
				continue
			}
			var out bytes.Buffer
			err := writeStatus(&out, o, f.all, now)
			if f.form == "json" {
				out.Reset()
				err = f.print(o, &out)
			}
			if err != nil {
				t.Fatal(err)
			}
			file := statusFolder + name + "." + form
			if *update {
				writeFile(t, file, out.Bytes())
			}
			if diff := cmp.Diff(readText(t, file), out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// TestWhatStatusRefuses, each with 2, because nothing was told.
func TestWhatStatusRefuses(t *testing.T) {
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	for _, c := range []struct{ args, want string }{
		{"team-a", "status takes flags only"},
		{"-o yaml", "one of text, json"},
		{"-wait -watch", "give one of them"},
		{"-revision v1", "-revision needs -wait"},
		{"-wait -timeout 0s", "give a time above zero"},
		{"-namespace A", "not the name of a namespace"},
		{"-policy pullsecrets-status", "that ConfigMap holds the status"},
		{"-context none", `-context "none": no kubeconfig was found`},
	} {
		status, out, errs := command(t, "", append([]string{"status"}, strings.Fields(c.args)...)...)
		if status != 2 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d: %s%s", c.args, status, out, errs)
		}
	}
}

// TestACommandOfKubectlIsQuoted for a shell.
func TestACommandOfKubectlIsQuoted(t *testing.T) {
	f := clusterFlags{kubeconfig: "/home/a b/it's", context: "arn:aws:eks:eu:1/x", as: "system:admin", asGroups: []string{"a", "$(b)"}}
	if got, want := f.kubectl(), `kubectl --kubeconfig='/home/a b/it'\''s' --context=arn:aws:eks:eu:1/x --as=system:admin --as-group=a --as-group='$(b)'`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestWhatChangesIsALine for each thing, and nothing where nothing does.
func TestWhatChangesIsALine(t *testing.T) {
	before, after := statusCases()["ready"], statusCases()["degraded"]
	a, b := overview.From(before.input(t)), overview.From(after.input(t))
	if lines := a.Changes(a); len(lines) > 0 {
		t.Errorf("nothing changed, and it says %q", lines)
	}
	text := strings.Join(b.Changes(a), "\n") + "\n" + strings.Join(a.Changes(b), "\n")
	for _, want := range []string{
		"state Degraded, was Ready: rule ghcr", "problem SourceMissing: rule ghcr, Secret reg, from pullsecrets/ghcr: the source secret does not exist; copies that exist are kept: in team-000, team-001, team-002, team-003, team-004, team-005, team-006, team-007, team-008, team-009 and 2 more",
		"problem SourceExpired: source pullsecrets/old: the credential for old.example expired", "state Ready, was Degraded", "no longer a problem WriteFailed: rule dockerhub, ServiceAccount default: denied by quota",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told:\n%s", want, text)
		}
	}
}

// TestStatusWithoutAnAnswer ends with 2: at once where nobody knows who asks, and with the time-out where nobody answers.
func TestStatusWithoutAnAnswer(t *testing.T) {
	asked := atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}`)
	}))
	t.Cleanup(server.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(over) })
	for _, c := range []struct{ server, args, want string }{
		{server.URL, "", "read the status ConfigMap pullsecrets/pullsecrets-status"},
		{server.URL, "-wait -timeout 5m", "Unauthorized"},
		{server.URL, "-watch", "Unauthorized"},
		{closed.URL, "", "connection refused"},
		{closed.URL, "-wait -timeout 100ms", "could not tell within 100ms"},
		{silent.URL, "-wait -timeout 100ms", "could not tell within 100ms: the API server has not answered"},
	} {
		status, out, errs := command(t, "", append([]string{"status", "-kubeconfig", kubeconfigOf(t, c.server), "-namespace", "pullsecrets"}, strings.Fields(c.args)...)...)
		if status != 2 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d: %s%s", c.args, status, out, errs)
		}
	}
	if n := asked.Load(); n > 30 {
		t.Errorf("it asked %d times", n)
	}
}

// TestStatusWaitsForAnAnnotationToBeMended: what somebody wrote into it, the controller writes anew.
func TestStatusWaitsForAnAnnotationToBeMended(t *testing.T) {
	server := annotated(t, func(read int32, annotations map[string]string) {
		if read < 3 {
			annotations[cluster.AnnotationStatus] = "Fine"
		}
	})
	code, out, errs := command(t, "", "status", "-kubeconfig", kubeconfigOf(t, server), "-namespace", "pullsecrets", "-wait", "-o", "json")
	if code != 0 || !strings.Contains(out, `"state": "Ready"`) || !strings.Contains(errs, `says "Fine", which no controller writes`) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// TestAVerdictWaitsForItsReason, which is in the annotations: these are written after the status ConfigMap, or have no room.
func TestAVerdictWaitsForItsReason(t *testing.T) {
	for reads, lacks := range map[int32]bool{2: false, 1000: true} {
		server := annotated(t, func(read int32, annotations map[string]string) {
			if read < reads {
				annotations[cluster.AnnotationObserved] = "sha256:before"
			}
		})
		code, out, errs := command(t, "", "status", "-kubeconfig", kubeconfigOf(t, server), "-namespace", "pullsecrets", "-wait", "-o", "json")
		if code != 0 || !strings.Contains(out, `"state": "Ready"`) || strings.Contains(out, "have no room for it") != lacks {
			t.Errorf("%d reads: exit %d: %s%s", reads, code, out, errs)
		}
	}
}

// annotated is a server that has a policy which is Ready, with annotations that change from read to read.
func annotated(t *testing.T, change func(read int32, annotations map[string]string)) string {
	t.Helper()
	in := statusCases()["ready"].input(t)
	delete(in.Status.BinaryData, status.KeyProblems) // there are none
	var reads atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("watch") {
			http.Error(w, "none", http.StatusInternalServerError)
			return
		}
		of := in.Status
		if strings.HasSuffix(r.URL.Path, in.PolicyName) {
			copied := *in.Policy
			copied.Annotations = maps.Clone(in.Policy.Annotations)
			change(reads.Add(1), copied.Annotations)
			of = &copied
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": of.Annotations}, "data": of.Data, "binaryData": of.BinaryData,
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// kubeconfigOf is the file of a kubeconfig for a server.
func kubeconfigOf(t *testing.T, server string) string {
	t.Helper()
	file := t.TempDir() + "/kubeconfig"
	writeFile(t, file, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {server: %q}}], users: [{name: a, user: {}}]}`, server))
	return file
}

// TestAnInterruptedWaitSaysSo, and not that it waited to its end.
func TestAnInterruptedWaitSaysSo(t *testing.T) {
	f := &statusFlags{timeout: 5 * time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	if got := f.untold(ctx); got != "could not tell within 5m0s" {
		t.Error(got)
	}
	cancel()
	if got := f.untold(ctx); got != "could not tell before it was interrupted" {
		t.Error(got)
	}
}
