package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

const performance = "../../docs/performance"

// TestThePagesSayWhatWasMeasured holds docs/performance.md and docs/performance-log.md against the results beside them.
func TestThePagesSayWhatWasMeasured(t *testing.T) {
	all, err := read(performance + ".json")
	if err != nil {
		t.Fatal(err)
	}
	for suffix, blocks := range pages {
		text, err := os.ReadFile(performance + suffix)
		if err != nil {
			t.Fatal(err)
		}
		filled, err := fill(string(text), all, blocks)
		if err != nil {
			t.Fatal(err)
		}
		if filled != string(text) {
			t.Errorf("docs/performance%s is not what docs/performance.json says; run: bin/bench -docs docs/performance.json", suffix)
		}
	}
}

func TestAModelFindsWhatACostIsMadeOf(t *testing.T) {
	truth := model{base: 7, namespace: 3, copy: 2, account: 0.5}
	cost := func(r result) float64 { return truth.at(r.Namespaces, r.Secrets, r.Accounts) }
	var all []result
	for _, n := range []int{300, 1000} {
		for _, secrets := range []int{1, 5} {
			for _, accounts := range []int{1, 10} {
				all = append(all, result{Namespaces: n, Secrets: secrets, Accounts: accounts})
			}
		}
	}
	got, err := fit(all, cost)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []float64{got.base - truth.base, got.namespace - truth.namespace, got.copy - truth.copy, got.account - truth.account} {
		if math.Abs(d) > 1e-6 {
			t.Fatalf("got %+v, want %+v", got, truth)
		}
	}
	if off := got.off(all, cost); off > 1e-6 {
		t.Errorf("it is off by %g of what it was fitted to", off)
	}
	if _, err := fit(all[:1], cost); err == nil {
		t.Error("one size tells what depends on what")
	}
}

// What costs nothing comes out a little below 0 by noise, and the parts that it is made up for with are then too high.
func TestNoPartOfAModelIsNegative(t *testing.T) {
	truth := model{base: 0, namespace: -1, copy: 2, account: 3}
	cost := func(r result) float64 { return truth.at(r.Namespaces, r.Secrets, r.Accounts) }
	all := []result{{Namespaces: 300, Secrets: 1, Accounts: 1}, {Namespaces: 300, Secrets: 5, Accounts: 1},
		{Namespaces: 1000, Secrets: 1, Accounts: 10}, {Namespaces: 1000, Secrets: 5, Accounts: 10}, {Namespaces: 3000, Secrets: 1, Accounts: 1}}
	got, err := fit(all, cost)
	if err != nil {
		t.Fatal(err)
	}
	if min(got.base, got.namespace, got.copy, got.account) < 0 || got.namespace != 0 {
		t.Errorf("got %+v", got)
	}
	if off := got.off(all, cost); off > 0.5 {
		t.Errorf("%+v is off by %g", got, off)
	}
}

// A bound that is missed must be told even where noise excuses it.
func TestTheVerdictIsAboutTheBoundAndMissedIsBeyondNoise(t *testing.T) {
	for _, tt := range []struct {
		took    float64
		verdict string
		missed  bool
	}{{1.0, "met", false}, {1.2, "missed by 9 %", false}, {1.5, "missed by 36 %", true}} {
		r := result{Workload: workloadRotation, Took: []float64{tt.took}, Floor: []float64{1}}
		r.judge(0.25)
		if r.verdict() != tt.verdict || r.Missed != tt.missed {
			t.Errorf("%g times the floor: %q and %t, want %q and %t", tt.took, r.verdict(), r.Missed, tt.verdict, tt.missed)
		}
	}
	r := result{Workload: workloadRestart, Requests: requests{"GET secrets": 1}}
	if r.judge(0.25); !r.Missed || r.verdict() != "MISSED" {
		t.Errorf("a GET after a restart is %q", r.verdict())
	}
}

// A write too many or too few in any round is a miss, wherever the round comes.
func TestABoundOnRequestsIsHeldToTheWorstRound(t *testing.T) {
	for _, rounds := range [][]int{{100, 102, 101}, {98, 100, 99}} {
		r := result{Workload: workloadFirst, Namespaces: 50, Secrets: 1, Accounts: 1}
		for _, n := range rounds {
			r.asked(requests{"APPLY secrets": 50, "APPLY serviceaccounts": n - 50})
		}
		if got := r.fault(r.Requests); got != 2 {
			t.Errorf("of rounds with %v writes, where 100 are right, it keeps one that is off by %d", rounds, got)
		}
		if r.judge(0.25); !r.Missed {
			t.Errorf("%v writes are said to be 100", rounds)
		}
	}
}

