package cluster

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhoOwnsASecret(t *testing.T) {
	const (
		marks   = "labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/rule: r, pullsecrets/source: home/hub"
		applied = "managedFields: [{manager: pullsecrets, operation: Apply, fieldsV1: {'f:metadata': {}, 'f:data': {'f:.dockerconfigjson': {}}}}]"
		labels  = "managedFields: [{manager: pullsecrets, operation: Apply, fieldsV1: {'f:metadata': {'f:labels': {}}}}]"
	)
	for _, tt := range []struct {
		why      string
		metadata string
		vouched  bool
		want     Ownership
		home     string
	}{
		{why: "nothing says so"},
		{why: "nothing but a ledger says so", vouched: true},

		{why: "made for this namespace", metadata: marks + ", pullsecrets/for: home/a}", want: Ours},
		{why: "the same, and its labels were stripped", metadata: "annotations: {pullsecrets/for: home/a}", want: Ours},
		{why: "copied from another namespace, marks and all", metadata: marks + ", pullsecrets/for: home/b}"},
		{why: "the same, and managedFields too", metadata: marks + ", pullsecrets/for: home/b}, " + applied},
		{why: "the same, and a ledger has the name", metadata: marks + ", pullsecrets/for: home/b}", vouched: true},
		{why: "of another installation", metadata: marks + ", pullsecrets/for: other/a}, " + applied, vouched: true, want: OtherInstallation, home: "other"},
		{why: "copied from where another installation made it", metadata: marks + ", pullsecrets/for: other/b}"},
		{why: "a mark that nobody wrote", metadata: marks + ", pullsecrets/for: home}, " + applied},
		{why: "and neither did anybody this", metadata: marks + ", pullsecrets/for: home/a/b}, " + applied},
		{why: "nor this", metadata: marks + ", pullsecrets/for: /a}"},

		{why: "annotations stripped", metadata: "labels: {app.kubernetes.io/managed-by: pullsecrets}, " + applied, want: Ours},
		{why: "all marks stripped", metadata: applied, want: Ours},
		{why: "all marks stripped, and the content is somebody else's by now", metadata: labels},
		{why: "the field manager is ours, but it updated", metadata: "managedFields: [{manager: pullsecrets, operation: Update, fieldsV1: {'f:data': {}}}]"},

		{why: "of an earlier version", metadata: marks + "}, " + applied, want: Ours},
		{why: "the same, and somebody else changed its content", metadata: marks + "}, " + labels, want: Ours},
		{why: "of an earlier version, restored from a backup", metadata: marks + "}", vouched: true, want: Ours},
		{why: "copied from one of an earlier version", metadata: marks + "}"},
		{why: "of another installation's earlier version", want: OtherInstallation, home: "other",
			metadata: "labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/source: other/hub}, " + applied},
		{why: "of an earlier version, from a source elsewhere", want: Ours,
			metadata: "labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/source: vault/hub}, " + applied},
		{why: "the label alone, which people copy", metadata: "labels: {app.kubernetes.io/managed-by: pullsecrets}", vouched: true},
		{why: "the source alone", metadata: "annotations: {pullsecrets/source: home/hub}", vouched: true},
		{why: "somebody else's label", metadata: "labels: {app.kubernetes.io/managed-by: Helm}, annotations: {pullsecrets/source: home/hub}", vouched: true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			by := Installation{Home: "home", Sources: []string{"vault"}}
			u := object(t, "{type: kubernetes.io/dockerconfigjson, metadata: {namespace: a, "+tt.metadata+"}}")
			got, home := by.Owns(NewProjector(nil).Secret(u), tt.vouched)
			if got != tt.want || home != tt.home {
				t.Errorf("got %v of %q, want %v of %q", got, home, tt.want, tt.home)
			}
		})
	}
	if got, _ := (Installation{}).Owns(nil, true); got != Foreign {
		t.Errorf("no secret is %v", got)
	}
}

