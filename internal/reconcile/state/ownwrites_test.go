package state

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

var regcred = cache.ObjectName{Namespace: "a", Name: "regcred"}

// version is the copy regcred at a version; nothing is none.
func version(uid types.UID, version string) cluster.Object {
	if version == "" {
		return nil
	}
	return &cluster.Meta{Namespace: "a", Name: "regcred", UID: uid, ResourceVersion: version}
}

// TestTheNewerOfCacheAndOwnWriteCounts has the write be of version 7.
func TestTheNewerOfCacheAndOwnWriteCounts(t *testing.T) {
	for _, c := range []struct {
		why          string
		cached, upTo string
		want         string
	}{
		{"the cache shows nothing yet", "", "", "7"},
		{"the cache was filled before", "", "6", "7"},
		{"the cache has seen the version, so it is gone", "", "7", ""},
		{"the cache is far past it", "", "9", ""},
		{"the cache is older", "6", "6", "7"},
		{"the cache shows it", "7", "7", "7"},
		{"somebody wrote it since", "8", "8", "8"},
		{"versions that cannot be compared", "x", "", "x"},
	} {
		w := NewOwnWrites()
		if err := w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) { return version("u", "7"), nil }); err != nil {
			t.Fatal(err)
		}
		got := ""
		if o := w.Latest(plan.KindSecret, regcred, version("u", c.cached), c.upTo); o != nil {
			got = o.GetResourceVersion()
		}
		if got != c.want {
			t.Errorf("%s: version %q, want %q", c.why, got, c.want)
		}
	}
}

func TestEventsOfOwnWritesAreKnown(t *testing.T) {
	for _, c := range []struct {
		why   string
		event watch.Event
		own   bool
		kept  bool // it is still remembered
	}{
		{"an event from before it", watch.Event{New: version("u", "6")}, true, true},
		{"its own event", watch.Event{New: version("u", "7")}, true, false},
		{"somebody's, who wrote after it", watch.Event{New: version("u", "8")}, false, false},
		{"somebody deleted it", watch.Event{Old: version("u", "7")}, false, false},
		{"the deletion of one before it, told late", watch.Event{Old: version("earlier", "6")}, true, true},
		{"the deletion of one after it", watch.Event{Old: version("later", "9")}, false, false},
	} {
		w := NewOwnWrites()
		_ = w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) { return version("u", "7"), nil })
		if own := w.Observe(plan.KindSecret, c.event); own != c.own {
			t.Errorf("%s: own is %t", c.why, own)
		}
		if kept := w.Pending(plan.KindSecret, "regcred"); kept != c.kept {
			t.Errorf("%s: remembered is %t", c.why, kept)
		}
		if n := len(w.Unobserved(kube.Target{Resource: kube.Secrets, Name: "regcred"})); (n == 1) != c.kept {
			t.Errorf("%s: %d are unobserved", c.why, n)
		}
	}
}

func TestADeletionThatOvertakesTheAnswerIsNotForgotten(t *testing.T) {
	w := NewOwnWrites()
	_ = w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) {
		w.Observe(plan.KindSecret, watch.Event{New: version("u", "7")})
		w.Observe(plan.KindSecret, watch.Event{Old: version("u", "7")})
		return version("u", "7"), nil // it comes only now
	})
	if o := w.Latest(plan.KindSecret, regcred, nil, ""); o != nil {
		t.Errorf("it is taken to be there: %v", o)
	}
}

func TestADeletionOfOursIsKnownUntilItIsSeen(t *testing.T) {
	w := NewOwnWrites()
	_ = w.Delete(plan.KindSecret, version("u", "7"), func() error { return nil })
	if o := w.Latest(plan.KindSecret, regcred, version("u", "7"), ""); o != nil {
		t.Error("the cache shows what we deleted")
	}
	if o := w.Latest(plan.KindSecret, regcred, version("other", "9"), ""); o == nil {
		t.Error("another object of the name is hidden")
	}
	if !w.Observe(plan.KindSecret, watch.Event{New: version("u", "7")}) {
		t.Error("an update from before the deletion is taken for somebody's")
	}
	if !w.Observe(plan.KindSecret, watch.Event{Old: version("u", "7")}) {
		t.Error("our deletion is taken for somebody's")
	}
	if w.Observe(plan.KindSecret, watch.Event{New: version("other", "9")}) {
		t.Error("a new object is taken for ours")
	}
}

