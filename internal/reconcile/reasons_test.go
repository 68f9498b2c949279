package reconcile

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

var update = flag.Bool("update", false, "write docs/reasons.md anew")

const reasonsPage = "../../docs/reasons.md"

// reasonsText is docs/reasons.md around what the code says.
const reasonsText = `# Reasons

Every decision about a copy or a service account has a reason, and so has every problem. This page has them all: what each
means, what to do about it, and where it is shown. "We" and "ours" is this installation of pullsecrets; other words are in
the [glossary](glossary.md).

A problem has a scope: one of the policy makes it ` + "`Degraded`" + `; those of namespaces are counted, and do where more namespaces have any
than ` + "`-max-failing`" + ` allows ([Ready, Degraded or Invalid](policy.md#ready-degraded-or-invalid)).

This page is generated: ` + "`go test ./internal/reconcile -run ReasonsPage -update`" + `.

| shown in | how |
| --- | --- |
%s
## Problems of a decision

Something is asked for and not done, or not of use, until somebody mends it. NAME stands for the object's name, HOME for the namespace of
the other installation.

%s## Problems of a write

A write was decided on, and failed or did not last.

%s## Problems of the admission parameters

They come up with ` + "`run -admission`" + ` alone, and are of no namespace.

%s## Warnings about a source

The source is copied all the same, and the policy does not count as degraded by them.

%s## Defects of a source

` + "`SourceInvalid`" + ` has one of these behind its message, and so has a finding of ` + "`validate`" + ` about a Secret.

| defect | what it means | what to do |
| --- | --- | --- |
%s
## Reasons to write

Nothing has to be done about these.

| reason | what it means | shown in |
| --- | --- | --- |
%s
## Reasons to do nothing

All is well, and nothing has to be done. ` + "`explain`" + ` alone shows these, of a copy; ` + "`Overridden`" + ` is in ` + "`plan`" + ` too.

| reason | what it means |
| --- | --- |
%s`

// places are where reasons are shown, in the order of the page.
var places = []struct{ name, how string }{
	{"status", "the key `status.json` of the ConfigMap `pullsecrets-status` names the first 20 problems with their scope and their namespaces, the policy's before all others, and counts the rest"},
	{"status, of sources", "the key `status.json` lists what is said of each source, problems and warnings, under `sourceFindings`, at most 50"},
	{"Event", "an Event about the policy ConfigMap when it begins"},
	{"message", "the annotation `pullsecrets/message` of the policy ConfigMap, and an Event about it, name the same problems as far as they fit, while `pullsecrets/status` is `Degraded`; while it is `Ready`, they count the problems of namespaces by reason, and name the first"},
	{"log", "in the field `reason`: a problem when it is new and when it is gone, a write when it is done"},
	{"`pullsecrets_problems`", "a metric that counts the objects with a problem, by the label `reason`"},
	{"`pullsecrets_actions_total`", "a metric that counts the writes that succeeded, by the label `reason`"},
	{"`plan`", "has the reason of each change and of what is not done, and warns of a change that the controller tried in vain; `-o json` has it in the field `reason`"},
	{"`explain`", "tells of a copy the reason and what it means, of a name that an account lacks what it means, and of both what the status knows"},
	{"`status`", "has every problem with all its namespaces, from the key `problems` of the ConfigMap `pullsecrets-status`, and what it means and what to do"},
}

var (
	// problemPlaces are where each problem is shown.
	problemPlaces = []string{"status", "message", "log", "`pullsecrets_problems`"}
	// warningPlaces are where each warning about a source is shown.
	warningPlaces = []string{"status, of sources", "Event", "log", "`plan`", "`explain`"}
	// writePlaces are where each write is shown.
	writePlaces = []string{"log", "`pullsecrets_actions_total`"}
	// onlyOf are where single reasons are shown besides.
	onlyOf = map[plan.Reason]string{
		plan.SourceDoubtful:   "`validate`",
		plan.ExpiryUnreadable: "`validate`",
		plan.SourceExpired:    "status, of sources, Event, `validate`, `pullsecrets_source_expiry_timestamp_seconds`",
		plan.SourceExpiring:   "`validate`, `pullsecrets_source_expiry_timestamp_seconds`",
		plan.PruneHeld:        "`pullsecrets_held_prunes`",
		report.WriteFailed:    "`pullsecrets_write_errors_total`, by the API server's own reason",
		report.Altered:        "`pullsecrets_write_errors_total`",
		report.Contested:      "`pullsecrets_fights_total`, an Event of its own with each repair",
	}
)

