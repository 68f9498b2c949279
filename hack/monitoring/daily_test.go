package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// daily is a day on which nothing happens that the platform's team has to be told of: samples a minute.
type daily struct {
	name   string
	series map[string]string // by pod and metric, as promtool has them
	fires  string            // the names of alerts that a person may look at in their own time (info), at the end
}

// usual are the series of a pod that works and to which nothing happens, and those of one that stands by.
func usual(pod string, leads int, samples func(value string) string) map[string]string {
	all := map[string]string{}
	for metric, value := range map[string]string{
		"up": "1", "process_start_time_seconds": "1000", `pullsecrets_build_info{version="v1"}`: "1", "pullsecrets_leader": fmt.Sprint(leads),
		`pullsecrets_policy_state{state="Ready"}`: fmt.Sprint(leads), `pullsecrets_policy_state{state="Degraded"}`: "0",
		"pullsecrets_oldest_unsynced_seconds": "0", "pullsecrets_queue_length": "0", "pullsecrets_held_prunes": "0",
		"pullsecrets_namespaces_failing": "0", "pullsecrets_namespaces_failing_limit": fmt.Sprint(leads * 41),
		"pullsecrets_oldest_unsettled_watch_seconds": "0",
	} {
		all[of1(metric, pod)] = samples(value)
	}
	return all
}

// of1 is a series of a pod.
func of1(metric, pod string) string {
	labels := fmt.Sprintf(`namespace="pullsecrets", job="pullsecrets/pullsecrets", pod=%q, instance=%q`, pod, pod)
	if name, own, has := strings.Cut(metric, "{"); has {
		return name + "{" + strings.TrimSuffix(own, "}") + ", " + labels + "}"
	}
	return metric + "{" + labels + "}"
}

func always(value string) string { return value + "x120" }

// with are series with others in their place.
func with(all map[string]string, parts ...map[string]string) map[string]string {
	joined := map[string]string{}
	for _, part := range append([]map[string]string{all}, parts...) {
		for name, samples := range part {
			joined[name] = samples
		}
	}
	return joined
}

func days() []daily {
	two := with(usual("a", 1, always), usual("b", 0, always))
	tenant := map[string]string{
		of1("pullsecrets_namespaces_failing", "a"):                               "0x10 1x110",
		of1(`pullsecrets_problems{kind="Namespace", reason="WriteFailed"}`, "a"): "_x10 1x110",
		of1("pullsecrets_oldest_unsynced_seconds", "a"):                          "0x10 60+60x110",
	}
	return []daily{
		{name: "nothing happens", series: two},
		{name: "a roll-out", series: with(
			// Both pods go, those that come take two minutes to work, and one of the old ones does not answer before it is gone.
			usual("a", 1, func(v string) string { return v + "x40 stale" }),
			usual("b", 0, func(v string) string { return v + "x38 stale" }),
			map[string]string{of1("up", "b"): "1x38 0 0 stale"},
			usual("c", 1, func(v string) string { return "_x42 " + v + "x77" }),
			usual("d", 0, func(v string) string { return "_x39 " + v + "x80" }),
		)},
		{name: "a first install", series: with(usual("a", 1, func(v string) string { return "_x4 " + v + "x115" }), map[string]string{
			of1(`pullsecrets_policy_state{state="Missing"}`, "a"): "_x4 1x3 0x110",
		})},
		{name: "a rotation of 300 namespaces", series: with(two, map[string]string{
			of1("pullsecrets_oldest_unsynced_seconds", "a"): "0x30 60 120 180 240 0x85",
			of1("pullsecrets_queue_length", "a"):            "0x30 300 220 140 60 0x85",
		})},
		{name: "a token of twelve hours that is renewed in time", series: with(two, map[string]string{
			of1(`pullsecrets_source_last_change_timestamp_seconds{source="s"}`, "a"): always("0"),
			of1(`pullsecrets_source_expiry_timestamp_seconds{source="s"}`, "a"):      always("43200"),
		})},
		{name: "a credential of 89 days that ends in eight", series: with(two, map[string]string{
			of1(`pullsecrets_source_last_change_timestamp_seconds{source="s"}`, "a"): always("-7680000"),
			of1(`pullsecrets_source_expiry_timestamp_seconds{source="s"}`, "a"):      always("691200"),
		})},
		{name: "three restarts in an hour", series: with(two, map[string]string{
			of1("process_start_time_seconds", "b"): "1000x19 1200x19 2400x19 3600x60",
		})},
		{name: "some evictions fail", series: with(two, map[string]string{
			of1(`pullsecrets_evictions_total{result="failed"}`, "e"): "0x10 1+1x5 6x100",
		})},
		{name: "a quota in one namespace of 412", series: with(two, tenant), fires: "PullsecretsProblems"},
		{name: "one namespace in which two programs fight", series: with(two, tenant, map[string]string{
			of1(`pullsecrets_problems{kind="Namespace", reason="WriteFailed"}`, "a"):    "_",
			of1(`pullsecrets_problems{kind="Secret", reason="Contested"}`, "a"):         "_x10 1x110",
			of1(`pullsecrets_fights_total{kind="Secret", manager="kubectl-edit"}`, "a"): "_x10 1+1x110",
		}), fires: "PullsecretsFight"},
	}
}

