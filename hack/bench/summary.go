package main

import (
	"fmt"
	"slices"
	"strings"
)

// summary is what a reader wants first, in the order of the sizes that were measured.
func summary(all []result) (string, error) {
	first, rotation, burst, restart := of(all, workloadFirst), of(all, workloadRotation), of(all, workloadBurst), of(all, workloadRestart)
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
	fmt.Fprintf(&b, "- **It sends no request too many**: %s writes for as many copies and service accounts, and %s after a restart.\n",
		inARow(first, func(r result) string {
			return fmt.Sprint(r.Requests.sum("secrets", writes...) + r.Requests.sum("serviceaccounts", writes...))
		}),
		inARow(restart, afterRestart))
	fmt.Fprintf(&b, "- **A new credential is in all copies after %s s**, %s times what the bare loop takes.\n",
		inARow(rotation, func(r result) string { return seconds(r.Took) }), inARow(rotation, ratioOf))
	fmt.Fprintf(&b, "- **A new namespace is complete after %s ms** at the median and %s ms at the 99th percentile; the cluster itself takes %s and %s ms of that to make the service account.\n",
		took(typical), took(late), account(typical), account(late))
	fmt.Fprintf(&b, "- **It needs %s MiB of memory** at its peak. Secrets that the policy does not name do not count.\n",
		inARow(first, func(r result) string { return fmt.Sprintf("%.0f", median(r.Peak)/(1<<20)) }))
	return b.String(), nil
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