// TestReasonsPage holds docs/reasons.md against the code.
func TestReasonsPage(t *testing.T) {
	var shown, defects, writes, fine strings.Builder
	for _, p := range places {
		fmt.Fprintf(&shown, "| %s | %s |\n", p.name, p.how)
	}
	for _, d := range cluster.Defects {
		fmt.Fprintf(&defects, "| `%s` | %s | %s |\n", d.Defect, d.Says, d.Do)
	}
	for _, m := range plan.CopyWrites {
		fmt.Fprintf(&writes, "| `%s` | %s | %s |\n", m.Reason, m.Says, placesOf(m.Reason, writePlaces, "`plan`", "`explain`"))
	}
	for _, m := range plan.AccountWrites {
		more := []string{"`plan`"}
		if m.Reason == plan.NamesPromised { // plan does not know what the API server adds by itself
			more = nil
		}
		fmt.Fprintf(&writes, "| `%s` | %s | %s |\n", m.Reason, m.Says, placesOf(m.Reason, writePlaces, more...))
	}
	for _, m := range plan.Fine {
		fmt.Fprintf(&fine, "| `%s` | %s |\n", m.Reason, m.Says)
	}
	want := fmt.Sprintf(reasonsText, shown.String(), problemSections(plan.Problems, problemPlaces, "`plan`", "`explain`"),
		problemSections(report.Problems, problemPlaces, "`plan`", "`explain`"), problemSections(admission.Problems, problemPlaces),
		problemSections(plan.Warnings, warningPlaces),
		defects.String(), writes.String(), fine.String())
	if *update {
		if err := os.WriteFile(reasonsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reasonsPage)
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%s is stale, run go test ./internal/reconcile -run ReasonsPage -update: %v\n%s", reasonsPage, err, diff)
	}
}

// problemSections has a section for each problem, so that each can be linked to.
func problemSections(problems []plan.Meaning, places []string, more ...string) string {
	var b strings.Builder
	for _, m := range problems {
		fmt.Fprintf(&b, "### %s\n\n- It means: %s.\n- To do: %s.\n", m.Reason, m.Says, m.Do+m.Advice)
		if m.Scope != "" {
			fmt.Fprintf(&b, "- Scope: the %s.\n", m.Scope)
		}
		fmt.Fprintf(&b, "- Shown in: %s.\n\n", placesOf(m.Reason, places, more...))
	}
	return b.String()
}

func placesOf(r plan.Reason, all []string, more ...string) string {
	names := slices.Concat(all, more)
	if extra := onlyOf[r]; extra != "" {
		names = append(names, extra)
	}
	return strings.Join(names, ", ")
}

// TestEachReasonHasAMeaning finds the constants in the code, so that none can be forgotten.
func TestEachReasonHasAMeaning(t *testing.T) {
	for folder, lists := range map[string][][]plan.Meaning{
		"plan":      {plan.CopyWrites, plan.AccountWrites, plan.Fine, slices.Concat(plan.Problems, plan.Warnings)},
		"report":    {report.Problems},
		"admission": {admission.Problems},
	} {
		problems := lists[len(lists)-1]
		var have []string
		for _, m := range slices.Concat(lists...) {
			have = append(have, string(m.Reason))
			isProblem := slices.Contains(problems, m)
			scoped := isProblem && !slices.Contains(plan.Warnings, m)
			switch {
			case scoped != (m.Scope == plan.ScopePolicy || m.Scope == plan.ScopeNamespace) || !scoped && m.Scope != "":
				t.Errorf("%s has the scope %q", m.Reason, m.Scope)
			case m.Says == "":
				t.Errorf("%s does not say what it means", m.Reason)
			case isProblem && (m.Do == "") == (m.Advice == ""):
				t.Errorf("%s has to say what to do, in one way", m.Reason)
			case !isProblem && m.Do+m.Advice != "":
				t.Errorf("%s says what to do, and is neither a problem nor a warning", m.Reason)
			}
		}
		compareSets(t, folder+"/reason.go", constantsOf(t, folder+"/reason.go"), have)
	}
	var have []string
	for _, d := range cluster.Defects {
		have = append(have, string(d.Defect))
	}
	compareSets(t, "cluster/defect.go", constantsOf(t, "../cluster/defect.go"), have)
}

func compareSets(t *testing.T, file string, want, have []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" || len(want) == 0 {
		t.Errorf("%s: the constants and what has a meaning differ (-constants +meanings):\n%s", file, diff)
	}
}

// constantsOf returns the values of all text constants of a file.
func constantsOf(t *testing.T, file string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, spec := range decl.Specs {
			for _, value := range spec.(*ast.ValueSpec).Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, _ := strconv.Unquote(literal.Value)
					values = append(values, text)
				}
			}
		}
	}
	return values
}

