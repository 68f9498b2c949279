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

// within is the median of ratios and their range, which of n rounds is a confidence interval of the median of 1 - 2^(1-n): half of all
// rounds are above it, and that all n are on one side of it is as likely as n coins that fall alike.
func within(ratios []float64) string {
	if len(ratios) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(ratios), quantile(ratios, 0), quantile(ratios, 1))
}

// firstRows are first convergences against both floors.
func firstRows(all []result) (rows [][]string) {
	for _, r := range all {
		rows = append(rows, []string{
			fmt.Sprint(r.Namespaces), string(r.Attach), fmt.Sprint(len(r.Took)), seconds(r.Floor), seconds(r.Informed), spread(r.Took),
			within(ratios(r.Took, r.Floor, 0)), within(ratios(r.Took, r.Informed, 0)), within(ratios(r.Informed, r.Floor, 0)),
			seconds(r.CPU) + " / " + seconds(r.FloorCPU) + " / " + seconds(r.InformedCPU),
			seconds(r.Server) + " / " + seconds(r.FloorSrv) + " / " + seconds(r.InformedSrv), mebibytes(median(r.Peak)), r.Bound, r.verdict(),
		})
	}
	return rows
}

var firstHead = []string{"namespaces", "mode", "rounds", "bare loop, s", "with informers, s", "pullsecrets, s", "of the bare loop", "of that with informers", "that of the bare loop",
	"CPU s: ours / bare / with informers", "CPU s of the API server: ours / bare / with informers", "peak MiB", "bounds", "verdict"}

func resultTable(all []result) (string, error) {
	return table(firstHead, firstRows(of(all, workloadFirst))), nil
}

// apartTable is resultTable where the control plane had a processor of its own.
func apartTable(all []result) (string, error) {
	return table(firstHead, firstRows(where(all, func(r result) bool { return r.Workload == workloadFirst && r.Apart }))), nil
}

// baselineTable is pullsecrets beside another program, in each mode.
func baselineTable(all []result) (string, error) {
	var rows [][]string
	for _, other := range where(all, func(r result) bool { return r.Workload == workloadBaseline }) {
		for _, r := range where(all, func(r result) bool {
			return r.Workload == workloadFirst && len(r.Other) > 0 && r.Namespaces == other.Namespaces && r.Apart == other.Apart
		}) {
			both := func(of func(result) []float64) string { return seconds(of(r)) + " / " + seconds(of(other)) }
			rows = append(rows, []string{
				other.Name, fmt.Sprint(r.Namespaces), processors(r), string(r.Attach), spread(r.Took), spread(other.Took), within(ratios(r.Took, r.Other, 0)),
				within(ratios(r.Floor, r.Other, 0)), within(ratios(r.Informed, r.Other, 0)),
				both(func(r result) []float64 { return r.CPU }), both(func(r result) []float64 { return r.Server }), both(func(r result) []float64 { return r.Etcd }),
				mebibytes(median(r.Peak)) + " / " + mebibytes(median(other.Peak)), other.Requests.String(), r.versus(),
			})
		}
	}
	if len(rows) == 0 {
		return "No other tool was measured.\n", nil
	}
	return table([]string{"tool", "namespaces", "processors", "mode", "pullsecrets, s", "the tool, s", "pullsecrets / the tool", "the bare loop / the tool", "with informers / the tool", "CPU s: ours / its",
		"CPU s of the API server: ours / its", "CPU s of etcd: ours / its", "peak MiB: ours / its", "requests of the tool", "verdict"}, rows), nil
}

func processors(r result) string {
	if r.Apart {
		return "one each"
	}
	return "two, shared"
}

// versus is the verdict on the bound against another program.
func (r result) versus() string {
	bounds := map[mode]float64{accounts: 1, pods: 0.65}
	bound, ok := bounds[r.Attach]
	if !ok {
		return ""
	}
	if ratio := r.ratio(r.Other, 0); ratio > bound {
		return fmt.Sprintf("%.2f: missed by %.0f %%", bound, 100*(ratio/bound-1))
	}
	return fmt.Sprintf("%.2f: met", bound)
}

