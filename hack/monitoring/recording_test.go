package monitoring

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// recordedFile has what Prometheus collected around each step of the story.
const recordedFile = "testdata/recorded.yaml"

// recording is a step of the story, as far as its alerts look at it. Times are in seconds since 1970.
type recording struct {
	Step   string              `yaml:"step"`
	Alerts []string            `yaml:"alerts"`
	Began  int64               `yaml:"began"`
	Ended  int64               `yaml:"ended"`
	Series map[string]recorded `yaml:"series"`

	from, began, ends, ended, to time.Time
}

// recorded is a time series before the trouble, while it was there, and after it: a sample for each second, in promtool's
// notation (1x3 is 1 and three times more, _ is none).
type recorded struct {
	Before string `yaml:"before"`
	During string `yaml:"during"`
	After  string `yaml:"after"`
}

// record writes down what was collected around each step.
func (s *scene) record(all []recording) {
	s.T.Helper()
	byName := map[string]alert{}
	for _, a := range alerts {
		byName[a.name] = a
	}
	for i := range all {
		r := &all[i]
		r.Began, r.Ended, r.Series = r.began.Unix(), r.ended.Unix(), map[string]recorded{}
		names := map[string]bool{}
		for _, name := range r.Alerts {
			for _, selector := range selectors(s.T, byName[name].expr) {
				names[selector.Name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			for _, one := range s.prometheus.range1(name, r.from, r.to) {
				r.Series[notation(one.Metric)] = recorded{
					Before: seconds(one, r.from, r.began), During: seconds(one, r.began, r.ends), After: seconds(one, r.ended, r.to),
				}
			}
		}
	}
	text, err := toYAML(all)
	must(s.T, err)
	must(s.T, os.MkdirAll("testdata", 0o755))
	must(s.T, os.WriteFile(recordedFile, append([]byte("# Written by make monitoring-test TESTFLAGS=-update, of what a real Prometheus collected.\n"), text...), 0o644))
}

// notation is a series as PromQL names it.
func notation(labels map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if key != "__name__" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", key, labels[key]))
		}
	}
	return labels["__name__"] + "{" + strings.Join(pairs, ", ") + "}"
}

// seconds are the samples of a series from one time on and before another.
func seconds(one series, from, to time.Time) string {
	at := map[int64]string{}
	for _, v := range one.Values {
		at[int64(v[0].(float64))] = v[1].(string)
	}
	var samples []string
	for t := from.Unix(); t < to.Unix(); t++ {
		sample, ok := at[t]
		if !ok {
			sample = "_"
		}
		samples = append(samples, sample)
	}
	return joined(samples)
}

// joined writes samples in promtool's notation.
func joined(samples []string) string {
	var out []string
	for i := 0; i < len(samples); {
		n := i
		for n < len(samples) && samples[n] == samples[i] {
			n++
		}
		token := samples[i]
		if token == "_" && n-i > 1 {
			token = fmt.Sprintf("_x%d", n-i)
		} else if n-i > 1 {
			token = fmt.Sprintf("%sx%d", token, n-i-1)
		}
		out = append(out, token)
		i = n
	}
	return strings.Join(out, " ")
}

// samples reads what joined wrote; NaN is none.
func samples(text string) (all []float64) {
	for token := range strings.FieldsSeq(text) {
		value, times, repeated := strings.Cut(token, "x")
		n, _ := strconv.Atoi(times)
		if repeated && value != "_" {
			n++
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			v = math.NaN()
		}
		for range max(n, 1) {
			all = append(all, v)
		}
	}
	return all
}

func readRecordings() (all []recording, err error) {
	text, err := os.ReadFile(recordedFile)
	if err != nil {
		return nil, err
	}
	return all, yaml.Unmarshal(text, &all)
}