func TestAnotherProgramIsHeldAgainstOursOfTheSameRound(t *testing.T) {
	theirs := []float64{0.8, 2, 0.8}
	ours := result{Workload: workloadFirst, Attach: accounts, Namespaces: 300, Secrets: 1, Accounts: 1, Took: []float64{1, 2.2, 1}, Floor: []float64{0.9, 1.9, 0.8}, Other: theirs,
		Requests: requests{"APPLY secrets": 300, "APPLY serviceaccounts": 300}}
	copies := ours
	copies.Attach, copies.Took, copies.Requests = pods, []float64{0.48, 1.2, 0.48}, requests{"APPLY secrets": 300}
	for _, c := range []struct {
		r              result
		bound, verdict string
	}{{ours, "the other tool", "missed by 25 %"}, {copies, "0.65 x the other tool", "met"}} {
		c.r.judge(0.25)
		if got := c.r.verdict(); !strings.Contains(c.r.Bound, c.bound) || got != c.verdict {
			t.Errorf("%s: %q, %q", c.r.Attach, c.r.Bound, got)
		}
	}
	all := []result{ours, copies, {Workload: workloadBaseline, Name: "tool", Namespaces: 300, Secrets: 1, Accounts: 1, Took: theirs}}
	text, err := baselineTable(all)
	for _, want := range []string{"| tool | 300 | two, shared | accounts |", "| 1.25 (1.10 to 1.25) |", "1.00: missed by 25 %", "| 0.60 (0.60 to 0.60) |", "0.65: met"} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v, no %q:\n%s", err, want, text)
		}
	}
	all[0].Informed = []float64{0.9, 2.1, 1.1}
	text, err = baselineTable(all)
	if want := "| 1.25 (1.10 to 1.25) | 1.00 (0.95 to 1.12) | 1.12 (1.05 to 1.38) |"; err != nil || !strings.Contains(text, want) {
		t.Errorf("%v, no %q:\n%s", err, want, text)
	}
	if text, _ = baselineTable(all[:2]); strings.Contains(text, "|") {
		t.Errorf("no other program was measured, and there is a table:\n%s", text)
	}
	if name := (config{baseline: "/opt/tool -token secret"}).otherName(); name != "tool" {
		t.Errorf("it is called %q", name)
	}
}

// What an earlier build took stands beside what this one took of the same, and in no other table.
func TestAnEarlierBuildStandsBesideThisOne(t *testing.T) {
	first := result{Workload: workloadFirst, Attach: accounts, Namespaces: 300, Secrets: 1, Accounts: 1, Took: []float64{1, 2}, CPU: []float64{3, 3}, Server: []float64{4, 4},
		Peak: []float64{5 << 20, 5 << 20}, Requests: requests{"APPLY secrets": 300, "APPLY serviceaccounts": 300}}
	before := first
	before.Workload, before.Took = workloadBefore, []float64{2, 5}
	rotation := result{Workload: workloadRotation, Attach: accounts, Namespaces: 300, Secrets: 1, Accounts: 1, Took: []float64{1.5}, Floor: []float64{1}}
	slower := rotation
	slower.Earlier, slower.Took = true, []float64{3}
	many, fewer := rotation, slower
	many.Secrets, fewer.Secrets = 5, 5
	other := slower
	other.Namespaces = 1000 // nobody has measured that since
	all := []result{first, before, rotation, slower, many, fewer, other}
	text, err := earlierTable(all)
	for _, want := range []string{
		"| first convergence | accounts | 300 | two, shared | 3.50 / 1.50 | 0.45 (0.40 to 0.50) | 3.00 / 3.00 | 4.00 / 4.00 | 5.0 / 5.0 | 600 / 600 |",
		"| rotation | accounts | 300 | two, shared | 3.00 / 1.50 | 0.50 |", "| rotation, 5 secrets | accounts | 300 |",
	} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v, no %q:\n%s", err, want, text)
		}
	}
	if strings.Contains(text, "1000") {
		t.Errorf("a row has no counterpart:\n%s", text)
	}
	page, err := fill("<!-- begin changes -->\n<!-- end changes -->", all, blocks{"changes": changeTable})
	if err != nil || strings.Count(page, "rotation") != 1 || !strings.Contains(page, "1.50") {
		t.Errorf("%v, an earlier build is among what was measured now:\n%s", err, page)
	}
	if merged := merge(all, []result{slower}); len(merged) != len(all) {
		t.Errorf("of %d results, %d are left once one of an earlier build is measured again", len(all), len(merged))
	}
}

// Two rounds on a machine that was twice as busy in the second: each is held against its own floor.
func TestARatioIsTakenWithinARound(t *testing.T) {
	r := result{Took: []float64{1.1, 2.2, 1.1}, Floor: []float64{1, 2, 1}}
	if got := r.ratio(r.Floor, 0); math.Abs(got-1.1) > 1e-9 {
		t.Errorf("got %g, want 1.1", got)
	}
}

func TestTheMedianOfTwoFlattersNobody(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 4: {7, 1}, 5: {9, 5, 1}, 6: {9, 1, 7, 5}} {
		if got := median(values); got != want {
			t.Errorf("median of %v: got %v, want %v", values, got, want)
		}
	}
}

func TestASampleIsOfTheMetricAndNotOfALongerName(t *testing.T) {
	text := "# HELP a b\na_total 3\na{x=\"1 2\"} 4.5\n"
	if got := sample(text, "a"); got != 4.5 {
		t.Errorf("got %g, want 4.5", got)
	}
}
