package inspect

import (
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// What only the controller knows of a source, as whether its registry takes it, explain has from the status, and so has
// whoever may not read the source. What the source itself tells is not taken from a status that may be older.
func TestExplainSaysWhatTheStatusKnowsOfASource(t *testing.T) {
	documents := map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets: [{source: {name: reg}}]\n"}
	secret := map[string]any{"type": "kubernetes.io/dockerconfigjson", "stringData": nil,
		"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"}}
	objects := dumpLookup{
		explained("Namespace", "", "a", nil), explained("ServiceAccount", "a", "default", nil),
		explained("Secret", "home", "reg", secret),
		explained("ConfigMap", "home", "status", map[string]any{"data": map[string]any{
			"names": "reg", "status.json": `{"sourceFindings": [
				{"source": "home/reg", "reason": "SourceDoubtful", "message": "it was doubtful"},
				{"source": "home/reg", "reason": "Refused", "message": "the registry says no", "problem": true},
				{"source": "home/other", "reason": "Refused", "message": "another"}]}`,
		}}),
	}
	at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
	for _, tt := range []struct {
		who  someones
		want []string
	}{
		{someones{}, []string{"the registry says no (Refused)"}},
		{someones{noSecrets: []string{"home"}}, []string{"it was doubtful (SourceDoubtful)", "the registry says no (Refused)"}},
	} {
		tt.who.dumpLookup = objects
		e, err := explain(tt.who, at, policy.Options{Namespace: "home"}, documents, "a", Target{})
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Copies) != 1 || !slices.Equal(e.Copies[0].Warnings, tt.want) {
			t.Errorf("%+v", e.Copies)
		}
	}
}
