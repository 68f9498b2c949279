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
		first, restart, err := l.convergence()
		if err != nil {
			return false, err
		}
		changes, err := l.changes()
		if err != nil {
			return false, err
		}
		results := append([]result{first, restart}, changes...)
		if c.baseline != "" {
			other, err := l.other()
			if err != nil {
				return false, err
			}
			results = append(results, other)
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

// judge holds a result to what it should reach.
func (r *result) judge(noise float64) {
	took, floor := quantile(r.Took, 0.5), quantile(r.Floor, 0.5)
	written := r.Requests.sum(writes...)
	switch r.Workload {
	case "first convergence":
		bound := floor * 1.10
		r.Bound = "1.10 x floor"
		if r.Namespaces < 1000 {
			bound, r.Bound = floor+0.2, "floor + 0.2 s"
		}
		r.Missed = took > bound*(1+noise)
		exact := r.Namespaces * (r.Secrets + r.Accounts)
		if n := r.Requests["APPLY secrets"] + r.Requests["PATCH secrets"] + r.Requests["APPLY serviceaccounts"] + r.Requests["PATCH serviceaccounts"]; n != exact {
			r.Bound += fmt.Sprintf(", %d writes", exact)
			r.Missed = true
		}
		if r.Namespaces == 300 && r.Secrets == 1 && r.Accounts == 1 {
			r.Bound += ", 36 MiB"
			r.Missed = r.Missed || r.Peak > int(36*(1+noise))<<20
		}
	case "restart, converged":
		r.Bound = "no write, no GET"
		r.Missed = written+r.Requests.sum("GET") > 0
	case "edit that changes nothing":
		// The edit itself, and our note on it that it was seen.
		r.Bound = "no write but the note on it"
		r.Missed = r.Requests["APPLY secrets"]+r.Requests["APPLY serviceaccounts"]+r.Requests.sum("GET") > 0
	case "rotation":
		r.Bound = "1.10 x floor"
		r.Missed = took > floor*1.10*(1+noise)
	case "100 new namespaces in 5 s":
		r.Bound = "p99 40 ms"
		r.Missed = quantile(r.Took, 0.99) > 0.040*(1+noise)
	}
}

func print(all []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "namespaces\tsecrets\taccounts\tworkload\tfloor s\ttook s (spread)\tratio\tCPU s\tpeak MiB\trequests\tbound\t")
	for _, r := range all {
		took := fmt.Sprintf("%.2f (%.2f-%.2f)", quantile(r.Took, 0.5), quantile(r.Took, 0), quantile(r.Took, 1))
		if strings.HasPrefix(r.Workload, "100 new") {
			took = fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", 1000*quantile(r.Took, 0.5), 1000*quantile(r.Took, 0.99))
		}
		floor, ratio := "", ""
		if f := quantile(r.Floor, 0.5); f > 0 {
			floor, ratio = fmt.Sprintf("%.2f", f), fmt.Sprintf("%.2f", quantile(r.Took, 0.5)/f)
		}
		verdict := "ok"
		if r.Missed {
			verdict = "MISSED"
		}
		if r.Bound == "" {
			verdict = ""
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%s\t%s\t%s\t%.2f\t%.1f\t%s\t%s\t%s\n", r.Namespaces, r.Secrets, r.Accounts, r.Workload,
			floor, took, ratio, r.CPU, float64(r.Peak)/(1<<20), r.Requests, r.Bound, verdict)
	}
	_ = w.Flush()
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
