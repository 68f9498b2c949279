package main

import "fmt"

// earlierTable holds what was measured of an earlier build against the same of this one: first convergences in the same rounds, all
// else one after the other, on one machine.
func earlierTable(all []result) (string, error) {
	var rows [][]string
	for _, before := range where(all, func(r result) bool { return r.Earlier || r.Workload == workloadBefore }) {
		now := where(all, before.comparesTo)
		if len(now) == 0 || before.Workload == workloadBaseline {
			continue
		}
		rows = append(rows, compared(before, now[0]))
	}
	if len(rows) == 0 {
		return "No earlier build was measured.\n", nil
	}
	return table([]string{"what", "mode", "namespaces", "processors", "s: before / now", "now / before", "CPU s", "CPU s of the API server", "peak MiB", "requests"}, rows), nil
}

// comparesTo reports whether a result of this build is of what one of an earlier build is of.
func (r result) comparesTo(now result) bool {
	workload := r.Workload
	if workload == workloadBefore {
		workload = workloadFirst
	}
	return !now.Earlier && now.Workload == workload && now.Attach == r.Attach && now.Apart == r.Apart && now.Namespaces == r.Namespaces &&
		now.Secrets == r.Secrets && now.Accounts == r.Accounts && now.Unrelated == r.Unrelated && (now.Idle > 0) == (r.Idle > 0)
}

// size is the workload, with what there is more of than in most.
func (r result) size() string {
	out := r.Workload
	if r.Secrets > 1 {
		out += fmt.Sprintf(", %d secrets", r.Secrets)
	}
	if r.Accounts > 1 {
		out += fmt.Sprintf(", %d accounts", r.Accounts)
	}
	if r.Unrelated > 0 {
		out += fmt.Sprintf(", %d unrelated secrets", r.Unrelated)
	}
	return out
}

// compared is a row.
func compared(before, now result) []string {
	both := func(say func(result) string) string { return say(before) + " / " + say(now) }
	share := fmt.Sprintf("%.2f", median(now.Took)/median(before.Took))
	time := func(r result) string { return seconds(r.Took) }
	switch {
	case before.Workload == workloadBefore:
		share = within(ratios(now.Took, before.Took, 0))
	case now.births():
		share = fmt.Sprintf("%.2f of the p99", quantile(now.Took, 0.99)/quantile(before.Took, 0.99))
		time = func(r result) string { return milliseconds(r.Took) }
	case len(now.Took) == 0, now.Workload == workloadIdle:
		share, time = "", func(result) string { return "" }
	}
	asked := both(func(r result) string { return fmt.Sprint(r.Requests.sum("", append(writes, "GET")...)) })
	return []string{
		now.size(), string(now.Attach), fmt.Sprint(now.Namespaces), processors(now), both(time), share,
		both(func(r result) string { return seconds(r.CPU) }), both(func(r result) string { return seconds(r.Server) }),
		both(func(r result) string {
			if len(r.Peak) == 0 {
				return "-"
			}
			return mebibytes(median(r.Peak))
		}), asked,
	}
}
