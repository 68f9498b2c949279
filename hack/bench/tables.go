package main

import (
	"fmt"
	"strings"
)

// seconds is the median; what was not measured is no number.
func seconds(values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(values))
}

func mebibytes(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(values), quantile(values, 0), quantile(values, 1))
}

// resultTable is first convergence against both floors.
func resultTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range of(all, workloadFirst) {
		rows = append(rows, []string{
			fmt.Sprint(r.Namespaces), seconds(r.Floor), seconds(r.Informed), spread(r.Took),
			fmt.Sprintf("%.2f", r.ratio(r.Floor, 0)), fmt.Sprintf("%.2f", r.ratio(r.Informed, 0)),
			seconds(r.CPU) + " / " + seconds(r.FloorCPU) + " / " + seconds(r.InformedCPU),
			seconds(r.Server) + " / " + seconds(r.FloorSrv) + " / " + seconds(r.InformedSrv), mebibytes(median(r.Peak)), r.Bound, r.verdict(),
		})
	}
	return table([]string{"namespaces", "bare loop, s", "with informers, s", "pullsecrets, s", "of the bare loop", "of that with informers",
		"CPU s: ours / bare / with informers", "CPU s of the API server: ours / bare / with informers", "peak MiB", "bounds", "verdict"}, rows), nil
}

// baselineTable is pullsecrets beside another program.
func baselineTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range of(all, workloadBaseline) {
		both := func(of func(result) string) string { return of(*r.Ours) + " / " + of(r) }
		rows = append(rows, []string{
			r.Name, fmt.Sprint(r.Namespaces), seconds(r.Ours.Floor), seconds(r.Ours.Informed), spread(r.Ours.Took), spread(r.Took),
			fmt.Sprintf("%.2f", r.Ours.ratio(r.Took, 0)),
			both(func(r result) string { return seconds(r.CPU) }), both(func(r result) string { return seconds(r.Server) }),
			both(func(r result) string { return mebibytes(median(r.Peak)) }), r.Requests.String(), r.Bound, r.remark(),
		})
	}
	if len(rows) == 0 {
		return "No other tool was measured.\n", nil
	}
	return table([]string{"tool", "namespaces", "bare loop, s", "with informers, s", "pullsecrets, s", "the tool, s", "pullsecrets / the tool",
		"CPU s: ours / its", "CPU s of the API server: ours / its", "peak MiB: ours / its", "requests of the tool", "bound", "verdict"}, rows), nil
}

// changeTable is what happens while it runs, and a restart.
func changeTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range of(all, workloadRestart, workloadNothing, workloadRotation, workloadAdded, workloadBurst, workloadDuring) {
		floor, took, ratio, asked := "", "", "", r.Requests.String()
		switch {
		case r.births():
			if len(r.Requests) == 0 {
				asked = "" // not counted; it takes some even to make a namespace
			}
			floor, took = milliseconds(r.Floor)+" until the cluster made the account", milliseconds(r.Took)
		case len(r.Floor) > 0:
			floor, took, ratio = seconds(r.Floor), spread(r.Took), fmt.Sprintf("%.2f", r.ratio(r.Floor, 0))
		case len(r.Took) > 0:
			took = spread(r.Took)
		}
		rows = append(rows, []string{r.Workload, fmt.Sprint(r.Namespaces), floor, took, ratio, asked, r.Bound, r.remark()})
	}
	return table([]string{"what", "namespaces", "bare loop, s", "pullsecrets, s", "ratio", "requests", "bound", "verdict"}, rows), nil
}

