package main

import (
	"fmt"
	"slices"
	"strings"
)

// summary is what a reader wants first, in the order of the sizes that were measured.
func summary(all []result) (string, error) {
	first, rotation := in(accounts, of(all, workloadFirst)), in(accounts, of(all, workloadRotation))
	burst, restart := in(accounts, of(all, workloadBurst)), in(accounts, of(all, workloadRestart))
	copies, small := in(pods, of(all, workloadFirst)), in(pods, of(all, workloadBurst))
	if len(first) == 0 || len(rotation) == 0 || len(burst) == 0 || len(restart) == 0 {
		return "", fmt.Errorf("a workload was not measured")
	}
	typical := func(values []float64) string { return fmt.Sprintf("%.0f", 1000*median(values)) }
	late := func(values []float64) string { return fmt.Sprintf("%.0f", 1000*quantile(values, 0.99)) }
	took := func(of func([]float64) string) string {
		return inARow(burst, func(r result) string { return of(r.Took) })
	}
	account := func(of func([]float64) string) string {
		return inARow(burst, func(r result) string { return of(r.Floor) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "- **A policy is everywhere after %s s** with %s namespaces, %s times what a bare loop takes that sends the same writes and does nothing else.\n",
		inARow(first, func(r result) string { return seconds(r.Took) }), inARow(first, sizeOf), inARow(first, ratioOf))
	if len(copies) > 0 {
		fmt.Fprintf(&b, "- **With `attach: pods`, where only copies are written, it is after %s s**, %s times what a bare loop takes that writes the copies alone.\n",
			inARow(copies, func(r result) string { return seconds(r.Took) }), inARow(copies, ratioOf))
	}
	if others := of(all, workloadBaseline); len(others) > 0 {
		beside := func(of []result) string {
			return inARow(where(of, func(r result) bool { return len(r.Other) > 0 }), func(r result) string { return fmt.Sprintf("%.2f", r.ratio(r.Other, 0)) })
		}
		fmt.Fprintf(&b, "- **Beside %s**, in the same rounds, it takes %s times as long with accounts, and %s times with `attach: pods`.\n",
			others[0].Name, beside(first), beside(copies))
	}
	fmt.Fprintf(&b, "- **It sends no request too many**: %s writes for as many copies and service accounts, and %s after a restart.\n",
		inARow(first, func(r result) string {
			return fmt.Sprint(r.Requests.sum("secrets", writes...) + r.Requests.sum("serviceaccounts", writes...))
		}),
		inARow(restart, afterRestart))
	fmt.Fprintf(&b, "- **A new credential is in all copies after %s s**, %s times what the bare loop takes.\n",
		inARow(rotation, func(r result) string { return seconds(r.Took) }), inARow(rotation, ratioOf))
	fmt.Fprintf(&b, "- **A new namespace is complete after %s ms** at the median and %s ms at the 99th percentile; the cluster itself takes %s and %s ms of that to make the service account.\n",
		took(typical), took(late), account(typical), account(late))
	if len(small) > 0 {
		fmt.Fprintf(&b, "  With `attach: pods` it has its copies after %s ms, and %s ms.\n", inARow(small, func(r result) string { return typical(r.Took) }),
			inARow(small, func(r result) string { return late(r.Took) }))
	}
	fmt.Fprintf(&b, "- **It needs %s MiB of memory** at its peak%s. Secrets that the policy does not name do not count.\n",
		inARow(first, func(r result) string { return fmt.Sprintf("%.0f", median(r.Peak)/(1<<20)) }), largest(all))
	return b.String(), nil
}

// largest is the memory of the largest cluster that was measured.
func largest(all []result) string {
	large := where(all, func(r result) bool { return r.Workload == workloadFirst && r.Idle > 0 })
	if len(large) == 0 {
		return ""
	}
	r := large[len(large)-1]
	return fmt.Sprintf(", and %.0f MiB with %d namespaces, copies and accounts, of which %.0f MiB are the program's own", median(r.Peak)/(1<<20), r.objects(), float64(r.Idle)/(1<<20))
}

// afterRestart is how much is asked of the API server besides its lists and watches.
func afterRestart(r result) string {
	if n := r.Requests.sum("", append(writes, "GET")...); n > 0 {
		return fmt.Sprint(n)
	}
	return "none"
}

func sizeOf(r result) string { return fmt.Sprint(r.Namespaces) }

func ratioOf(r result) string { return fmt.Sprintf("%.2f", r.ratio(r.Floor, 0)) }

// inARow puts what is said of each result into a list of words; one word, if it is the same of all.
func inARow(all []result, say func(result) string) string {
	words := make([]string, 0, len(all))
	for _, r := range all {
		words = append(words, say(r))
	}
	words = same(words)
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}

// same leaves one of words that are all the same.
func same(words []string) []string {
	if unique := slices.Compact(slices.Clone(words)); len(unique) == 1 {
		return unique
	}
	return words
}
