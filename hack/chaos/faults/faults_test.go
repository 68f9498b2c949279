package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pullsecrets/pullsecrets/hack/chaos/lab"
	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var update = flag.Bool("update", false, "write what came of the rows that are run into docs/reliability.json and docs/reliability.md")

// TestFaults plays all rows; TestFaults/NAME plays one.
func TestFaults(t *testing.T) {
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make faults-test")
	}
	config, _, err := api.Connect(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	shared := sync.OnceValue(func() *lab.Lab { return lab.New(t, config) }) // not for rows with a control plane of their own
	played := 0
	for _, r := range append(rows(), brokenRows()...) {
		t.Run(r.name, func(t *testing.T) {
			played++
			var s *stage
			if r.stage != nil {
				s = r.stage(t)
			} else {
				s = newStage(t, shared(), config)
			}
			if r.arrange != nil {
				r.arrange(s)
			}
			t.Cleanup(func() { keepLogs(t, s) })
			out := r.run(s)
			if *update && !t.Failed() {
				save(t, out)
			}
		})
	}
	if played == 0 {
		t.Error("there is no row of this name: see the last column of docs/reliability.md")
	}
}

// keepLogs writes what the programs said into the folder that CHAOS_LOGS names.
func keepLogs(t *testing.T, s *stage) {
	dir := os.Getenv("CHAOS_LOGS")
	for i, p := range s.Programs {
		if dir == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.log", filepath.Base(t.Name()), i)), []byte(p.Log.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// save writes what came of a row into the page and the file beside it.
func save(t *testing.T, newer result) {
	t.Helper()
	if newer.Namespaces != lab.Usual {
		t.Errorf("the page is of %d namespaces, not of %d", lab.Usual, newer.Namespaces)
		return
	}
	all, err := table.Read[result](key)
	if err == nil {
		err = write(merge(all, newer, names()))
	}
	if err != nil {
		t.Error(err)
	}
}

// write writes all results into the page and the file beside it.
func write(all []result) error {
	return errors.Join(table.Save(key, all), table.Fill("faults", render(all)), table.Fill("faults-summary", sumUp(all)))
}

// TestThePageHasEachRow holds that docs/reliability.md says what docs/reliability.json does, and that both have each row as it
// is now and no other.
func TestThePageHasEachRow(t *testing.T) {
	all, err := table.Read[result](key)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for _, r := range slices.Clone(all) { // results of two branches, for example, are put in order
			all = merge(all, r, names())
		}
		if err := write(all); err != nil {
			t.Fatal(err)
		}
	}
	are := map[string]row{}
	for _, r := range rows() {
		are[r.name] = r
	}
	var measured []string
	for _, r := range all {
		measured = append(measured, r.Name)
		if is := are[r.Name]; r.Namespaces != lab.Usual || r.Fault != is.fault || r.During != is.during.name {
			t.Errorf("%s was measured with %q during %s in %d namespaces, and now is %q during %s in %d; run: make faults-test FAULT=%s TESTFLAGS=-update",
				r.Name, r.Fault, r.During, r.Namespaces, is.fault, is.during.name, lab.Usual, r.Name)
		}
		if r.Lost != 0 || r.Twice != 0 {
			t.Errorf("%s: %d lost, %d made twice", r.Name, r.Lost, r.Twice)
		}
	}
	if want := names(); !slices.Equal(measured, want) {
		t.Errorf("docs/reliability.json has other rows, or in another order, than there are:\n%v\n%v\nrun: make faults-test TESTFLAGS=-update", measured, want)
	}
	for block, want := range map[string]string{"faults": render(all), "faults-summary": sumUp(all)} {
		got, err := table.Filled(block)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("the block %q of docs/reliability.md is not what docs/reliability.json says; run a row with -update", block)
		}
	}
}

func TestEachRowIsOneOfItsKind(t *testing.T) {
	seen, during := map[string]bool{}, map[string]int{}
	for _, r := range rows() {
		if seen[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		seen[r.name] = true
		during[r.during.name]++
	}
	for _, a := range activities {
		if during[a.name] < 4 {
			t.Errorf("%s is going on in %d rows only", a.name, during[a.name])
		}
	}
}
