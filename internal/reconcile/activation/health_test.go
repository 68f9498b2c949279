package activation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// foreign has the first n namespaces have a secret of somebody else in the copy's place, and the others none.
func (w *world) foreign(n int) {
	for i, ns := range w.teams() {
		theirs := &cluster.Secret{Meta: cluster.Meta{Namespace: ns, Name: "regcred", UID: "theirs", ResourceVersion: w.next()}, Type: "Opaque"}
		is, _ := w.caches.Copies["regcred"].Get(kube.NameOf(theirs)).(*cluster.Secret)
		switch there := is != nil && is.UID == "theirs"; {
		case i < n && !there:
			w.caches.Copies["regcred"].Add(theirs)
		case i >= n && there:
			w.caches.Copies["regcred"].Delete(theirs)
		default:
			continue
		}
		w.work(ns)
	}
	w.rest(soon)
}

func (w *world) teams() (names []string) {
	for _, ns := range w.Cluster.Namespaces() {
		names = append(names, ns.Name)
	}
	slices.Sort(names)
	return names
}

// policyWrites counts the writes of the policy ConfigMap.
func (w *world) policyWrites() (n int) {
	for _, name := range w.writes {
		if name == "the-policy" {
			n++
		}
	}
	return n
}

func (w *world) record() status.Record {
	return status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord])
}

// TestTroubleOfNamespacesDegradesAboveTheLimitAlone goes across it and back.
func TestTroubleOfNamespacesDegradesAboveTheLimitAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 29, Options{})
		w.Reporter.MaxFailing = 10
		w.edit(onePolicy)
		w.run()
		first := "; first: rule a, Secret regcred in namespace team-00 and others: a secret of this name exists"
		for _, c := range []struct {
			foreign      int
			state, words string
		}{
			{0, status.Ready, "in force in all namespaces that it selects"},
			{2, status.Ready, "in force; 2 of 29 namespaces have problems of their own: 2 ForeignSecret" + first},
			{3, status.Degraded, "3 of 29 namespaces have problems of their own, more than the 2 that -max-failing allows: 3 ForeignSecret" + first},
			{2, status.Ready, "in force; 2 of 29 namespaces have problems of their own: 2 ForeignSecret" + first},
			{0, status.Ready, "in force in all namespaces that it selects"},
		} {
			w.foreign(c.foreign)
			w.rest(w.StatusInterval)
			w.isSaid(fmt.Sprintf("%d of 29", c.foreign), c.state, c.words)
			if r := w.record(); r.Status != c.state || r.Selected != 29 || r.Failing != c.foreign || w.view().State != c.state {
				t.Errorf("%d of 29: the status says %s, %d of %d, the metrics %+v", c.foreign, r.Status, r.Failing, r.Selected, w.view())
			}
			w.rest(time.Hour) // so that no write waits for an earlier one
		}
		if want := []string{"the-policy Ready", "the-policy Degraded", "the-policy Ready"}; !slices.Equal(w.events[:2], want[:2]) || len(w.events) != 3 {
			t.Errorf("the Events are %q, want %q", w.events, want)
		}
	})
}

// TestTheLimitCanBeNoneOrAll, and a problem of the policy counts under any.
func TestTheLimitCanBeNoneOrAll(t *testing.T) {
	for _, c := range []struct {
		percent, foreign int
		state            string
	}{
		{0, 0, status.Ready}, {0, 1, status.Degraded}, {100, 19, status.Ready}, {100, 20, status.Ready},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 20, Options{})
			w.Reporter.MaxFailing = c.percent
			w.edit(onePolicy)
			w.run()
			w.foreign(c.foreign)
			why := fmt.Sprintf("%d of 20 at %d percent", c.foreign, c.percent)
			w.isSaid(why, c.state, "")
			w.said(policy.Finding{Reason: "Bad", Text: "it is bad", Problem: true})
			w.isSaid(why+", and a source is bad", status.Degraded, "source pullsecrets/hub: it is bad (Bad)")
			if message := w.annotation(cluster.AnnotationMessage); !strings.HasPrefix(message, "source") || strings.Contains(message, "of 20 namespaces") != (c.foreign > 0) {
				t.Errorf("%s: %q", why, message)
			}
			if r := w.record(); r.Failing != c.foreign || r.First[0].Scope != string(plan.ScopePolicy) {
				t.Errorf("%s: the status says %+v", why, r)
			}
			w.said()
			w.rest(time.Hour)
			w.isSaid(why+", and the source is good", c.state, "")
		})
	}
}

// TestProblemsOfThePolicyLeaveRoomForThoseOfNamespaces, however much there is to say.
func TestProblemsOfThePolicyLeaveRoomForThoseOfNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		w.foreign(1)
		w.said(policy.Finding{Reason: "Bad", Text: strings.Repeat("it is bad ", 200), Problem: true})
		w.isSaid("both", status.Degraded, "; 1 of 20 namespaces has problems of its own, more than the 0 that -max-failing allows: 1 ForeignSecret; first: rule a, Secret regcred in namespace team-00")
		if message := w.annotation(cluster.AnnotationMessage); !strings.HasPrefix(message, "source pullsecrets/hub: it is bad it is bad") || len(message) > 1024 {
			t.Errorf("%d bytes: %s", len(message), message)
		}
	})
}

// TestAroundTheLimitTheAnnotationsBackOff, as in any dispute about them.
func TestAroundTheLimitTheAnnotationsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.Reporter.MaxFailing = 10
		w.edit(onePolicy)
		w.run()
		before := w.policyWrites()
		for i := range 300 {
			w.foreign(2 + i%2)
			w.rest(time.Second)
		}
		if n := w.policyWrites() - before; n > 12 {
			t.Errorf("%d writes in five minutes", n)
		}
		w.foreign(3)
		w.rest(time.Hour)
		w.isSaid("it stays above", status.Degraded, "3 of 20")
	})
}

