package monitoring

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// replay is how what was recorded is played again: each second of the trouble becomes an interval, and then it lasts.
type replay struct {
	interval time.Duration
	total    time.Duration // of the trouble; 0: as long as the alert waits, and a quarter of an hour more
	only     string        // a part of the names of the series; empty: all
	alone    bool          // no second installation stands beside it: time alone would make its alert fire
}

// slow are alerts about long times.
var slow = map[string]replay{
	"PullsecretsCredentialExpires": {interval: 30 * time.Minute, total: 60 * time.Hour, only: `source="pullsecrets/hub"`, alone: true},
	"PullsecretsCredentialExpired": {interval: 30 * time.Minute, total: 74 * time.Hour, only: `source="pullsecrets/hub"`, alone: true},
	"PullsecretsCredentialOld":     {interval: 12 * time.Hour, total: 92 * 24 * time.Hour, only: `source="pullsecrets/hub"`, alone: true},
}

// The shape of a file of promtool's unit tests.
type (
	unitTests struct {
		RuleFiles []string   `yaml:"rule_files"`
		Interval  string     `yaml:"evaluation_interval"`
		Tests     []unitTest `yaml:"tests"`
	}
	unitTest struct {
		Name   string      `yaml:"name"`
		Start  int64       `yaml:"start_timestamp"`
		Every  string      `yaml:"interval"`
		Series []unitInput `yaml:"input_series"`
		Wants  []unitWant  `yaml:"promql_expr_test"`
	}
	unitInput struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	unitWant struct {
		Expr    string       `yaml:"expr"`
		At      string       `yaml:"eval_time"`
		Samples []unitSample `yaml:"exp_samples"`
	}
	unitSample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
)

// TestEachAlertFiresAndResolves has promtool try every alert on what was recorded of a real run: not before the trouble, nor
// before it lasts, at its end, and not when it is over. While it lasts a pod of another name takes over, and a second installation, to which
// nothing happens, stands beside.
func TestEachAlertFiresAndResolves(t *testing.T) {
	promtool := program(t, "promtool")
	all, err := readRecordings()
	must(t, err)
	folder := t.TempDir()
	text, err := toYAML(ruleGroups())
	must(t, err)
	must(t, os.WriteFile(folder+"/rules.yaml", text, 0o600))
	if out, err := exec.Command(promtool, "check", "rules", folder+"/rules.yaml").CombinedOutput(); err != nil {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
	for _, a := range alerts {
		t.Run(a.name, func(t *testing.T) {
			i := slices.IndexFunc(all, func(r recording) bool { return slices.Contains(r.Alerts, a.name) })
			if i < 0 {
				t.Fatalf("no step of the story has it: run make monitoring-test TESTFLAGS=-update")
			}
			how, ok := slow[a.name]
			if !ok {
				how = replay{interval: time.Minute}
			}
			text, err := toYAML(unitTests{[]string{"rules.yaml"}, how.interval.String(), []unitTest{unit(a, all[i], how)}})
			must(t, err)
			must(t, os.WriteFile(folder+"/test.yaml", text, 0o600))
			if out, err := exec.Command(promtool, "test", "rules", folder+"/test.yaml").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, text)
			}
		})
	}
}

const calm = 10 // intervals before the trouble

// unit is the test of an alert on a step.
func unit(a alert, r recording, how replay) unitTest {
	played := 0
	for _, s := range r.Series {
		played = max(played, len(samples(s.During)))
	}
	lasts, _ := time.ParseDuration(a.lasts)
	held := int((lasts+15*time.Minute)/how.interval) + 1
	if how.total > 0 {
		held = int(how.total/how.interval) - played
	}
	over := 20 // intervals after it
	if strings.Contains(a.expr, "[1h]") {
		over = 80
	}
	start := r.Began - int64(calm*how.interval/time.Second)
	afterwards := start + int64(calm+played+held)*int64(how.interval/time.Second)
	test := unitTest{Name: a.name, Start: start, Every: how.interval.String()}
	for _, name := range slices.Sorted(maps.Keys(r.Series)) {
		if !strings.Contains(name, how.only) {
			continue
		}
		s := r.Series[name]
		before, during, after := last(samples(s.Before)), samples(s.During), last(samples(s.After))
		values := slices.Repeat([]float64{before}, calm)
		values = append(values, during...)
		for range played - len(during) {
			values = append(values, last(during))
		}
		values = append(values, lasting(name, last(during), held, how.interval)...)
		if strings.Contains(name, "_timestamp_seconds{") && after != last(during) {
			after += float64(afterwards - r.Ended) // what was written anew was so at the time that it is now
		}
		if strings.HasPrefix(name, "pullsecrets_") && !strings.Contains(name, "_total{") && !strings.Contains(name, "evict") && !math.IsNaN(last(during)) {
			// Another pod goes on in the midst of it.
			change := len(values) - held/2
			gone, come := slices.Clone(values), slices.Clone(values)
			for i := range values {
				if i < change {
					come[i] = math.NaN()
				} else {
					gone[i] = math.NaN()
				}
			}
			rest := slices.Repeat([]float64{after}, over)
			none := slices.Repeat([]float64{math.NaN()}, over)
			test.Series = append(test.Series, unitInput{name, values1(append(gone, none...))},
				unitInput{strings.NewReplacer("pullsecrets-a", "pullsecrets-a2", "pullsecrets-b", "pullsecrets-b2", "10.0.0.", "10.0.1.").Replace(name), values1(append(come, rest...))})
		} else {
			test.Series = append(test.Series, unitInput{name, values1(append(values, slices.Repeat([]float64{after}, over)...))})
		}
		if !how.alone {
			test.Series = append(test.Series, unitInput{
				strings.Replace(name, `namespace="pullsecrets"`, `namespace="quiet"`, 1), values1(slices.Repeat([]float64{before}, len(values)+over)),
			})
		}
	}
	at := func(intervals int) string { return (time.Duration(intervals) * how.interval).String() }
	want := func(namespace string, intervals int, firing float64) {
		test.Wants = append(test.Wants, unitWant{
			fmt.Sprintf(`(count(ALERTS{alertname=%q, alertstate="firing", namespace=%q}) or vector(0)) > bool 0`, a.name, namespace),
			at(intervals), []unitSample{{"{}", firing}},
		})
	}
	want("pullsecrets", calm-1, 0)
	if how.total == 0 && lasts >= how.interval {
		want("pullsecrets", calm+int(lasts/how.interval)-1, 0) // what lasts a moment fires nothing
	}
	want("pullsecrets", calm+played+held-1, 1)
	want("quiet", calm+played+held-1, 0)
	want("pullsecrets", calm+played+held+over-1, 0)
	return test
}

// lasting are the samples of a series that goes on as it was: what tells how long something waits grows.
func lasting(name string, value float64, n int, interval time.Duration) (all []float64) {
	grows := strings.HasPrefix(name, "pullsecrets_oldest_") && value > 0
	for i := range n {
		if v := value; grows {
			all = append(all, math.Round(v+float64(i+1)*interval.Seconds()))
		} else {
			all = append(all, v)
		}
	}
	return all
}

func last(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	return all[len(all)-1]
}

// values1 writes samples down; where a series ends, Prometheus is told so, as when a process does not answer.
func values1(all []float64) string {
	var out []string
	for i, v := range all {
		switch {
		case !math.IsNaN(v):
			out = append(out, strconv.FormatFloat(v, 'f', -1, 64))
		case i > 0 && !math.IsNaN(all[i-1]):
			out = append(out, "stale")
		default:
			out = append(out, "_")
		}
	}
	return joined(out)
}
