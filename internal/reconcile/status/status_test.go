package status

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

func TestAPolicyIsPackedAndUnpacked(t *testing.T) {
	documents := map[string]string{"b.yaml": "rules: []\n", "a.json": "{}", "README.md": "no document"}
	packed, err := PackPolicy(documents)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := PackPolicy(documents)
	if !bytes.Equal(packed, again) {
		t.Error("the same documents give other bytes, so the status would be written again and again")
	}
	got, err := UnpackPolicy(packed)
	if diff := cmp.Diff(map[string]string{"b.yaml": "rules: []\n", "a.json": "{}"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if none, err := PackPolicy(nil); none != nil || err != nil {
		t.Errorf("no documents are %v, %v", none, err)
	}
	if none, err := UnpackPolicy(nil); none != nil || err != nil {
		t.Errorf("no bytes are %v, %v", none, err)
	}
}

// TestWhatSomebodyEditedIsAnError and no policy, however large it is.
func TestWhatSomebodyEditedIsAnError(t *testing.T) {
	zipped := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.Bytes()
	}
	for why, packed := range map[string][]byte{
		"no gzip":              []byte("rules: []"),
		"a gzip that ends":     zipped("{}")[:12],
		"no JSON":              zipped("rules: []"),
		"JSON of another sort": zipped("[1]"),
		"far too much":         zipped(`{"a.yaml": "` + strings.Repeat("x", 5*policy.MaxSize) + `"}`),
	} {
		if got, err := UnpackPolicy(packed); err == nil {
			t.Errorf("%s: %d documents", why, len(got))
		}
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	record := Record{Status: Degraded, Observed: "sha256:1", Revision: "v1", Confirmed: "sha256:0", Totals: Totals{
		Namespaces: 3, ServiceAccounts: 2, Copies: map[string]int{"hub": 3}, Problems: 1,
		First: []ShownProblem{{Problem: Problem{Kind: "Secret", Name: "reg", Reason: "ForeignSecret", Detail: "it is"}, Namespaces: 2, Example: "a", Others: []string{"b"}}},
	}}
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record, Decode(text)); diff != "" {
		t.Error(diff)
	}
	for _, edited := range []string{"", "no JSON", "[]", `{"status": 5, "confirmed": "sha256:0"}`} {
		if got := Decode(edited); got.Status != "" {
			t.Errorf("%q is read as %+v", edited, got)
		}
	}
	if got := Decode(`{"status": 5, "confirmed": "sha256:0"}`); got.Confirmed != "sha256:0" {
		t.Errorf("what was not edited is lost: %+v", got)
	}
}

func TestTheFirstRulesAreCounted(t *testing.T) {
	record := Record{Totals: Totals{Copies: map[string]int{}}}
	for i := range ShownRules + 5 {
		record.Copies[fmt.Sprintf("%05d", i)] = i
	}
	text, _ := record.Encode()
	if got := Decode(text); len(got.Copies) != ShownRules || got.RulesLeftOut != 5 || got.Copies["00001"] != 1 {
		t.Errorf("%d rules, %d left out", len(got.Copies), got.RulesLeftOut)
	}
	if len(record.Copies) != ShownRules+5 {
		t.Error("encoding changed the record")
	}
}

// TestTheRecordHasWhatRegistriesSaid of the first sources, within what a ConfigMap takes beside a policy.
func TestTheRecordHasWhatRegistriesSaid(t *testing.T) {
	record := Record{}
	for i := range ShownVerified + 5 {
		record.Verified = append(record.Verified, VerifiedSource{
			Source: fmt.Sprintf("%063d/%0253d", 0, ShownVerified+5-i), UID: "0f9d9c2e-6a55-4a37-9d75-6f6f9d0b7c11", ResourceVersion: "18446744073709551615",
			Verdict: VerdictUnverified, Text: strings.Repeat("x", 560),
		})
	}
	text, err := record.Encode()
	if err != nil || len(text) > 256<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	got := Decode(text).Verified
	if len(got) != ShownVerified || !strings.HasSuffix(got[0].Source, "0001") || record.Verified[0].Source < got[0].Source {
		t.Errorf("%d sources, from %s", len(got), got[0].Source)
	}
}

// TestWhatIsKnownIsOfOneVersion, and takes nothing back from a source that cannot be copied anyway.
func TestWhatIsKnownIsOfOneVersion(t *testing.T) {
	key := types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}
	record := Record{Verified: []VerifiedSource{
		{Source: "pullsecrets/other", UID: "uid", ResourceVersion: "7", Verdict: VerdictAsking},
		{Source: "pullsecrets/hub", UID: "uid", ResourceVersion: "7", Verdict: VerdictRefused, Text: "no"},
	}}
	source := func(uid types.UID, version string) *cluster.Source {
		return &cluster.Source{Secret: &cluster.Secret{Meta: cluster.Meta{UID: uid, ResourceVersion: version}}}
	}
	for _, c := range []struct {
		state policy.SourceState
		want  policy.SourceStatus
	}{
		{policy.SourceState{Status: policy.SourceUsable, Source: source("uid", "7")}, policy.SourceRefused},
		{policy.SourceState{Status: policy.SourceUsable, Source: source("uid", "8")}, policy.SourceUsable},
		{policy.SourceState{Status: policy.SourceUsable, Source: source("new", "7")}, policy.SourceUsable},
		{policy.SourceState{Status: policy.SourceInvalid, Source: source("uid", "7")}, policy.SourceInvalid},
		{policy.SourceState{Status: policy.SourceMissing}, policy.SourceMissing},
	} {
		if got := record.JudgeSource(key, c.state); got.Status != c.want {
			t.Errorf("%+v is %s, want %s", c.state, got.Status, c.want)
		}
	}
}
