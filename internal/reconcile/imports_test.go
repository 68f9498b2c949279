package reconcile

import (
	"os/exec"
	"strings"
	"testing"
)

// TestThePurePackagesStayPure holds the rule that makes the decisions testable: what they are made of asks nothing
// and knows no time.
func TestThePurePackagesStayPure(t *testing.T) {
	const module = "github.com/pullsecrets/pullsecrets/internal/"
	forbidden := map[string]string{
		"k8s.io/client-go":              "decisions ask no cluster",
		"github.com/rs/zerolog":         "a decision that deserves a log line is a Reason",
		"net/http":                      "decisions ask no network",
		"math/rand":                     "decisions are the same every time",
		"crypto/rand":                   "decisions are the same every time",
		module + "reconcile":            "the pure packages do not know who calls them",
		"github.com/prometheus":         "counting is the caller's",
		"k8s.io/apimachinery/pkg/watch": "decisions wait for nothing",
	}
	for _, pkg := range []string{"cluster", "policy", "render", "reconcile/plan"} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for imported := range strings.SplitSeq(string(out), "\n") {
			for prefix, why := range forbidden {
				if strings.HasPrefix(imported, prefix) && imported != module+"reconcile/plan" {
					t.Errorf("%s imports %s: %s", pkg, imported, why)
				}
			}
		}
	}
	// A package that only mentions time.Time may import time; none of these does even that.
	for _, pkg := range []string{"policy", "render", "reconcile/plan"} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, module+pkg).Output()
		if err != nil || strings.Contains(" "+string(out)+" ", " time ") {
			t.Errorf("%s imports time: decisions do not depend on when (%v)", pkg, err)
		}
	}
}
