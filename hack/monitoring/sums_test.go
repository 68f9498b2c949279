package monitoring

import (
	"fmt"
	"strings"
	"testing"
)

// TestPanelsAddInstallationsUp has two clusters with an installation of the same name, of two pods each.
func TestPanelsAddInstallationsUp(t *testing.T) {
	var series []unitInput
	for cluster, value := range map[string]string{"east": "3", "west": "5"} {
		for pod, leads := range map[string]bool{"a": true, "b": false} {
			for _, metric := range []string{`pullsecrets_copies{rule="r"}`, "pullsecrets_namespaces", "pullsecrets_namespaces_selected", "pullsecrets_namespaces_failing",
				"pullsecrets_namespaces_failing_limit", "pullsecrets_service_accounts", "pullsecrets_held_prunes", "pullsecrets_queue_length", "pullsecrets_rules_fallen_back",
				`pullsecrets_problems{kind="k", reason="x"}`, `pullsecrets_stuck_pods{verdict="v"}`} {
				samples := "0"
				if leads {
					samples = value
				}
				series = append(series, unitInput{strings.Replace(of1(metric, pod), "{", fmt.Sprintf("{cluster=%q, ", cluster), 1), samples})
			}
			for _, metric := range []string{`pullsecrets_source_expiry_timestamp_seconds{source="s"}`, `pullsecrets_source_last_change_timestamp_seconds{source="s"}`} {
				if leads {
					series = append(series, unitInput{strings.Replace(of1(metric, pod), "{", fmt.Sprintf("{cluster=%q, ", cluster), 1), value})
				}
			}
		}
	}
	wants := map[string]unitSample{ // by title and legend
		"Copies in place ": {"{}", 8}, "Removals held ": {"{}", 8}, "Next credential to end ": {"{}", 3}, "Problems {{kind}} {{reason}}": {`{kind="k", reason="x"}`, 8},
		"Namespaces with problems of their own with problems": {"{}", 8}, "Namespaces with problems of their own limit": {"{}", 8},
		"Namespaces and service accounts namespaces": {"{}", 8}, "Namespaces and service accounts selected": {"{}", 8}, "Namespaces and service accounts service accounts": {"{}", 8},
		"Copies by rule {{rule}}": {`{rule="r"}`, 8}, "Rules that fell back to service accounts rules": {"{}", 8}, "Time until a credential ends {{source}}": {`{source="s"}`, 3},
		"Age of credentials {{source}}": {`{source="s"}`, -3}, "Namespaces in the queue waiting": {"{}", 8}, "Pods that wait for an image {{verdict}}": {`{verdict="v"}`, 8},
	}
	test := unitTest{Every: "1m", Series: series}
	all := queries()
	for title, want := range wants {
		expr, ok := all["panel "+title]
		if !ok {
			t.Fatalf("there is no panel %q", title)
		}
		test.Wants = append(test.Wants, unitWant{grafana.Replace(expr), "0m", []unitSample{want}})
	}
	tryRules(t, test)
}
