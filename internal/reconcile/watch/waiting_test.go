package watch

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
	first := Waiting{Target: kube.Target{Resource: kube.ServiceAccounts}, Since: began, LastErr: "503 ServiceUnavailable"}
	second := Waiting{Target: kube.Target{Resource: kube.Secrets, Name: "reg"}, Since: began.Add(20 * time.Second)}
	var out bytes.Buffer
	l := waitLog{log: zerolog.New(&out)}
	for _, step := range []struct {
		at    int // seconds
		lists []Waiting
		want  []string // nil: nothing is said
	}{
		{9, []Waiting{first}, nil},
		{10, []Waiting{first}, []string{"serviceaccounts in all namespaces, since 2026-01-01T00:00:00Z (10s), last error: 503 ServiceUnavailable"}},
		{25, []Waiting{first, second}, nil},
		{30, []Waiting{first, second}, []string{"serviceaccounts", "secrets named reg in all namespaces, since 2026-01-01T00:00:20Z (10s)"}},
		{89, []Waiting{first, second}, nil},
		{90, []Waiting{first, second}, []string{"(1m30s)", "(1m10s)"}},
		{100, []Waiting{second}, nil},
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
	var lists []Waiting
	for i := range 1000 {
		lists = append(lists, Waiting{
			Target:  kube.Target{Resource: kube.Secrets, Namespace: strings.Repeat("n", 63), Name: fmt.Sprintf("%0253d", i)},
			LastErr: strings.Repeat(`"`, bound.MaxText),
		})
	}
	var out bytes.Buffer
	(&waitLog{log: zerolog.New(&out)}).look(lists, time.Now())
	if out.Len() == 0 || out.Len() > bound.MaxLine {
		t.Errorf("a line of %d bytes", out.Len())
	}
	lines := Describe(lists, time.Time{})
	if len(lines) != shownLists+1 || lines[shownLists] != "and 980 more" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}