// TestOtherWordsAloneBackOff: a count changes with every namespace that comes. They hold nothing back that matters.
func TestOtherWordsAloneBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.Reporter.MaxFailing = 10
		w.edit(onePolicy)
		w.run()
		w.foreign(1)
		before, events := w.policyWrites(), len(w.events)
		comes := func(i int) {
			name := fmt.Sprintf("x-%03d", i)
			w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: name}})
			w.work(name)
			w.rest(time.Second)
		}
		for i := range 120 {
			comes(i)
		}
		if n := w.policyWrites() - before; n == 0 || n > 10 {
			t.Errorf("%d writes in two minutes", n)
		}
		w.Reporter.Sources(nil)
		w.said(policy.Finding{Reason: "Bad", Text: "it is bad", Problem: true})
		w.isSaid("a problem of the policy", status.Degraded, "it is bad")
		w.said()
		w.isSaid("it is gone", status.Ready, "1 of 140 namespaces has problems of its own")
		if want := []string{"the-policy Bad", "the-policy Degraded", "the-policy Ready"}; !slices.Equal(w.events[events:], want) {
			t.Errorf("the Events are %q, want %q", w.events[events:], want)
		}
		comes(200)
		w.rest(5 * time.Minute)
		w.isSaid("later", status.Ready, "1 of 141")
	})
}

// TestACountAloneIsNotLogged where the policy was given with flags, and is told in the log.
func TestACountAloneIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30, Options{Documents: map[string]string{"policy.yaml": onePolicy}})
		w.Reporter.MaxFailing = 10
		w.run()
		for i := range 120 {
			w.foreign(2 + i%2)
			w.rest(time.Second)
		}
		w.log.mu.Lock()
		n := strings.Count(w.log.text.String(), `"status":"Ready"`)
		w.log.mu.Unlock()
		if n != 2 { // in force, and then with namespaces that have problems
			t.Errorf("the state is logged %d times", n)
		}
	})
}

// TestARolloutThatIsRefusedEverywhereIsDegradedOnce: what is told is told when every namespace was tried.
func TestARolloutThatIsRefusedEverywhereIsDegradedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 400, Options{})
		w.Reporter.MaxFailing = 10
		w.idle = true
		w.edit(onePolicy)
		w.run()
		p := w.Active()
		fail := func(ns string) {
			todo, _ := state.Decide(w.Cluster, p, ns, state.Circumstances{})
			result := apply.Result{Namespace: ns}
			for _, a := range todo.Actions {
				result.Outcomes = append(result.Outcomes, apply.Outcome{Action: a, Err: errors.New("refused")})
			}
			w.Reporter.Record(todo, result, false)
			w.Attempted(p, ns, false, false)
		}
		all := w.teams()
		for i, ns := range all {
			if w.policyWrites() > 0 {
				t.Fatalf("it is told after %d namespaces", i)
			}
			fail(ns)
			if i%20 == 19 {
				w.rest(time.Second)
			}
		}
		w.isSaid("all were tried", status.Degraded, "400 of 400 namespaces have problems of their own, more than the 40 that -max-failing allows: 400 WriteFailed; first: ")
		for range 3 {
			for _, ns := range all {
				fail(ns)
			}
			w.rest(time.Second)
		}
		if n := w.policyWrites(); n != 1 {
			t.Errorf("%d writes", n)
		}
		w.idle = false
		w.requeue()
		w.finish()
		w.isSaid("the API server takes them", status.Ready, "in force in all namespaces that it selects")
	})
}

// TestAHeldPruneIsToldAtOnce, though other words for the same state have to wait: without the annotation nobody knows what to confirm.
func TestAHeldPruneIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		w.said(policy.Finding{Reason: "Bad", Text: "it is bad", Problem: true})
		for i := range 200 {
			w.foreign(i % 2)
			w.rest(time.Second)
		}
		w.Limit.Hold()
		w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: "team-05"}, Excluded: true})
		w.work("team-05")
		w.rest(w.StatusInterval)
		w.isSaid("held", status.Degraded, "too much would be removed at once")
		if held := w.annotation(cluster.AnnotationHeldPrune); held != hashOf(onePolicy) {
			t.Errorf("what is to be confirmed is %q", held)
		}
	})
}

// TestWhatIsHeldUnderAnEarlierTextIsNotConfirmedByALaterOne, which is accepted and cannot be saved: what that one removes was told to nobody.
func TestWhatIsHeldUnderAnEarlierTextIsNotConfirmedByALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		w.edit(noRules)
		w.settle()
		if held := w.annotation(cluster.AnnotationHeldPrune); held != hashOf(noRules) {
			t.Fatalf("what is to be confirmed is %q", held)
		}
		w.refuse = func(name string) error {
			if name == "the-status" {
				return errors.New("no room")
			}
			return nil
		}
		w.edit(noRules + "# a comment\n")
		w.settle()
		w.isSaid("another text", status.Degraded, "accepted, but not in force")
		if held := w.annotation(cluster.AnnotationHeldPrune); held != "" {
			t.Errorf("what is to be confirmed is %q, which is not in force", held)
		}
		w.refuse = nil
		w.rest(writeAgain)
		w.finish()
		w.rest(w.StatusInterval)
		if held := w.annotation(cluster.AnnotationHeldPrune); held == "" || held != w.annotation(cluster.AnnotationObserved) {
			t.Errorf("it is in force, and what is to be confirmed is %q", held)
		}
	})
}
