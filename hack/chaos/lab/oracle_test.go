package lab

import (
	"strings"
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
