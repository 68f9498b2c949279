package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

var start = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// ends is a source whose credentials for a.example, b.example and so on end so long after the start.
func ends(after ...time.Duration) policy.SourceState {
	content := &cluster.Content{}
	for i, d := range after {
		content.Registries = append(content.Registries, cluster.Registry{
			Host: string(rune('a'+i)) + ".example", Validity: cluster.Validity{From: start, Until: start.Add(d)},
		})
	}
	return policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &cluster.Secret{Content: content}}}
}

func reasons(findings []policy.Finding) (out []string) {
	for _, f := range findings {
		out = append(out, f.Reason)
	}
	return out
}

// What is said of an end changes at the two borders that NextFinding names and at no other time, for any lives.
func TestFindingsChangeOnlyWhenNextFindingSays(t *testing.T) {
	for _, before := range []time.Duration{0, time.Minute, time.Hour, ExpiryWarning} {
		for _, lives := range [][]time.Duration{{}, {3 * time.Hour}, {3 * time.Hour, 3 * time.Hour}, {time.Hour, 12 * time.Hour, 30 * 24 * time.Hour}, {time.Second}} {
			state, now := ends(lives...), start
			var borders []time.Time
			for {
				next := NextFinding(state, now, before)
				said := Findings(state, now, before)
				if next.IsZero() {
					if later := Findings(state, now.AddDate(50, 0, 0), before); !slices.Equal(said, later) {
						t.Errorf("%v, %s: after the last border it says %v and later %v", lives, before, said, later)
					}
					break
				}
				if !next.After(now) {
					t.Fatalf("%v, %s: the border %s is not after %s", lives, before, next, now)
				}
				for _, between := range []time.Time{now.Add(next.Sub(now) / 2), next.Add(-1)} {
					if got := Findings(state, between, before); !slices.Equal(got, said) {
						t.Errorf("%v, %s: at %s it says %v, at %s %v", lives, before, now, said, between, got)
					}
				}
				if got := Findings(state, next, before); slices.Equal(got, said) {
					t.Errorf("%v, %s: the border %s changes nothing", lives, before, next)
				}
				borders, now = append(borders, next), next
			}
			if len(borders) > 2*len(lives) || before == 0 && len(borders) > len(lives) {
				t.Errorf("%v, %s: the borders are %v", lives, before, borders)
			}
		}
	}
}

func TestWhatIsSaidOfAnEnd(t *testing.T) {
	at := start.Add(12 * time.Hour)
	annotated := policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &cluster.Secret{}, Expires: at}}
	odd := ends()
	odd.Source.BadExpires = true
	invalid := ends(time.Hour)
	invalid.Status = policy.SourceInvalid
	for _, tt := range []struct {
		why     string
		state   policy.SourceState
		now     time.Time
		reasons []string
		words   string
	}{
		{"at first", ends(12 * time.Hour), start, nil, ""},
		{"in the last third", ends(12 * time.Hour), start.Add(8 * time.Hour), []string{"SourceExpiring"}, "the credential for a.example expires at 2026-11-27T12:00:00Z: put a new one"},
		{"at its end", ends(12 * time.Hour), at, []string{"SourceExpired"}, "the credential for a.example expired at 2026-11-27T12:00:00Z: put a new one"},
		{"one ended, one will", ends(time.Hour, 12*time.Hour), start.Add(9 * time.Hour), []string{"SourceExpired", "SourceExpiring"}, "a.example expired at"},
		{"many", ends(1, 2, 3, 4, 5), at, []string{"SourceExpired"}, "the credential for c.example expired at 2026-11-27T00:00:00Z, and 2 more"},
		{"by the annotation", annotated, at, []string{"SourceExpired"}, "its credential expired at 2026-11-27T12:00:00Z, as its annotation pullsecrets/expires says"},
		{"an annotation that is no time", odd, start, []string{"ExpiryUnreadable"}, "no time of RFC 3339 between 2001 and 9999, so it does not count: write it as 2"},
		{"a source that cannot be used", invalid, at, nil, ""},
	} {
		got := Findings(tt.state, tt.now, ExpiryWarning)
		if !slices.Equal(reasons(got), tt.reasons) || !strings.Contains(fmt.Sprint(got), tt.words) {
			t.Errorf("%s: %v", tt.why, got)
		}
		for _, f := range got {
			if f.Problem != (f.Reason == string(SourceExpired)) || !Reason(f.Reason).InSource() {
				t.Errorf("%s: %+v", tt.why, f)
			}
		}
	}
}
