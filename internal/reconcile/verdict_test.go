package reconcile

import (
	"testing"
)

// TestATextIsParsedOnce compares pointers: what is parsed anew is another policy.
func TestATextIsParsedOnce(t *testing.T) {
	c := New(Config{Namespace: "pullsecrets"})
	defer c.queue.ShutDown()
	j := c.judge
	first, _ := j.parse(map[string]string{"policy.yaml": onePolicy})
	again, _ := j.parse(map[string]string{"policy.yaml": onePolicy})
	other, _ := j.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n"})
	if first == nil || first != again {
		t.Error("the same text was parsed twice")
	}
	if other == nil || other == first {
		t.Error("another text was not parsed")
	}
	// A key that is no document changes no hash, but there is a warning of it.
	_, problems := j.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n", "README.md": "x"})
	if len(problems.Warnings()) != 1 {
		t.Errorf("warnings of a key that is ignored: %v", problems.Warnings())
	}
}

// TestWhoStartsOverHasNotJudged: what RunOnce would take for a missing policy is one that is read again.
func TestWhoStartsOverHasNotJudged(t *testing.T) {
	p := largePolicy(t, 1)
	ins, haves := largeCluster(p, 1, 1, true)
	c := cached(p, ins, haves)
	defer c.queue.ShutDown()
	j := c.judge
	j.judged = true
	if j.look(0) == nil {
		t.Error("it has judged, and says nothing")
	}
	j.startOver()
	if o := j.look(0); o != nil {
		t.Errorf("it begins again, and says %+v", o)
	}
}
