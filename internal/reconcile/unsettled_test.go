package reconcile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

func TestWhatIsWaitedForIsSaidAfterAWhileAndNotTooOften(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := unsettled{Target: kube.Target{Resource: kube.ServiceAccounts}, since: began, lastErr: "503 ServiceUnavailable"}
	second := unsettled{Target: kube.Target{Resource: kube.Secrets, Name: "reg"}, since: began.Add(20 * time.Second)}
	var out bytes.Buffer
	l := waitLog{log: zerolog.New(&out)}
	for _, step := range []struct {
		at    int // seconds
		lists []unsettled
		want  []string // nil: nothing is said
	}{
		{9, []unsettled{first}, nil},
		{10, []unsettled{first}, []string{"serviceaccounts in all namespaces, since 2026-01-01T00:00:00Z (10s), last error: 503 ServiceUnavailable"}},
		{25, []unsettled{first, second}, nil},
		{30, []unsettled{first, second}, []string{"serviceaccounts", "secrets named reg in all namespaces, since 2026-01-01T00:00:20Z (10s)"}},
		{89, []unsettled{first, second}, nil},
		{90, []unsettled{first, second}, []string{"(1m30s)", "(1m10s)"}},
		{100, []unsettled{second}, nil},
		{101, nil, []string{"any more"}},
		{102, nil, nil},
	} {
		out.Reset()
		l.look(step.lists, began.Add(time.Duration(step.at)*time.Second))
		if got := out.String(); (got == "") != (step.want == nil) || strings.Count(got, "\n") > 1 {
			t.Errorf("after %d s: %q, want %q", step.at, got, step.want)
		}
		for _, words := range step.want {
			if !strings.Contains(out.String(), words) {
				t.Errorf("after %d s: %q lacks %q", step.at, out.String(), words)
			}
		}
	}
}

func TestWhatIsWaitedForIsBounded(t *testing.T) {
	var lists []unsettled
	for i := range 1000 {
		lists = append(lists, unsettled{
			Target:  kube.Target{Resource: kube.Secrets, Namespace: strings.Repeat("n", 63), Name: fmt.Sprintf("%0253d", i)},
			lastErr: strings.Repeat(`"`, bound.MaxText),
		})
	}
	var out bytes.Buffer
	(&waitLog{log: zerolog.New(&out)}).look(lists, time.Now())
	if out.Len() == 0 || out.Len() > bound.MaxLine {
		t.Errorf("a line of %d bytes", out.Len())
	}
	lines := describeUnsettled(lists, time.Time{})
	if len(lines) != shownLists+1 || lines[shownLists] != "and 980 more" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}
