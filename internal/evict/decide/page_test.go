package decide

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const page = "../../../docs/evict.md"

// TestThePageHasEachReason holds the table in docs/evict.md against the code.
func TestThePageHasEachReason(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, m := range Meanings {
		fmt.Fprintf(&table, "| `%s` | %s |\n", m.Reason, m.Says)
	}
	if !strings.Contains(string(text), "| --- | --- |\n"+table.String()+"\n") {
		t.Errorf("the table of reasons in %s has to be:\n%s", page, table.String())
	}
}