// TestAWriteThatWasRefusedForgetsWhatWasKnown, because that was stale.
func TestAWriteThatWasRefusedForgetsWhatWasKnown(t *testing.T) {
	secrets := kube.Secrets.GroupResource()
	for _, c := range []struct {
		err  error
		kept bool
	}{
		{apierrors.NewConflict(secrets, "regcred", nil), false},
		{apierrors.NewNotFound(secrets, "regcred"), false},
		{errors.New("no answer"), true},
	} {
		w := NewOwnWrites()
		_ = w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) { return version("u", "7"), nil })
		if err := w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) { return nil, c.err }); !errors.Is(err, c.err) {
			t.Errorf("%v becomes %v", c.err, err)
		}
		if kept := w.Pending(plan.KindSecret, "regcred"); kept != c.kept {
			t.Errorf("%v: remembered is %t", c.err, kept)
		}
	}
}

// TestNothingIsLeftInANamespaceOnceTheCachesShowIt whatever came of a write, and in which order that was heard of.
func TestNothingIsLeftInANamespaceOnceTheCachesShowIt(t *testing.T) {
	app := cache.ObjectName{Namespace: "a", Name: "app"}
	wrote := func(w *OwnWrites, name cache.ObjectName, at string) {
		_ = w.Do(plan.KindSecret, name, func() (cluster.Object, error) {
			return &cluster.Meta{Namespace: name.Namespace, Name: name.Name, UID: "x", ResourceVersion: at}, nil
		})
	}
	w := NewOwnWrites()
	wants := func(why string, a, b bool) {
		t.Helper()
		if gotA, gotB := w.NoneIn("a"), w.NoneIn("b"); gotA != a || gotB != b {
			t.Errorf("%s: nothing is left in a: %t, in b: %t", why, gotA, gotB)
		}
	}
	wants("at first", true, true)
	wrote(w, regcred, "7")
	wrote(w, regcred, "8")
	wrote(w, app, "9")
	wants("after writes", false, true)
	w.Observe(plan.KindSecret, watch.Event{New: version("x", "7")})
	w.Observe(plan.KindSecret, watch.Event{New: version("x", "8")})
	wants("one is not shown", false, true)
	w.Observe(plan.KindSecret, watch.Event{New: &cluster.Meta{Namespace: "a", Name: "app", UID: "x", ResourceVersion: "9"}})
	wants("all are shown", true, true)
	w.Observe(plan.KindSecret, watch.Event{New: version("x", "10")})
	wants("somebody else wrote", true, true)
	_ = w.Delete(plan.KindSecret, version("x", "7"), func() error { return nil })
	wants("after a deletion", false, true)
	w.Observe(plan.KindSecret, watch.Event{Old: version("x", "11")})
	wants("that is shown", true, true)
	wrote(w, regcred, "12")
	_ = w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) {
		return nil, apierrors.NewNotFound(kube.Secrets.GroupResource(), "regcred")
	})
	wants("it turned out to be gone", true, true)
	wrote(w, regcred, "13")
	w.Latest(plan.KindSecret, regcred, nil, "14")
	wants("the cache is past it", true, true)
}

// TestAnEventThatOvertookTheAnswer leaves nothing to remember, unless it was of something older.
func TestAnEventThatOvertookTheAnswer(t *testing.T) {
	for _, c := range []struct {
		why, uid, seen string
		none           bool
	}{
		{"its own", "x", "7", true},
		{"a later one", "x", "8", true},
		{"an earlier one", "x", "6", false},
		{"one of another object", "y", "8", false},
	} {
		w := NewOwnWrites()
		_ = w.Do(plan.KindSecret, regcred, func() (cluster.Object, error) {
			w.Observe(plan.KindSecret, watch.Event{New: version(types.UID(c.uid), c.seen)})
			return version("x", "7"), nil
		})
		if got := w.NoneIn("a"); got != c.none {
			t.Errorf("%s: nothing is left: %t", c.why, got)
		}
	}
}

// TestADeletionWhoseEventOvertookTheAnswer leaves nothing to remember, nor does one that was refused.
func TestADeletionWhoseEventOvertookTheAnswer(t *testing.T) {
	for _, c := range []struct {
		why  string
		gone types.UID // of the event; empty for none
		err  error
		none bool
	}{
		{"none did", "", nil, false},
		{"its own", "x", nil, true},
		{"that of an earlier object", "y", nil, false},
		{"it was refused", "", errors.New("no answer"), true},
	} {
		w := NewOwnWrites()
		err := w.Delete(plan.KindSecret, version("x", "7"), func() error {
			if c.gone != "" {
				w.Observe(plan.KindSecret, watch.Event{Old: version(c.gone, "7")})
			}
			return c.err
		})
		if got := w.NoneIn("a"); got != c.none || !errors.Is(err, c.err) {
			t.Errorf("%s: nothing is left: %t, %v", c.why, got, err)
		}
	}
}
