package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const maxLine = 16 << 10

func TestALongListIsCutWithTheNumberOfWhatIsLeftOut(t *testing.T) {
	many := make([]string, 6000)
	for i := range many {
		many[i] = fmt.Sprintf("registry-%04d.example: changed", i)
	}
	cut := cutList(many, "lines")
	last := cut[len(cut)-1]
	if want := fmt.Sprintf("and %d more lines", len(many)-len(cut)+1); last != want || len(cut) < 100 {
		t.Errorf("%d items, the last is %q, want %q", len(cut), last, want)
	}
	if diff := cmp.Diff(many[:len(cut)-1], cut[:len(cut)-1]); diff != "" {
		t.Errorf("the others are the first ones: %s", diff)
	}
	for _, short := range [][]string{nil, {"a"}, many[:50]} {
		if got := cutList(short, "lines"); !slices.Equal(got, short) {
			t.Errorf("%d items became %d", len(short), len(got))
		}
	}
}

// TestTwoListsAndATextFitInALine has characters in it that JSON writes as six.
func TestTwoListsAndATextFitInALine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, r.IntN(3000))
		for i := range b {
			b[i] = byte(r.IntN(256) >> r.IntN(6))
		}
		return string(b)
	}
	for range 30 {
		var a, b []string
		for range r.IntN(300) {
			a, b = append(a, text()), append(b, text())
		}
		out := bytes.Buffer{}
		log := zerolog.New(&out)
		log.Info().Strs("a", cutList(a, "lines")).Strs("b", cutList(b, "")).Msg(shorten(strings.ToValidUTF8(text(), "")))
		if out.Len() > maxLine {
			t.Fatalf("%d bytes", out.Len())
		}
	}
}

func TestWhatTheAPIServerSaysIsBounded(t *testing.T) {
	err := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{}}}
	for i := range 1000 {
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes,
			metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: fmt.Sprintf("data[%s%d]", strings.Repeat("x", 1000*(i%2)), i)})
	}
	got := describe(err)
	if len(got) > maxText+3 || !strings.HasSuffix(got, "and 995 more)") || !strings.Contains(got, "data[4]") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestOtherManagersAreBounded(t *testing.T) {
	owners := slices.Repeat([]cluster.Owner{{Manager: strings.Repeat("m", 128), Operation: "Update"}}, 500)
	if got := (&contested{owners: owners}).Error(); len(got) > maxText || !strings.Contains(got, "and 497 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// TestNoLineAboutAPolicyIsTooLong has a text with thousands of mistakes, one with thousands of warnings, and one that makes
// 500 copies.
func TestNoLineAboutAPolicyIsTooLong(t *testing.T) {
	many := func(n int, format string) string {
		text := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n"
		for i := range n {
			text += fmt.Sprintf(format, i)
		}
		return text
	}
	for why, tt := range map[string]struct{ text, said string }{
		"mistakes": {many(4000, "- {name: r%d, secrets: [{source: {nmae: a}}]}\n"), "the policy was refused"},
		"warnings": {many(2000, "- {name: r%d, secrets: [{source: {name: a}}], namespaces: {include: [\"a_b\", \"*\"]}}\n"), "the policy was refused"},
		"copies":   {many(500, "- {name: r%d, secrets: [{source: {name: a}, name: a-rather-long-name-of-a-copy-%[1]d}]}\n"), "the policy was accepted"},
	} {
		t.Run(why, func(t *testing.T) {
			var out bytes.Buffer
			c := New(Config{Log: zerolog.New(&out), Documents: map[string]string{"policy.yaml": tt.text}})
			c.judge.read()
			for line := range strings.Lines(out.String()) {
				if len(line) > maxLine {
					t.Errorf("%d bytes: %.200s", len(line), line)
				}
			}
			if !strings.Contains(out.String(), tt.said) || !strings.Contains(out.String(), " more\"") {
				t.Errorf("the log says %.500s", out.String())
			}
			if text := c.judge.verdict.errors; text != nil && len(c.judge.message()) > 1024 {
				t.Errorf("the message has %d bytes", len(c.judge.message()))
			}
		})
	}
}

// TestTheStatusIsBounded has ten thousand rules, and problems that say much.
func TestTheStatusIsBounded(t *testing.T) {
	r := newReport(zerolog.Nop(), func() {}, plan.Reason.Explain)
	todo := plan.Plan{Namespace: "a"}
	for i := range 10_000 {
		todo.Actions = append(todo.Actions, plan.Action{Kind: plan.KindSecret, Rule: fmt.Sprintf("%0253d", i), Name: "x"})
	}
	changes := changeSet{namespace: "a"}
	for i := range 100 {
		changes.results = append(changes.results, result{
			plan.Action{Kind: plan.KindSecret, Verb: plan.Create, Rule: strings.Repeat("r", 253), Name: fmt.Sprintf("%0253d", i)},
			errors.New("no"),
		})
	}
	r.record(todo, changes)
	r.ofNone([]problem{{Kind: "K", Name: "n", Reason: "R", Detail: strings.Repeat("<", 1<<20)}})
	text, err := r.totals().json(verdict{errors: policy.Problems{}}, stateReady, "")
	if err != nil || len(text) > 400<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	for line := range strings.Lines(text) {
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	var status struct {
		Copies       map[string]int
		RulesLeftOut int
		ProblemCount int
		Problems     []any
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Copies) != shownRules || status.RulesLeftOut != 10_000-shownRules || status.ProblemCount != 101 || len(status.Problems) != shownProblems {
		t.Errorf("%d rules, %d left out, %d problems of %d", len(status.Copies), status.RulesLeftOut, len(status.Problems), status.ProblemCount)
	}
	if first := slices.Min(slices.Collect(maps.Keys(status.Copies))); first != fmt.Sprintf("%0253d", 0) {
		t.Errorf("the first rule is %s", first)
	}
}
