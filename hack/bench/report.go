package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"
)

// run measures everything and prints it. missed says that a bound was missed by more than noise explains.
func run(ctx context.Context, c config) (missed bool, err error) {
	remove, err := c.copyBinaries()
	if err != nil {
		return false, err
	}
	defer remove()
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
		if err := save(c.jsonFile, all); err != nil {
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
	if l.only == "large" {
		if err := l.enter(l.modes[0]); err != nil {
			return nil, err
		}
		return l.large()
	}
	if l.only == "" || l.only == "convergence" {
		if results, err = l.convergence(); err != nil {
			return nil, err
		}
	}
	if l.only == "convergence" {
		return results, nil
	}
	changes, err := l.changes()
	return append(results, changes...), err
}

// judge holds a result to what it should reach. Over is by how much it does not, as a factor; up to 1 it does.
func (r *result) judge(noise float64) {
	over := func(bound string, factor float64) {
		if r.Bound != "" {
			r.Bound += ", "
		}
		r.Bound += bound
		r.Over = max(r.Over, factor)
		r.Missed = r.Over > 1+noise
	}
	none := func(bound string) {
		over(bound, 0)
		if r.fault(r.Requests) > 0 {
			r.Over, r.Missed = math.Inf(1), true
		}
	}
	switch r.Workload {
	case workloadFirst:
		r.judgeFirst(over, none)
	case workloadRestart:
		none("no write, no GET")
	case workloadNothing:
		none("no write but the note on it")
	case workloadRotation:
		over("1.10 x floor", r.ratio(r.Floor, 0)/1.10)
	case workloadDuring:
		over("p99 150 ms", quantile(r.Took, 0.99)/0.150)
		r.Note = fmt.Sprintf("n=%d", len(r.Took))
	case workloadBurst:
		over("p99 40 ms", quantile(r.Took, 0.99)/0.040)
		if r.Attach != pods {
			over("from the account on p99 25 ms", quantile(r.after(), 0.99)/0.025)
		}
		r.Note = fmt.Sprintf("n=%d, from the account on %s", len(r.Took), milliseconds(r.after()))
	}
}

// judgeFirst is judge of a first convergence.
func (r *result) judgeFirst(over func(string, float64), none func(string)) {
	switch {
	case len(r.Floor) == 0:
	case r.Attach == pods, r.Namespaces >= 1000:
		over("1.10 x floor", r.ratio(r.Floor, 0)/1.10)
	default:
		over("floor + 0.2 s", r.ratio(r.Floor, 0.2))
	}
	switch {
	case len(r.Other) == 0:
	case r.Attach == pods:
		over("0.65 x the other tool", r.ratio(r.Other, 0)/0.65)
	case r.Attach == accounts:
		over("the other tool", r.ratio(r.Other, 0))
	}
	memory := memoryBound(r.Namespaces, r.Secrets, r.Accounts)
	if r.Idle > 0 {
		memory = float64(r.Idle + r.objects()*perObject)
	}
	over(fmt.Sprintf("%.0f MiB", memory/(1<<20)), median(r.Peak)/memory)
	none(fmt.Sprintf("%d writes", r.exact()))
}

// perObject is how many bytes a namespace, a copy and an account may take each.
const perObject = 1229 // 1.2 KiB

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
	cells := []string{fmt.Sprint(r.Namespaces), fmt.Sprint(r.Secrets), fmt.Sprint(r.Accounts), strings.Join(strings.Fields(r.Workload+" "+r.Name+" "+string(r.Attach)), " ")}
	seconds := func(values []float64) string {
		if len(values) == 0 {
			return ""
		}
		return fmt.Sprintf("%.2f", median(values))
	}
	if r.births() {
		cells = append(cells, milliseconds(r.Floor)+" for the account", "", milliseconds(r.Took), "")
	} else if len(r.Took) == 0 {
		cells = append(cells, "", "", "", "")
	} else {
		ratio := ""
		if len(r.Floor) > 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio(r.Floor, 0))
		}
		cells = append(cells, seconds(r.Floor), seconds(r.Informed),
			fmt.Sprintf("%.2f (%.2f-%.2f)", median(r.Took), quantile(r.Took, 0), quantile(r.Took, 1)), ratio)
	}
	peak := ""
	if len(r.Peak) > 0 {
		peak = fmt.Sprintf("%.1f", median(r.Peak)/(1<<20))
	}
	cells = append(cells, seconds(r.CPU), seconds(r.FloorCPU), seconds(r.Server), seconds(r.FloorSrv), peak, r.Requests.String(), r.Bound, r.remark())
	return strings.Join(cells, "\t")
}

func milliseconds(values []float64) string {
	return fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", 1000*median(values), 1000*quantile(values, 0.99))
}

// verdict is honest about what noise excuses in the exit status.
func (r result) verdict() string {
	switch {
	case r.Bound == "":
		return ""
	case math.IsInf(r.Over, 1):
		return "MISSED"
	case r.Over > 1:
		return fmt.Sprintf("missed by %.0f %%", 100*(r.Over-1))
	}
	return "met"
}

// remark is the verdict and what has to be known with it.
func (r result) remark() string { return strings.Trim(r.verdict()+", "+r.Note, ", ") }

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
