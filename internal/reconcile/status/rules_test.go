package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

func TestTheFirstRulesAndSourcesAreTold(t *testing.T) {
	for _, name := range []string{"%d", "%0253d"} {
		record := Record{}
		for i := range ShownRules + 500 {
			record.Rules = append(record.Rules, RuleTotals{Name: fmt.Sprintf(name, i), Namespaces: i})
			record.Summaries = append(record.Summaries, SourceSummary{Source: fmt.Sprintf(name, i)})
		}
		text, err := record.Encode()
		if err != nil || len(text) > 300<<10 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
		got := Decode(text)
		if len(got.Rules) == 0 || len(got.Rules) > ShownRules || len(got.Rules)+got.MoreRules != ShownRules+500 || got.Rules[1].Name != fmt.Sprintf(name, 1) {
			t.Errorf("%d rules and %d more", len(got.Rules), got.MoreRules)
		}
		if len(got.Summaries) != shownSources || len(got.Summaries)+got.MoreSources != ShownRules+500 {
			t.Errorf("%d sources and %d more", len(got.Summaries), got.MoreSources)
		}
	}
}

// TestARollOutThatIsTakenBackCountsTheSame: what the record left out before is still left out.
func TestARollOutThatIsTakenBackCountsTheSame(t *testing.T) {
	record := Record{Status: Ready, RolledOut: "sha256:1", Totals: Totals{Copies: map[string]int{}}}
	for i := range ShownRules + 500 {
		name := fmt.Sprintf("%05d", i)
		record.Copies[name] = 1
		record.Rules = append(record.Rules, RuleTotals{Name: name, Namespaces: i})
		record.Summaries = append(record.Summaries, SourceSummary{Source: name})
	}
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := Decode(text)
	want.RolledOut = ""
	if diff := cmp.Diff(want, Decode(NotRolledOut(text))); diff != "" {
		t.Error(diff)
	}
}

// TestTheRecordLeavesRoomForThePolicy whatever its rules are called: the API server refuses a ConfigMap that is larger.
func TestTheRecordLeavesRoomForThePolicy(t *testing.T) {
	record := Record{Status: Ready, RolledOut: "sha256:1", Totals: Totals{Copies: map[string]int{}}}
	for i := range ShownRules + 500 {
		name := fmt.Sprintf("%0253d", i)
		record.Copies[name] = 3000
		record.Rules = append(record.Rules, RuleTotals{name, 3000, 3000, 3000, 3000, 3000, "2026-06-01T11:57:00Z", fmt.Sprintf("%063d", i)})
		record.Attached.Accounts = append(record.Attached.Accounts, name)
		record.Summaries = append(record.Summaries, SourceSummary{Source: name, State: policy.SourceUsable, LastChange: "2026-06-01T11:57:00Z", Expires: "2026-06-01T11:57:00Z"})
	}
	text, err := record.Encode()
	if err != nil || len(text)+policy.MaxSize+roomForRest > 1<<20 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	got := Decode(text)
	if n := len(got.Rules); n == 0 || n+got.MoreRules != ShownRules+500 || got.Rules[n-1].Name != record.Rules[n-1].Name || len(got.Copies)+got.RulesLeftOut != ShownRules+500 {
		t.Errorf("%d rules and %d more, copies of %d and %d more", n, got.MoreRules, len(got.Copies), got.RulesLeftOut)
	}
	want := got
	want.RolledOut = ""
	if diff := cmp.Diff(want, Decode(NotRolledOut(text))); diff != "" {
		t.Error(diff)
	}
	if len(record.Copies) != ShownRules+500 {
		t.Error("encoding changed the record")
	}
}

// TestASourceIsSummedUp without anything of its credential, and with times alone that are the source's own.
func TestASourceIsSummedUp(t *testing.T) {
	written := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	source := &cluster.Source{
		Secret:  &cluster.Secret{Owners: []cluster.Owner{{Manager: "kubectl", Time: "2026-03-01T00:00:00Z"}}},
		Created: written, Expires: until, Credential: cluster.NewCredential([]byte("canary")),
	}
	got := SummariesOf(map[types.NamespacedName]policy.SourceState{
		{Namespace: "pullsecrets", Name: "hub"}:  {Status: policy.SourceUsable, Source: source},
		{Namespace: "pullsecrets", Name: "made"}: {Status: policy.SourceInvalid, Source: &cluster.Source{Secret: &cluster.Secret{}, Created: written}},
		{Namespace: "other", Name: "none"}:       {Status: policy.SourceMissing},
	})
	want := []SourceSummary{
		{Source: "other/none", State: policy.SourceMissing},
		{Source: "pullsecrets/hub", State: policy.SourceUsable, LastChange: "2026-03-01T00:00:00Z", Expires: "2027-01-01T00:00:00Z"},
		{Source: "pullsecrets/made", State: policy.SourceInvalid, LastChange: "2026-01-02T02:04:05Z"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text, _ := (Record{Summaries: got}).Encode(); strings.Contains(text, "canary") {
		t.Error(text)
	}
}

// TestAnEarlierVersionReadsTheStatus, and this one what an earlier one wrote: both leave out what they do not know.
func TestAnEarlierVersionReadsTheStatus(t *testing.T) {
	const earlier = `{"status": "Degraded", "observed": "sha256:1", "rolledOut": "sha256:1", "namespaces": 3, "serviceAccounts": 2,
  "copies": {"hub": 3}, "problemCount": 1, "problems": [{"kind": "Secret", "name": "reg", "reason": "ForeignSecret", "detail": "it is", "namespaces": 2, "example": "a"}],
  "sourceFindings": [{"source": "pullsecrets/hub", "reason": "SourceExpiring", "message": "soon"}], "later": {"what": "ever"}}`
	r, err := DecodeStrict(earlier)
	if err != nil || r.Rules != nil || r.Summaries != nil || r.Copies["hub"] != 3 || r.First[0].Scope != "" || r.Totals.Sources[0].Reason != "SourceExpiring" {
		t.Errorf("%v %+v", err, r)
	}
	// What an earlier version knows of the record, in the form that it had.
	type earlierRecord struct {
		Status, Observed, RolledOut string
		Copies                      map[string]int
		ProblemCount                int
		Problems                    []struct {
			Kind, Name, Reason, Detail, Example string
			Namespaces                          int
		}
		SourceFindings []SourceFinding
	}
	r.Rules = []RuleTotals{{Name: "hub", Namespaces: 3}}
	r.Summaries = []SourceSummary{{Source: "pullsecrets/hub"}}
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got earlierRecord
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != Degraded || got.Copies["hub"] != 3 || got.Problems[0].Example != "a" || got.Problems[0].Namespaces != 2 || len(got.SourceFindings) != 1 {
		t.Errorf("%+v", got)
	}
}