// TestNobodyIsCalledOnAUsualDay holds that no alert but those for a person's own time fires where all is as it should be, or
// where only single namespaces have problems.
func TestNobodyIsCalledOnAUsualDay(t *testing.T) {
	for _, day := range days() {
		t.Run(day.name, func(t *testing.T) {
			var wants []unitWant
			for minute := range 120 {
				wants = append(wants, unitWant{Expr: `count(ALERTS{alertstate="firing", severity!="info"}) or vector(0)`, At: fmt.Sprintf("%dm", minute), Samples: []unitSample{{"{}", 0}}})
			}
			end := unitWant{Expr: `group by (alertname) (ALERTS{alertstate="firing"})`, At: "119m"}
			if day.fires != "" {
				end.Samples = []unitSample{{fmt.Sprintf("{alertname=%q}", day.fires), 1}}
			}
			tryRules(t, unitTest{Name: day.name, Every: "1m", Series: inputs(day.series), Wants: append(wants, end)})
		})
	}
}

// TestAQueueThatIsNotWorkedOffIsToldOf also where single namespaces have problems of their own.
func TestAQueueThatIsNotWorkedOffIsToldOf(t *testing.T) {
	for failing := range 2 {
		tryRules(t, unitTest{Every: "1m", Series: inputs(with(usual("a", 1, always), map[string]string{
			of1("pullsecrets_namespaces_failing", "a"):      always(fmt.Sprint(failing)),
			of1("pullsecrets_oldest_unsynced_seconds", "a"): "0x10 60+60x60 0x40",
			of1("pullsecrets_queue_length", "a"):            "0x10 300x60 0x40",
		})), Wants: []unitWant{
			{Expr: `group by (alertname, severity) (ALERTS{alertstate="firing"})`, At: "60m", Samples: []unitSample{{`{alertname="PullsecretsBehind", severity="warning"}`, 1}}},
			{Expr: `ALERTS{alertstate="firing"}`, At: "80m"},
		}})
	}
}

// TestNobodyWorksDoesNotEndByItself where the only installation is gone: it is told of at each minute of half a day.
func TestNobodyWorksDoesNotEndByItself(t *testing.T) {
	test := unitTest{Every: "1m", Series: inputs(map[string]string{of1("pullsecrets_leader", "a"): "1x10 stale"})}
	for minute := 20; minute <= 720; minute++ {
		test.Wants = append(test.Wants, unitWant{Expr: `group by (alertname) (ALERTS{alertstate="firing"})`, At: fmt.Sprintf("%dm", minute),
			Samples: []unitSample{{`{alertname="PullsecretsNobodyWorks"}`, 1}}})
	}
	tryRules(t, test)
}

// TestADownPodIsToldOfAsLongAsItIsDown also where none of its job answers: two days.
func TestADownPodIsToldOfAsLongAsItIsDown(t *testing.T) {
	tryRules(t, unitTest{Every: "1h", Series: inputs(map[string]string{
		of1("up", "a"): "1x2 0x47", of1(`pullsecrets_build_info{version="v1"}`, "a"): "1x2 stale",
	}), Wants: []unitWant{
		{Expr: `group by (alertname) (ALERTS{alertstate="firing", alertname="PullsecretsDown"})`, At: "48h", Samples: []unitSample{{`{alertname="PullsecretsDown"}`, 1}}},
	}})
}

func inputs(series map[string]string) (all []unitInput) {
	for name, samples := range series {
		all = append(all, unitInput{name, samples})
	}
	return all
}

// tryRules has promtool try our rules.
func tryRules(t *testing.T, test unitTest) {
	t.Helper()
	folder := t.TempDir()
	text, err := toYAML(ruleGroups())
	must(t, err)
	must(t, os.WriteFile(folder+"/rules.yaml", text, 0o600))
	text, err = toYAML(unitTests{[]string{"rules.yaml"}, test.Every, []unitTest{test}})
	must(t, err)
	must(t, os.WriteFile(folder+"/test.yaml", text, 0o600))
	if out, err := exec.Command(program(t, "promtool"), "test", "rules", folder+"/test.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
