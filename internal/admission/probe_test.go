package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeen(t *testing.T) {
	for _, c := range []struct {
		annotation string
		want       map[string]string
	}{
		{"", map[string]string{}},
		{"hub=12", map[string]string{"hub": "12"}},
		{"hub=12 team-a=7  ghcr=", map[string]string{"hub": "12", "team-a": "7", "ghcr": ""}},
		{"hub", map[string]string{}},
	} {
		if diff := cmp.Diff(c.want, Seen(c.annotation)); diff != "" {
			t.Errorf("%q (-want +got): %s", c.annotation, diff)
		}
	}
}

// TestTheProbeServesNobody because somebody may apply it for real.
func TestTheProbeServesNobody(t *testing.T) {
	u := Probe("own")
	if u.GetName() != "pullsecrets-probe" || u.GetNamespace() != "own" || u.GetAnnotations() != nil {
		t.Errorf("it is %v", u.Object)
	}
	one, err := newParameter(u.Object["spec"].(map[string]any))
	if err != nil || len(one.names) > 0 || one.namespaces.named("default") || one.accounts.named("default") {
		t.Errorf("it matches %+v (%v)", one, err)
	}
}