// TestProblemsAreShownWhereThePageSays records each problem and looks for it in the status, the log and the metrics.
func TestProblemsAreShownWhereThePageSays(t *testing.T) {
	for _, m := range slices.Concat(plan.Problems, report.Problems, admission.Problems) {
		t.Run(string(m.Reason), func(t *testing.T) {
			var log bytes.Buffer
			r := report.New(report.Options{Log: zerolog.New(&log), Changed: func() {}, Explain: plan.Reason.Explain})
			metrics := report.NewMetrics(r, report.Gauges{
				QueueLength: func() int { return 0 }, Unsettled: func() []watch.Waiting { return nil }, Leads: func() bool { return true },
				Verified: func() []status.VerifiedSource { return nil },
			})
			record(r, m.Reason)
			if first := r.Totals().First; len(first) != 1 || first[0].Reason != string(m.Reason) || first[0].Detail == "" {
				t.Errorf("the status says %+v", first)
			} else if first[0].Scope != string(m.Scope) {
				t.Errorf("it is of the scope %q, and the page says %q", first[0].Scope, m.Scope)
			}
			own := m.Scope == plan.ScopeNamespace
			if h := r.Health(); !h.Degraded() || (h.Failing == 1) != own || (h.OfPolicy == 1) == own {
				t.Errorf("it weighs %+v", h)
			}
			if !strings.Contains(log.String(), fmt.Sprintf(`"reason":%q`, m.Reason)) {
				t.Errorf("the log says %s", log.String())
			}
			page := httptest.NewRecorder()
			metrics.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
			if !strings.Contains(page.Body.String(), fmt.Sprintf("reason=%q} 1", m.Reason)) {
				t.Errorf("the metrics do not count it:\n%s", page.Body.String())
			}
		})
	}
}

// saying is the state of a source of which something is found.
func saying(reason plan.Reason) map[types.NamespacedName]policy.SourceState {
	return map[types.NamespacedName]policy.SourceState{
		{Namespace: "pullsecrets", Name: "hub"}: {Findings: []policy.Finding{plan.NewFinding(reason, "why")}},
	}
}

// TestWarningsAreShownWhereThePageSays looks for each in the status and the log, and not among the problems.
func TestWarningsAreShownWhereThePageSays(t *testing.T) {
	for _, m := range plan.Warnings {
		var log bytes.Buffer
		r := report.New(report.Options{Log: zerolog.New(&log), Changed: func() {}, Explain: plan.Reason.Explain})
		r.Sources(saying(m.Reason))
		shown := r.Totals()
		if len(shown.Sources) != 1 || shown.Sources[0].Reason != string(m.Reason) || shown.Problems != 0 || r.Health().Degraded() {
			t.Errorf("%s: the status says %+v", m.Reason, shown)
		}
		if strings.Count(log.String(), fmt.Sprintf(`"reason":%q`, m.Reason)) != 1 {
			t.Errorf("%s: the log says %s", m.Reason, log.String())
		}
	}
}

// record has a reporter take in one problem, in the way in which it comes up.
func record(r *report.Reporter, reason plan.Reason) {
	action := plan.Action{Verb: plan.None, Kind: plan.KindSecret, Name: "regcred", Reason: reason}
	todo := plan.Plan{Namespace: "a"}
	result := apply.Result{Namespace: "a"}
	failed := func(err error) {
		result.Outcomes = []apply.Outcome{{Action: plan.Action{Verb: plan.Create, Kind: plan.KindSecret, Name: "regcred"}, Err: err}}
	}
	switch reason {
	case report.WriteFailed:
		failed(errors.New("no"))
	case report.AccountsForbidden:
		failed(apierrors.NewForbidden(kube.ServiceAccounts.GroupResource(), "default", errors.New(`User "u" cannot patch resource "serviceaccounts" in API group "" in the namespace "a"`)))
		result.Outcomes[0].Kind = plan.KindServiceAccount
	case report.Altered:
		failed(&apply.Altered{Differs: []string{"type"}})
	case report.Contested:
		result.Contended = []*apply.Contested{{}}
	case plan.SourceExpired:
		r.Sources(saying(reason))
		return
	case admission.Absent, admission.TooLarge, admission.Unsaved:
		r.OfNone("admission", []status.Problem{{Kind: "AdmissionRule", Name: "hub", Reason: string(reason), Detail: "why"}})
		return
	default:
		todo.Actions = []plan.Action{action}
	}
	r.Record(todo, result, false)
}
