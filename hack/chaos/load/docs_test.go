package load

import (
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
)

// unmeasured are rows and versions whose figures are still to come. One that is on the page is to leave this list.
var unmeasured []string

// still is what of these is to be on the page.
func still(all []string) []string {
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(unmeasured, name) })
}

// TestThePageHasEachRow holds that docs/reliability.md says what docs/reliability.json does, that both have each row and no other,
// and that none of them is of a fault.
func TestThePageHasEachRow(t *testing.T) {
	load, err := table.Read[result](key)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, r := range load {
		there = append(there, r.Row)
		if i := slices.IndexFunc(rows, func(m measured) bool { return m.name == r.Row }); i >= 0 && rows[i].what != r.What {
			t.Errorf("%s was measured as %q, and now is %q; run: make load-test LOAD=%s TESTFLAGS=-update", r.Row, r.What, rows[i].what, r.Row)
		}
		if r.Twice != 0 || r.Leader != "kept" || r.Peak > r.Bound || r.Status != "Ready" {
			t.Errorf("%s: %d made twice, the Lease %s, %d of %d MiB, %s", r.Row, r.Twice, r.Leader, r.Peak, r.Bound, r.Status)
		}
	}
	if !slices.Equal(there, still(names())) {
		t.Errorf("docs/reliability.json has the rows %q, and there are %q; run: make load-test TESTFLAGS=-update", there, still(names()))
	}
	upgrades, err := table.Read[upgraded](upgradeKey)
	if err != nil {
		t.Fatal(err)
	}
	there = nil
	for _, u := range upgrades {
		there = append(there, u.Commit)
		if u.Lost != 0 || u.Twice != 0 || u.Fights != 0 || u.Left != 0 {
			t.Errorf("from %s: %d lost, %d made twice, %d fights, %d left", u.Commit, u.Lost, u.Twice, u.Fights, u.Left)
		}
	}
	if !slices.Equal(there, still(commits())) {
		t.Errorf("docs/reliability.json has the upgrades %q, and there are %q; run: make load-test TESTFLAGS=-update", there, still(commits()))
	}
	for block, want := range map[string]string{key: render(load), upgradeKey: renderUpgrades(upgrades)} {
		got, err := table.Filled(block)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("the block %q of docs/reliability.md is not what docs/reliability.json says; run a row with -update", block)
		}
	}
}
