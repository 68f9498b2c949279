package activation

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// TestATextIsParsedOnce compares pointers: what is parsed anew is another policy.
func TestATextIsParsedOnce(t *testing.T) {
	e := &newActivator(Options{Namespace: "pullsecrets"}).evaluator
	first, _ := e.parse(map[string]string{"policy.yaml": onePolicy})
	again, _ := e.parse(map[string]string{"policy.yaml": onePolicy})
	other, _ := e.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n"})
	if first == nil || first != again {
		t.Error("the same text was parsed twice")
	}
	if other == nil || other == first {
		t.Error("another text was not parsed")
	}
	// A key that is no document changes no hash, but there is a warning of it.
	_, problems := e.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n", "README.md": "x"})
	if len(problems.Warnings()) != 1 {
		t.Errorf("warnings of a key that is ignored: %v", problems.Warnings())
	}
}

// TestWhoBeginsAgainHasNotEvaluated: what RunOnce would take for a missing policy is one that is read again.
func TestWhoBeginsAgainHasNotEvaluated(t *testing.T) {
	a := newActivator(Options{})
	a.evaluated = true
	if a.look(0) == nil {
		t.Error("it has evaluated, and says nothing")
	}
	a.reset()
	if o := a.look(0); o != nil {
		t.Errorf("it begins again, and says %+v", o)
	}
}

const onePolicy = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: hub}, name: regcred}]\n"

// newActivator is one of a cluster of which nothing is known.
func newActivator(o Options) *Activator {
	o.Cluster = state.New(state.Config{StatusName: "the-status"})
	o.Limit = prune.NewLimit(50)
	o.Reporter = report.New(report.Options{Log: zerolog.Nop()})
	o.Throttled = report.NewThrottledLog(zerolog.Nop())
	return New(o)
}
