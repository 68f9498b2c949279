package reconcile

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	modulePath  = "github.com/pullsecrets/pullsecrets/"
	internalDir = modulePath + "internal/"
)

// layers says which packages below internal may import which others. The way goes down this table: none imports what stands
// below it. An import that is not in the table is a new arrow; think before you add it.
var layers = []struct {
	name string
	pure bool // it knows no client, clock, logger, network or chance, so it decides the same every time
	uses string
}{
	{"cluster", true, ""},
	{"policy", true, "cluster"},
	{"manifest", true, ""},
	{"page", true, ""},
	{"rbac", true, "manifest policy cluster"},
	{"admission", true, "policy cluster"},
	{"registry", false, "cluster"},

	{"reconcile/plan", true, "policy cluster"},
	{"reconcile/bound", true, ""},
	{"reconcile/draining", true, ""},
	{"reconcile/status", true, "reconcile/plan policy cluster"},
	{"reconcile/prune", true, "reconcile/plan cluster"},
	{"reconcile/kube", false, "reconcile/plan reconcile/bound cluster"},
	{"reconcile/election", false, "reconcile/kube reconcile/bound cluster"},
	{"reconcile/queue", false, "reconcile/draining"},
	{"reconcile/watch", false, "reconcile/kube reconcile/bound cluster"},
	{"reconcile/state", false, "reconcile/watch reconcile/kube reconcile/plan policy cluster"},
	{"reconcile/verify/decide", true, "reconcile/status reconcile/bound policy cluster"},
	{"reconcile/verify", false, "registry reconcile/verify/decide reconcile/status policy cluster"},
	{"reconcile/apply", false, "reconcile/state reconcile/kube reconcile/plan reconcile/bound cluster"},
	{"reconcile/report", false, "reconcile/apply reconcile/watch reconcile/status reconcile/kube reconcile/plan reconcile/draining reconcile/bound policy cluster"},
	{"reconcile/admission", false, "admission reconcile/report reconcile/state reconcile/status reconcile/kube reconcile/plan policy cluster"},
	{"reconcile/activation", false, "reconcile/admission reconcile/report reconcile/apply reconcile/verify reconcile/state reconcile/prune reconcile/status " +
		"reconcile/kube reconcile/plan reconcile/draining reconcile/bound policy cluster"},
	{"reconcile", false, "reconcile/activation reconcile/admission reconcile/report reconcile/apply reconcile/verify reconcile/verify/decide " +
		"reconcile/state reconcile/status reconcile/watch reconcile/queue reconcile/election reconcile/prune reconcile/kube reconcile/plan policy cluster"},

	{"evict/decide", true, "reconcile/status policy cluster"},
	{"evict", false, "evict/decide reconcile/report reconcile/watch reconcile/kube reconcile/bound policy cluster"},

	{"inspect/coverage", true, "policy cluster"},
	{"inspect/overview", true, "reconcile/status reconcile/plan policy cluster"},
	{"inspect", false, "inspect/coverage inspect/overview evict/decide reconcile/admission reconcile/report reconcile/state reconcile/status reconcile/prune reconcile/kube reconcile/plan reconcile/bound policy cluster"},
	{"inspect/tell", true, "inspect"},
	{"ui/view", true, "page inspect/overview inspect/tell inspect reconcile/status reconcile/plan policy cluster"},
	{"ui", false, "ui/view inspect reconcile/watch reconcile/kube policy cluster"},
	{"purge", false, "inspect reconcile/report reconcile/apply reconcile/state reconcile/kube reconcile/plan policy cluster"},
	{"cli/policyfile", false, "policy"},
	{"cli", false, "registry reconcile/verify cli/policyfile page ui reconcile evict inspect/coverage inspect/overview inspect/tell inspect purge manifest rbac admission reconcile/election reconcile/kube reconcile/state reconcile/plan policy cluster"},
}

// impure are what a pure package does not import, and why.
var impure = map[string]string{
	"k8s.io/client-go":              "decisions ask no cluster",
	"k8s.io/apimachinery/pkg/watch": "decisions wait for nothing",
	"github.com/rs/zerolog":         "a decision that deserves a log line is a Reason",
	"github.com/prometheus":         "counting is the caller's",
	"net/http":                      "decisions ask no network",
	"math/rand":                     "decisions are the same every time",
	"crypto/rand":                   "decisions are the same every time",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// TestLayers holds the packages below internal against the table.
func TestLayers(t *testing.T) {
	packages := list(t)
	var above []string // in the table
	for _, layer := range layers {
		imports, ok := packages[layer.name]
		if !ok {
			t.Errorf("the table has %s, and there is no such package", layer.name)
		}
		delete(packages, layer.name)
		uses := strings.Fields(layer.uses)
		for _, used := range uses {
			if !slices.Contains(above, used) {
				t.Errorf("the table lets %s import %s, which does not stand above it", layer.name, used)
			}
			if !slices.Contains(imports, internalDir+used) {
				t.Errorf("the table lets %s import %s, which it does not", layer.name, used)
			}
		}
		for _, imported := range imports {
			if name, ours := strings.CutPrefix(imported, internalDir); ours && !slices.Contains(uses, name) {
				t.Errorf("%s imports %s, which is not in the table", layer.name, name)
			}
		}
		if layer.pure {
			checkPure(t, layer.name, imports)
		}
		above = append(above, layer.name)
	}
	delete(packages, "e2e") // tests alone
	for name := range packages {
		if !strings.HasPrefix(name, "e2e/") {
			t.Errorf("the package %s is not in the table", name)
		}
	}
}

func checkPure(t *testing.T, name string, imports []string) {
	t.Helper()
	for _, imported := range imports {
		for prefix, why := range impure {
			if strings.HasPrefix(imported, prefix) {
				t.Errorf("%s imports %s: %s", name, imported, why)
			}
		}
		// cluster reads times of objects, and plan, prune, ui/view and the packages decide are told what time it is; none asks a clock.
		if imported == "time" && !slices.Contains([]string{"cluster", "reconcile/plan", "reconcile/prune", "evict/decide", "reconcile/verify/decide", "ui/view"}, name) {
			t.Errorf("%s imports time: decisions do not depend on when", name)
		}
	}
}

// list returns what each package below internal imports, without its tests.
func list(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", internalDir+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]string{}
	for in := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, internalDir)] = p.Imports
	}
}
