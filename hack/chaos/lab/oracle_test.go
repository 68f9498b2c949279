package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestWatchesThatAreBehindAreToldOf has them miss one thing each.
func TestWatchesThatAreBehindAreToldOf(t *testing.T) {
	l := &Lab{Names: []string{"chaos-000"}}
	seen := newView()
	seen.secrets["chaos-000/chaos-hub"] = secret{uid: "1"}
	for what, c := range map[string]struct {
		uid, state string
		states     []string
		want       string // empty: they are not behind
	}{
		"nothing":          {"1", "Ready", []string{"Degraded", "Ready"}, ""},
		"no status yet":    {"1", "", nil, ""},
		"a copy made anew": {"2", "", nil, `chaos-hub has the UID "2", and "1" was seen last`},
		"a copy gone":      {"", "", nil, `chaos-hub has the UID "", and "1" was seen last`},
		"a state":          {"1", "Ready", []string{"Degraded"}, `the status is "Ready"`},
		"all states":       {"1", "Ready", nil, `the status is "Ready"`},
	} {
		now := newView()
		if c.uid != "" {
			now.secrets["chaos-000/chaos-hub"] = secret{uid: c.uid}
		}
		err := l.caughtUp(now, seen, c.state, c.states)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: it says %v", what, err)
		}
	}
}

// TestOnlyWhatMayHaveBeenDoneIsInDoubt tells a write that nobody answered from one that nobody got.
func TestOnlyWhatMayHaveBeenDoneIsInDoubt(t *testing.T) {
	o := &other{unsure: map[string]bool{}}
	refused := fmt.Errorf("update: %w", os.NewSyscallError("connect", syscall.ECONNREFUSED))
	o.doubt("a/done", nil)
	o.doubt("a/refused", refused)
	o.doubt("", errors.New("unexpected EOF"))
	o.doubt("a/broken-off", errors.New("unexpected EOF"))
	if got := slices.Collect(maps.Keys(o.unsure)); !slices.Equal(got, []string{"a/broken-off"}) {
		t.Errorf("in doubt: %q", got)
	}
}
