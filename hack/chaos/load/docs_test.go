package load

import (
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
)

// TestThePageHasEachRow holds that docs/reliability.md says what docs/reliability.json does, that both have each row and no other,
// and that none of them is of a fault.
func TestThePageHasEachRow(t *testing.T) {
	load, err := table.Read[result](key)
	if err != nil {
		t.Fatal(err)
	}
	var measured []string
	for _, r := range load {
		measured = append(measured, r.Row)
		if r.Twice != 0 || r.Leader != "kept" || r.Peak > r.Bound || r.Status != "Ready" {
			t.Errorf("%s: %d made twice, the Lease %s, %d of %d MiB, %s", r.Row, r.Twice, r.Leader, r.Peak, r.Bound, r.Status)
		}
	}
	if !slices.Equal(measured, names()) {
		t.Errorf("docs/reliability.json has the rows %q, and there are %q; run: make load-test TESTFLAGS=-update", measured, names())
	}
	upgrades, err := table.Read[upgraded](upgradeKey)
	if err != nil {
		t.Fatal(err)
	}
	measured = nil
	for _, u := range upgrades {
		measured = append(measured, u.Commit)
		if u.Lost != 0 || u.Twice != 0 {
			t.Errorf("from %s: %d lost, %d made twice", u.Commit, u.Lost, u.Twice)
		}
	}
	if !slices.Equal(measured, commits()) {
		t.Errorf("docs/reliability.json has the upgrades %q, and there are %q; run: make load-test TESTFLAGS=-update", measured, commits())
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