// TestWhatIsUnwantedIsTheOthersWhoServeTheNamespace, where nothing but managedFields tells whose it is.
func TestWhatIsUnwantedIsTheOthersWhoServeTheNamespace(t *testing.T) {
	const (
		applied = `managedFields: [{manager: pullsecrets, operation: Apply, fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}}]`
		earlier = applied + ", labels: {app.kubernetes.io/managed-by: pullsecrets}, annotations: {pullsecrets/rule: r, "
	)
	for _, tt := range []struct {
		why, metadata string
		ledgers       []string
		beside        string // of another secret there
		want          Ownership
		home          string
	}{
		{"without marks, kept by another one", applied, []string{"other/a: x,reg"}, "", OtherInstallation, "other"},
		{"without marks, kept by nobody", applied, []string{""}, "", Ours, ""},
		{"without marks, kept by us", applied, []string{"home/a: reg"}, "", Ours, ""},
		{"without marks, kept by us, and another one is there", applied, []string{"other/a: x", "home/a: reg"}, "annotations: {pullsecrets/for: other/a}", Ours, ""},
		{"without marks, kept by us in the form of earlier versions", applied, []string{"reg"}, "annotations: {pullsecrets/for: other/a}", Ours, ""},
		{"without marks, kept by both", applied, []string{"home/a: reg", "other/a: reg"}, "", OtherInstallation, "other"},
		{"without marks, in a ledger of another namespace", applied, []string{"other/b: reg"}, "", Ours, ""},
		{"without marks, another one gave another name", applied, []string{"other/a: x"}, "", OtherInstallation, "other"},
		{"without marks, another one keeps a ledger without names", applied, []string{"other/a:"}, "", OtherInstallation, "other"},
		{"without marks, another one has a copy", applied, nil, "annotations: {pullsecrets/for: other/a}", OtherInstallation, "other"},
		{"without marks, beside a copy of ours", applied, nil, "annotations: {pullsecrets/for: home/a}", Ours, ""},
		{"without marks, beside one that was copied", applied, nil, "annotations: {pullsecrets/for: other/b}", Ours, ""},
		{"without marks, and our ledger came from another namespace", applied, []string{"home/b: reg"}, "annotations: {pullsecrets/for: other/a}", OtherInstallation, "other"},
		{"without marks, and so did a third one's", applied, []string{"third/b: reg"}, "annotations: {pullsecrets/for: other/a}", OtherInstallation, "other"},
		{"without marks, another one has a copy of an earlier version", applied, nil, earlier + "pullsecrets/source: other/more}", OtherInstallation, "other"},
		{"without marks, beside one of an earlier version that is ours", applied, nil, earlier + "pullsecrets/source: vault/more}", Ours, ""},
		{"with all marks but for whom, from where both may have sources", earlier + "pullsecrets/source: vault/hub}", nil, "annotations: {pullsecrets/for: other/a}", OtherInstallation, "other"},
		{"the same, kept by us", earlier + "pullsecrets/source: vault/hub}", []string{"home/a: reg"}, "annotations: {pullsecrets/for: other/a}", Ours, ""},
		{"the same, and nobody else is there", earlier + "pullsecrets/source: vault/hub}", nil, "", Ours, ""},
		{"with our mark, kept by another one", "annotations: {pullsecrets/for: home/a}, " + applied, []string{"other/a: reg"}, "annotations: {pullsecrets/for: other/a}", Ours, ""},
		{"somebody else's", "labels: {}", []string{"other/a: reg"}, "", Foreign, ""},
	} {
		var ledgers []Ledger
		for _, text := range tt.ledgers {
			ledgers = append(ledgers, ParseLedger(text))
		}
		by := Installation{Home: "home", Sources: []string{"vault"}}
		secret := func(name, metadata string) *Secret {
			return NewProjector(nil).Secret(object(t, "{type: kubernetes.io/dockerconfigjson, metadata: {namespace: a, name: "+name+", "+metadata+"}}"))
		}
		unwanted, beside := secret("reg", tt.metadata), secret("more", tt.beside)
		keeper := func() string { return by.Keeper("a", "reg", ledgers, slices.Values([]*Secret{unwanted, beside})) }
		got, home := by.OwnsUnwanted(unwanted, false, keeper)
		if got != tt.want || home != tt.home {
			t.Errorf("%s: got %v of %q, want %v of %q", tt.why, got, home, tt.want, tt.home)
		}
	}
}

func TestALedgerTellsWhoAddedWhatAndWhere(t *testing.T) {
	for _, tt := range []struct {
		text  string
		want  []string
		other string
	}{
		{"", nil, ""},
		{"home/a: x,y", []string{"x", "y"}, ""},
		{" home/a :y , ,x,y", []string{"y", "x"}, ""},
		{"home/a:", nil, ""},
		{"other/a: x", nil, "other"},
		{"other/a:", nil, "other"},
		{"home/b: x", nil, ""},  // an account that was copied from b
		{"other/b: x", nil, ""}, // the same, of another installation
		{"x,y", []string{"x", "y"}, ""},
		{" x,,x ", []string{"x"}, ""},
		{"home: x", nil, ""},
		{": x", nil, ""},
		{"/a: x", nil, ""},
		{"home/: x", nil, ""},
		{"home/a/b: x", nil, ""},
		{"home/a: x: y", []string{"x: y"}, ""},
	} {
		got, other := Installation{Home: "home"}.Noted("a", ParseLedger(tt.text))
		if diff := cmp.Diff(tt.want, got); diff != "" || other != tt.other {
			t.Errorf("%q: of %q, want %q (-want +got):\n%s", tt.text, other, tt.other, diff)
		}
	}
}

func TestALedgerIsReadAsItWasWritten(t *testing.T) {
	by := Installation{Home: "home"}
	for _, names := range [][]string{nil, {"x"}, {"x", "y.z"}} {
		text := by.Ledger("a", names)
		if diff := cmp.Diff(Ledger{Home: "home", Namespace: "a", Names: names}, ParseLedger(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if got := by.Ledger("a", []string{"x", "y"}); got != "home/a: x,y" {
		t.Errorf("got %q", got)
	}
}
