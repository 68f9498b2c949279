package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var deleteNow = metav1.DeleteOptions{}

// run measures everything and prints it. missed says that a bound was missed by more than noise explains.
func run(ctx context.Context, c config) (missed bool, err error) {
	l, err := newLab(ctx, c)
	if err != nil {
		return false, err
	}
	var all []result
	for _, n := range c.sizes {
		if err := l.grow(n); err != nil {
			return false, err
		}
		fmt.Fprintf(os.Stderr, "%d namespaces…\n", n)
		results, err := l.measure()
		if err != nil {
			return false, err
		}
		for i := range results {
			results[i].judge(c.noise)
		}
		all = append(all, results...)
	}
	print(all)
	if c.jsonFile != "" {
		text, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(c.jsonFile, append(text, '\n'), 0o644)
		}
		if err != nil {
			return false, err
		}
	}
	for _, r := range all {
		missed = missed || r.Missed
	}
	return missed, nil
}

// measure runs the workloads at the size that the cluster has.
func (l *lab) measure() (results []result, err error) {
	if l.only != "changes" {
		first, restart, err := l.convergence()
		if err != nil {
			return nil, err
		}
		results = append(results, first, restart)
	}
	if l.only != "convergence" {
		changes, err := l.changes()
		if err != nil {
			return nil, err
		}
		results = append(results, changes...)
	}
	if l.baseline == "" {
		return results, nil
	}
	other, err := l.other()
	return append(results, other), err
}

// judge holds a result to what it should reach.
func (r *result) judge(noise float64) {
	took, floor := median(r.Took), median(r.Floor)
	slack := 1 + noise
	switch r.Workload {
	case "first convergence":
		bound := floor * 1.10
		r.Bound = "1.10 x floor"
		if r.Namespaces < 1000 {
			bound, r.Bound = floor+0.2, "floor + 0.2 s"
		}
		r.Missed = took > bound*slack
		exact := r.Namespaces * (r.Secrets + r.Accounts)
		if n := r.Requests.sum("secrets", writes...) + r.Requests.sum("serviceaccounts", writes...); n != exact {
			r.Bound += fmt.Sprintf(", %d writes", exact)
			r.Missed = true
		}
		memory := memoryBound(r.Namespaces, r.Secrets, r.Accounts)
		r.Bound += fmt.Sprintf(", %.0f MiB", memory/(1<<20))
		r.Missed = r.Missed || median(r.Peak) > memory*slack
	case "restart, converged":
		r.Bound = "no write, no GET"
		r.Missed = r.Requests.sum("", append(writes, "GET")...) > 0
	case "edit that changes nothing":
		// The edit itself, and our note on it that it was seen.
		r.Bound = "no write but the note on it"
		r.Missed = r.Requests.sum("secrets", writes...)+r.Requests.sum("serviceaccounts", writes...)+r.Requests.sum("", "GET") > 0
	case "rotation":
		r.Bound = "1.10 x floor"
		r.Missed = took > floor*1.10*slack
	case "new namespaces during a rotation":
		r.Bound = "p99 250 ms"
		r.Missed = quantile(r.Took, 0.99) > 0.250*slack
	case "100 new namespaces in 5 s":
		r.Bound = "p99 40 ms"
		r.Missed = quantile(r.Took, 0.99) > 0.040*slack
		r.Note = "from the account on " + milliseconds(r.after())
	}
}

// memoryBound is how many bytes may be resident: 36 MiB with 300 namespaces of one copy and one account, and 1.2 KiB
// more for each further namespace, copy and account.
func memoryBound(namespaces, secrets, accounts int) float64 {
	more := namespaces*(1+secrets+accounts) - 300*3
	return 36<<20 + max(0, float64(more))*1.2*1024
}

func print(all []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "namespaces\tsecrets\taccounts\tworkload\tfloor s\twith informers\ttook s (spread)\tratio\tCPU s\tof the floor\tAPI server\tof the floor\tpeak MiB\trequests\tbound\t")
	for _, r := range all {
		fmt.Fprintln(w, r.line())
	}
	_ = w.Flush()
}

func (r result) line() string {
	cells := []string{fmt.Sprint(r.Namespaces), fmt.Sprint(r.Secrets), fmt.Sprint(r.Accounts), r.Workload}
	seconds := func(values []float64) string {
		if len(values) == 0 {
			return ""
		}
		return fmt.Sprintf("%.2f", median(values))
	}
	if strings.Contains(r.Workload, "new namespaces") {
		cells = append(cells, milliseconds(r.Floor)+" for the account", "", milliseconds(r.Took), "")
	} else if len(r.Took) == 0 {
		cells = append(cells, "", "", "", "")
	} else {
		ratio := ""
		if floor := median(r.Floor); floor > 0 {
			ratio = fmt.Sprintf("%.2f", median(r.Took)/floor)
		}
		cells = append(cells, seconds(r.Floor), seconds(r.Informed),
			fmt.Sprintf("%.2f (%.2f-%.2f)", median(r.Took), quantile(r.Took, 0), quantile(r.Took, 1)), ratio)
	}
	peak := ""
	if len(r.Peak) > 0 {
		peak = fmt.Sprintf("%.1f", median(r.Peak)/(1<<20))
	}
	cells = append(cells, seconds(r.CPU), seconds(r.FloorCPU), seconds(r.Server), seconds(r.FloorSrv), peak, r.Requests.String(), r.Bound, strings.TrimSpace(r.verdict()+" "+r.Note))
	return strings.Join(cells, "\t")
}

// after is how long each new namespace took once its account was there.
func (r result) after() (out []float64) {
	for i, took := range r.Took {
		out = append(out, took-r.Floor[i])
	}
	return out
}

func milliseconds(values []float64) string {
	return fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", 1000*median(values), 1000*quantile(values, 0.99))
}

func (r result) verdict() string {
	switch {
	case r.Bound == "":
		return ""
	case r.Missed:
		return "MISSED"
	}
	return "ok"
}

// String lists the counts that are not zero; what the bench's own watches ask is the same for everybody.
func (r requests) String() string {
	var parts []string
	for _, resource := range counted {
		for _, verb := range append([]string{"GET"}, writes...) {
			if n := r[verb+" "+resource]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s %s", n, verb, resource))
			}
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