// sizeTable is what a first convergence costs at each size.
func sizeTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range firsts(all) {
		rows = append(rows, []string{
			fmt.Sprint(r.Namespaces), fmt.Sprint(r.Secrets), fmt.Sprint(r.Accounts),
			fmt.Sprint(r.Requests.sum("secrets", writes...)), fmt.Sprint(r.Requests.sum("serviceaccounts", writes...)), fmt.Sprint(r.Requests.sum("", "GET")),
			seconds(r.Floor), seconds(r.Took), fmt.Sprintf("%.2f", r.ratio(r.Floor, 0)), seconds(r.CPU), mebibytes(median(r.Peak)),
			mebibytes(float64(r.Sent)), mebibytes(float64(r.Received)), mebibytes(float64(r.Storage)), mebibytes(float64(r.ServerRSS)),
		})
	}
	return table([]string{"namespaces", "secrets", "accounts", "writes of secrets", "of accounts", "GETs", "bare loop, s", "took, s", "ratio", "CPU s", "peak MiB",
		"sent MiB", "received MiB", "etcd MiB", "API server MiB"}, rows), nil
}

// firsts are the first convergences of all sizes, with nothing unrelated in the cluster.
func firsts(all []result) (out []result) {
	for _, r := range all {
		if r.Workload == workloadFirst && r.Unrelated == 0 {
			out = append(out, r)
		}
	}
	return out
}

// unrelatedTable compares each size that was measured with other secrets in the cluster with the same without them.
func unrelatedTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range all {
		if r.Unrelated == 0 || r.Workload != workloadFirst {
			continue
		}
		for _, o := range firsts(all) {
			if o.Namespaces == r.Namespaces && o.Secrets == r.Secrets && o.Accounts == r.Accounts {
				rows = append(rows, unrelatedRow(o), unrelatedRow(r))
			}
		}
	}
	return table([]string{"namespaces", "unrelated secrets", "of the bare loop", "CPU s", "peak MiB", "received MiB", "requests"}, rows), nil
}

func unrelatedRow(r result) []string {
	return []string{fmt.Sprint(r.Namespaces), fmt.Sprint(r.Unrelated), fmt.Sprintf("%.2f", r.ratio(r.Floor, 0)), seconds(r.CPU), mebibytes(median(r.Peak)),
		mebibytes(float64(r.Received)), r.Requests.String()}
}

// costs are what is modelled.
var costs = []struct {
	name, unit string
	scale      float64 // from what is measured to the unit
	of         func(result) float64
}{
	{"writes", "", 1, func(r result) float64 {
		return float64(r.Requests.sum("secrets", writes...) + r.Requests.sum("serviceaccounts", writes...))
	}},
	{"CPU of pullsecrets", "ms", 1000, func(r result) float64 { return median(r.CPU) }},
	{"CPU of the API server", "ms", 1000, func(r result) float64 { return median(r.Server) }},
	{"peak memory of pullsecrets", "KiB", 1.0 / 1024, func(r result) float64 { return median(r.Peak) }},
	{"bytes sent", "KiB", 1.0 / 1024, func(r result) float64 { return float64(r.Sent) }},
	{"bytes received", "KiB", 1.0 / 1024, func(r result) float64 { return float64(r.Received) }},
}

// growthTable is the linear model of each cost, and what it says of 50,000 namespaces.
func growthTable(all []result) (string, error) {
	sizes := firsts(all)
	var rows [][]string
	for _, c := range costs {
		m, err := fit(sizes, c.of)
		if err != nil {
			return "", err
		}
		number := func(x float64) string { return fmt.Sprintf("%.2f", x*c.scale) }
		rows = append(rows, []string{
			strings.TrimSpace(c.name + " " + strings.TrimSuffix("("+c.unit+")", "()")), number(m.base), number(m.namespace), number(m.copy), number(m.account),
			fmt.Sprintf("%.0f %%", 100*m.off(sizes, c.of)), fmt.Sprintf("%.0f", m.at(50000, 1, 1)*c.scale), fmt.Sprintf("%.0f", m.at(50000, 5, 10)*c.scale),
		})
	}
	return table([]string{"cost", "at the start", "a namespace", "a copy", "an account", "off at most",
		"50,000 namespaces of 1 and 1", "of 5 secrets and 10 accounts"}, rows), nil
}
