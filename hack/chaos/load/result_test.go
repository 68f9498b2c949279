package load

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
)

// key is where the results stand in docs/reliability.json.
const key = "load"

// result is what came of one row.
type result struct {
	Row        string
	What       string // was done to the cluster
	Namespaces int
	Rules      int

	Lasted float64 // seconds of load
	Right  float64 // seconds from its end until everything is right

	New                      int     // namespaces that came under load
	NewP50, NewP99, NewWorst float64 // seconds from their service account on until they had all that they should
	ClusterP50, ClusterP99   float64 // seconds of the cluster before that, to make the service account
	AccountsWorst            float64 // seconds until the last account that came in an old namespace had its names
	CopiesWorst              float64 // seconds until the last copy that somebody deleted in an old namespace was back
	Queue                    int     // namespaces that waited at most
	Oldest                   float64 // seconds that one waited at most
	Writes, Needed           int     // of copies and accounts
	ConfigMaps               int     // writes of status and annotations
	Parameters               int     // writes of admission parameters
	ParametersTaken          int     // of them, those while secrets of others came
	CPU                      float64 // seconds
	Peak, Bound              int     // MiB
	Lines, Warnings          int     // of the log
	Status                   string  // of the policy at the end
	StatusKiB                int     // of the status ConfigMap
	Leader                   string
	Twice                    int // copies made anew without need
}

// save writes what came of a row into the page and the file beside it.
func save(t *testing.T, newer result) {
	t.Helper()
	all, err := table.Read[result](key)
	if err == nil {
		all = append(slices.DeleteFunc(all, func(r result) bool { return r.Row == newer.Row }), newer)
		slices.SortFunc(all, func(a, b result) int { return slices.Index(names(), a.Row) - slices.Index(names(), b.Row) })
		err = table.Save(key, all)
	}
	if err == nil {
		err = table.Fill(key, render(all))
	}
	if err != nil {
		t.Error(err)
	}
}

func names() (all []string) {
	for _, m := range rows {
		all = append(all, m.name)
	}
	return all
}

// render is the table.
func render(all []result) string {
	var cells [][]string
	for _, r := range all {
		served := "nothing came"
		if r.New > 0 {
			served = fmt.Sprintf("%d new namespaces: half in %s s, 99 of 100 in %s s, the last in %s s; before that the cluster took %s and %s s to make their accounts",
				r.New, seconds(r.NewP50), seconds(r.NewP99), seconds(r.NewWorst), seconds(r.ClusterP50), seconds(r.ClusterP99))
		}
		if r.CopiesWorst > 0 {
			served += fmt.Sprintf("; in old namespaces the last new account in %s s, the last copy that was deleted in %s s", seconds(r.AccountsWorst), seconds(r.CopiesWorst))
		}
		other := fmt.Sprintf("%d of ConfigMaps", r.ConfigMaps)
		if r.Parameters > 0 {
			other += fmt.Sprintf(", %d of admission parameters, %d of them while the secrets came", r.Parameters, r.ParametersTaken)
		}
		cells = append(cells, []string{
			"`" + r.Row + "`: " + r.What, fmt.Sprintf("%d, %d", r.Namespaces, r.Rules), seconds(r.Lasted), seconds(r.Right), served,
			fmt.Sprintf("%d, %s s", r.Queue, seconds(r.Oldest)), fmt.Sprintf("%d of %d", r.Writes, r.Needed), other,
			fmt.Sprintf("%d of %d", r.Peak, r.Bound), seconds(r.CPU), fmt.Sprintf("%d, %d", r.Lines, r.Warnings),
			fmt.Sprintf("%s, %d KiB", r.Status, r.StatusKiB), r.Leader, fmt.Sprint(r.Twice),
		})
	}
	return table.Markdown([]string{"load", "namespaces, rules", "lasted, s", "right again after, s", "who came meanwhile was served", "waited at most: namespaces, the longest",
		"writes, of those needed", "other writes", "peak memory, MiB, of the bound", "processor, s", "log: lines, warnings", "status, its size", "Lease", "made twice"}, cells)
}

// seconds has as many digits as tell something.
func seconds(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 10:
		return fmt.Sprintf("%.2f", s)
	}
	return fmt.Sprintf("%.0f", s)
}