// costTable is what a first convergence costs others, for each namespace, of everybody in the same rounds.
func costTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range of(all, workloadFirst, workloadBaseline) {
		each := func(values []float64, unit float64) string {
			if len(values) == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", median(values)/float64(r.Namespaces)*unit)
		}
		bytes := func(n int) []float64 {
			if n == 0 {
				return nil
			}
			return []float64{float64(n)}
		}
		row := func(who, requests string, cpu, server, etcd, sent, received []float64) {
			rows = append(rows, []string{fmt.Sprint(r.Namespaces), who, requests, each(sent, 1./1024), each(received, 1./1024), each(cpu, 1000), each(server, 1000), each(etcd, 1000)})
		}
		perNamespace := func() string {
			return fmt.Sprintf("%.2f", float64(r.Requests.sum("", append(writes, "GET")...))/float64(r.Namespaces))
		}
		if r.Workload == workloadBaseline {
			row(r.Name, perNamespace(), r.CPU, r.Server, r.Etcd, bytes(r.Sent), bytes(r.Received))
			continue
		}
		row("pullsecrets, "+string(r.Attach), perNamespace(), r.CPU, r.Server, r.Etcd, bytes(r.Sent), bytes(r.Received))
		if len(r.Floor) > 0 {
			row("bare loop, "+string(r.Attach), fmt.Sprintf("%.2f", float64(r.exact())/float64(r.Namespaces)), r.FloorCPU, r.FloorSrv, r.FloorEtcd, nil, nil)
			row("bare loop with informers, "+string(r.Attach), fmt.Sprintf("%.2f", float64(r.exact())/float64(r.Namespaces)), r.InformedCPU, r.InformedSrv, nil, nil, nil)
		}
	}
	return table([]string{"namespaces", "who", "requests", "sent KiB", "received KiB", "its own CPU ms", "CPU ms of the API server", "CPU ms of etcd"}, rows), nil
}

// idleTable is what pullsecrets costs in an hour in which nothing happens.
func idleTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range of(all, workloadIdle) {
		hour := 3600 / median(r.Took)
		counts := requests{}
		for k, n := range r.Requests {
			counts[k] = int(float64(n)*hour + 0.5)
		}
		rows = append(rows, []string{
			fmt.Sprint(r.Namespaces), string(r.Attach), counts.String(), fmt.Sprintf("%.1f", median(r.CPU)*hour), fmt.Sprintf("%.0f", median(r.Server)*hour),
		})
	}
	return table([]string{"namespaces", "mode", "requests an hour", "its own CPU s", "CPU s of the API server, with all that it does by itself"}, rows), nil
}

// largeTable is what is measured in large clusters without a floor.
func largeTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range where(all, func(r result) bool { return r.Idle > 0 }) {
		more := median(r.Peak) - float64(r.Idle)
		rows = append(rows, []string{
			fmt.Sprint(r.Namespaces), fmt.Sprint(r.objects()), r.Workload, spread(r.Took), seconds(r.CPU), seconds(r.Server), mebibytes(median(r.Peak)),
			mebibytes(float64(r.Idle)), fmt.Sprintf("%.2f", more/float64(r.objects())/1024), r.Requests.String(), r.Bound, r.verdict(),
		})
	}
	return table([]string{"namespaces", "objects", "what", "s", "CPU s", "CPU s of the API server", "peak MiB", "idle MiB", "KiB an object beyond that",
		"requests", "bounds", "verdict"}, rows), nil
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
		rows = append(rows, []string{r.Workload, string(r.Attach), fmt.Sprint(r.Namespaces), floor, took, ratio, asked, r.Bound, r.remark()})
	}
	return table([]string{"what", "mode", "namespaces", "bare loop, s", "pullsecrets, s", "ratio", "requests", "bound", "verdict"}, rows), nil
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
		if r.Workload == workloadFirst && r.Unrelated == 0 && !r.Apart && r.Idle == 0 && r.Attach != admission && r.Attach != pods {
			out = append(out, r)
		}
	}
	return out
}

// unrelatedTable compares each size that was measured with other secrets in the cluster with the same without them.
func unrelatedTable(all []result) (string, error) {
	var rows [][]string
	for _, r := range all {
		if r.Unrelated == 0 || r.Workload != workloadFirst || r.Attach != accounts {
			continue
		}
		for _, o := range firsts(all) {
			if o.Namespaces == r.Namespaces && o.Secrets == r.Secrets && o.Accounts == r.Accounts {
				rows = append(rows, unrelatedRow(o), unrelatedRow(r))
			}
		}
	}
	if len(rows) == 0 {
		return "Not measured with this version.\n", nil
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
