package activation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

const (
	otherPolicy = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: hub}, name: other}]\n"
	noRules     = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	refused     = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- {name: a}\n"
)

var hashOf = func(text string) string { return policy.Hash(map[string]string{"policy.yaml": text}) }

// TestATextIsSavedThenInForceThenRolledOutThenTold, in this order.
func TestATextIsSavedThenInForceThenRolledOutThenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, Options{})
		w.idle = true
		w.edit(onePolicy, cluster.AnnotationRevision, "v1")
		w.refuse = func(name string) error {
			if len(w.writes) == 0 && (name != "the-status" || w.Active() != nil || len(w.requeued) > 0) {
				t.Errorf("%s is written first, in force is %v, %d namespaces are worked on", name, w.Active() != nil, len(w.requeued))
			}
			return nil
		}
		w.run()
		if got := w.names(); !slices.Equal(got, []string{"regcred"}) || w.Active() == nil || !w.Settled() {
			t.Errorf("in force is %t, and saved are the names %q", w.Active() != nil, got)
		}
		if got := w.annotation(cluster.AnnotationStatus) + w.annotation(cluster.AnnotationObserved); got != "" || len(w.events) > 0 {
			t.Errorf("it is not rolled out, and the annotations say %q, the Events %q", got, w.events)
		}
		if v := w.view(); v.State != status.Progressing || v.InForce != hashOf(onePolicy) {
			t.Errorf("the metrics say %+v", v)
		}
		w.idle = false
		w.settle()
		w.isSaid("rolled out", status.Ready, "in force in all namespaces that it selects")
		if w.annotation(cluster.AnnotationObserved) != hashOf(onePolicy) || w.annotation(cluster.AnnotationObservedRevision) != "v1" {
			t.Errorf("the annotations are %v", w.Cluster.PolicyMap().Annotations)
		}
		if n := w.copies("regcred"); n != 3 || !slices.Equal(w.events, []string{"the-policy Ready"}) {
			t.Errorf("%d copies, Events %q", n, w.events)
		}
		w.rest(w.StatusInterval)
		record := status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord])
		if record.Status != status.Ready || record.Observed != hashOf(onePolicy) || record.Revision != "v1" || record.Totals.Copies["a"] != 3 {
			t.Errorf("the status says %+v", record)
		}
		p, rollout := w.Progress()
		if !p.Published || p.Accepted != w.Active() || rollout.Total != 3 || rollout.Pending != 0 {
			t.Errorf("the progress is %+v, %+v", p, rollout)
		}
		written := len(w.writes)
		for range 20 {
			w.settle()
			w.rest(time.Minute)
		}
		if n := len(w.writes) - written; n > 0 || len(w.events) != 1 {
			t.Errorf("nothing changed, and there were %d writes, and the Events %q", n, w.events)
		}
	})
}

func TestARefusedOrMissingTextKeepsTheLastGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{})
		w.edit(refused)
		w.run()
		w.isSaid("the first text", status.Invalid, "refused, waiting for one: ")
		if w.Active() != nil {
			t.Error("a text that was refused is in force")
		}
		w.edit(onePolicy, cluster.AnnotationRevision, "v1")
		w.settle()
		w.isSaid("mended", status.Ready, "in force")
		good := w.Active()
		w.edit(refused, cluster.AnnotationRevision, "v2")
		w.settle()
		w.isSaid("refused", status.Invalid, "refused, the last good policy stays in force: ")
		if w.annotation(cluster.AnnotationObserved) != hashOf(refused) || w.annotation(cluster.AnnotationObservedRevision) != "v2" {
			t.Errorf("the annotations are %v", w.Cluster.PolicyMap().Annotations)
		}
		if p, _ := w.Progress(); p.Refused == "" || w.view().State != status.Invalid || w.view().InForce != hashOf(onePolicy) {
			t.Errorf("the progress is %+v, the metrics say %+v", p, w.view())
		}
		w.removePolicy()
		w.settle()
		if w.view().State != status.Missing || !w.log.has("there is no policy ConfigMap pullsecrets/the-policy, or it may not be read; the last good policy stays in force") {
			t.Errorf("missing: the metrics say %+v", w.view())
		}
		if w.Active() != good || w.copies("regcred") != 2 || !slices.Equal(w.names(), []string{"regcred"}) {
			t.Errorf("the last good policy is in force: %t, there are %d copies, and saved are %q", w.Active() == good, w.copies("regcred"), w.names())
		}
		w.edit(onePolicy)
		w.settle()
		w.isSaid("it is back", status.Ready, "in force")
		if w.Active() != good {
			t.Error("the same text was put in force again")
		}
	})
}

// TestTheCopiesOfAnEarlierTextGo, and then their name is forgotten.
func TestTheCopiesOfAnEarlierTextGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, Options{})
		w.edit(onePolicy)
		w.run()
		w.idle = true
		w.edit(otherPolicy)
		w.settle()
		if got := w.names(); !slices.Equal(got, []string{"other", "regcred"}) {
			t.Errorf("before a copy was made, the names %q are saved", got)
		}
		w.idle = false
		w.settle()
		w.rest(w.StatusInterval)
		if got := w.names(); w.copies("regcred") != 0 || w.copies("other") != 3 || !slices.Equal(got, []string{"other"}) {
			t.Errorf("%d and %d copies, the names %q are saved", w.copies("regcred"), w.copies("other"), got)
		}
		if !w.Cluster.CopiesUnknown("regcred") {
			t.Error("copies of a name that nobody needs are still watched")
		}
	})
}

// savedBy is the status ConfigMap as an Activator left it that had these texts.
func savedBy(w *world, names []string, documents map[string]string) *cluster.ConfigMap {
	packed, err := status.PackPolicy(documents)
	if err != nil {
		w.t.Fatal(err)
	}
	return &cluster.ConfigMap{
		Meta:       cluster.Meta{Namespace: "pullsecrets", Name: "the-status", UID: "uid-the-status", ResourceVersion: w.next()},
		Data:       map[string]string{status.KeyNames: strings.Join(names, "\n")},
		BinaryData: map[string][]byte{status.KeyPolicy: packed},
	}
}

func TestARestartGoesOnFromTheStatus(t *testing.T) {
	good := map[string]string{"policy.yaml": onePolicy}
	elsewhere := map[string]string{"policy.yaml": strings.Replace(onePolicy, "name: hub", "name: hub, namespace: vault", 1)}
	for _, c := range []struct {
		why     string
		text    string // of the policy ConfigMap; empty for none
		saved   map[string]string
		broken  bool // the saved text
		inForce string
		log     string
	}{
		{"the same text", onePolicy, good, false, onePolicy, ""},
		{"another text", otherPolicy, good, false, otherPolicy, ""},
		{"a text that is refused", refused, good, false, onePolicy, "the last good policy stays in force"},
		{"no text", "", good, false, onePolicy, "the last good policy stays in force"},
		{"no text, and none was accepted before", "", nil, false, "", "waiting for one"},
		{"a saved text that somebody edited", "", good, true, "", "cannot be restored"},
		{"a saved text that is not permitted any more", "", elsewhere, false, "", "no longer acceptable"},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, Options{})
				saved := savedBy(w, []string{"gone", "regcred"}, c.saved)
				if c.broken {
					saved.BinaryData[status.KeyPolicy] = []byte("x")
				}
				w.caches.Status.Add(saved)
				if c.text != "" {
					w.edit(c.text)
				}
				w.idle = true
				w.run()
				inForce := ""
				if w.Active() != nil {
					inForce = w.evaluator.inForce()
				}
				if want := c.inForce; want != "" && inForce != hashOf(want) || want == "" && inForce != "" {
					t.Errorf("in force is %q", inForce)
				}
				if got := w.names(); c.inForce != "" && (!slices.Contains(got, "gone") || !slices.Contains(got, "regcred")) {
					t.Errorf("the names %q are in use, and the roll-out is not over", got)
				}
				if !w.log.has(c.log) {
					t.Errorf("the log lacks %q", c.log)
				}
			})
		})
	}
}

// TestANameThatAnotherLeaderSavedIsNotLost: the write is refused, because there is a newer status, and all begins again from it.
func TestANameThatAnotherLeaderSavedIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{})
		w.edit(onePolicy)
		w.idle = true
		w.refuse = func(string) error {
			w.refuse = nil
			w.caches.Status.Add(savedBy(w, []string{"other"}, nil))
			return apierrors.NewConflict(kube.ConfigMaps.GroupResource(), "the-status", errors.New("it is another version"))
		}
		w.run()
		if w.Active() != nil {
			t.Fatal("it is in force, and its names are not saved")
		}
		if p, _ := w.Progress(); p != nil {
			t.Errorf("it begins again, and has seen %+v", p)
		}
		w.rest(staleAgain)
		if got := w.names(); w.Active() == nil || !slices.Equal(got, []string{"other", "regcred"}) {
			t.Errorf("in force is %t, the names %q are saved", w.Active() != nil, got)
		}
	})
}

func TestAStatusThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		why     string
		err     error
		inForce bool
		words   string
	}{
		{"one missing permission does not stop the rest", apierrors.NewForbidden(kube.ConfigMaps.GroupResource(), "the-status", errors.New("canary")), true, "in force"},
		{"any other failure does", errors.New("canary"), false, "accepted, but not in force, because the status ConfigMap cannot be written: "},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, Options{})
				w.edit(onePolicy)
				w.refuse = func(name string) error {
					if name == "the-status" {
						return c.err
					}
					return nil
				}
				w.run()
				state := status.Degraded
				if c.inForce {
					state = status.Ready
				}
				w.isSaid("it cannot be written", state, c.words)
				if (w.Active() != nil) != c.inForce || (w.copies("regcred") == 2) != c.inForce {
					t.Errorf("in force is %t, with %d copies", w.Active() != nil, w.copies("regcred"))
				}
				if p, _ := w.Progress(); (p.Unsaved == "") != c.inForce || p.Published {
					t.Errorf("the progress is %+v", p)
				}
				if !w.log.has("cannot write the status ConfigMap") || w.log.has("canary") {
					t.Error("the log does not say it, or says too much")
				}
				w.refuse = nil
				w.rest(writeAgain)
				w.settle()
				w.isSaid("it can be written", status.Ready, "in force")
				if got := w.names(); !slices.Equal(got, []string{"regcred"}) {
					t.Errorf("the names %q are saved", got)
				}
			})
		})
	}
}

// TestAStatusThatMayNotBeReadIsWrittenAsItIs: nobody knows its version.
func TestAStatusThatMayNotBeReadIsWrittenAsItIs(t *testing.T) {
	for forbidden, want := range map[bool]string{false: kube.MustNotExist, true: ""} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, Options{})
			caches := w.caches
			caches.Forbidden = func(of kube.Target) bool { return forbidden && of.Name == "the-status" }
			w.Cluster.Fill(caches)
			w.edit(onePolicy)
			w.idle = true
			w.run()
			if w.Active() == nil || !slices.Equal(w.writes, []string{"the-status"}) || w.pinned != want {
				t.Errorf("forbidden is %t: in force is %t, written are %q, over version %q", forbidden, w.Active() != nil, w.writes, w.pinned)
			}
		})
	}
}

// TestAHeldPruneIsReleasedOnceByAConfirmation, which is the hash of the text that removes.
func TestAHeldPruneIsReleasedOnceByAConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		held := func(why string, want bool) {
			t.Helper()
			w.settle()
			if n := w.copies("regcred"); w.Limit.Held() != want || (n == 20) != want {
				t.Errorf("%s: held is %t, with %d copies", why, w.Limit.Held(), n)
			}
			if want {
				w.isSaid(why, status.Degraded, "too much would be removed at once")
			} else {
				w.isSaid(why, status.Ready, "in force")
			}
		}
		w.edit(noRules)
		held("all of 20 copies", true)
		if p, _ := w.Progress(); !p.Held {
			t.Error("the progress does not say it")
		}
		decided := w.decided
		for range 10 {
			w.settle()
		}
		if w.decided != decided {
			t.Errorf("all namespaces were decided %d times at 10 wakes", w.decided-decided)
		}
		w.edit(noRules, cluster.AnnotationConfirmPrune, hashOf(onePolicy))
		held("another text is confirmed", true)
		w.edit(noRules, cluster.AnnotationConfirmPrune, w.annotation(cluster.AnnotationObserved))
		held("confirmed", false)

		w.rest(w.StatusInterval)
		if got := status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord]); got.Confirmed != hashOf(noRules) {
			t.Errorf("a restart would count it again: %+v", got)
		}
		w.edit(onePolicy)
		w.settle()
		w.edit(noRules)
		held("the confirmation was used up", true)
		w.change(func(cm *cluster.ConfigMap) { delete(cm.Annotations, cluster.AnnotationConfirmPrune) })
		held("it was taken away", true)
		w.edit(noRules, cluster.AnnotationConfirmPrune, hashOf(noRules))
		held("it was set anew", false)
	})
}

// TestAConfirmationCountsUntilSomethingWasRemoved: a process that ends before would leave the user's word unheard for ever.
func TestAConfirmationCountsUntilSomethingWasRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		w.edit(noRules)
		w.settle()
		w.idle = true
		w.edit(noRules, cluster.AnnotationConfirmPrune, hashOf(noRules))
		w.settle()
		saved := func(why, want string) {
			t.Helper()
			before := w.Cluster.StatusMap().ResourceVersion
			w.rest(w.StatusInterval)
			w.settle()
			got := status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord])
			if w.Limit.Held() || got.Confirmed != want || w.Cluster.StatusMap().ResourceVersion == before {
				t.Errorf("%s: held is %t, the status says that %q was used up", why, w.Limit.Held(), got.Confirmed)
			}
		}
		for _, ns := range w.Cluster.Namespaces() {
			w.Attempted(w.Active(), ns.Name, false, false)
		}
		saved("no write succeeds", "")
		w.work(w.Cluster.Namespaces()[0].Name)
		saved("one copy is removed", hashOf(noRules))
	})
}

func TestAConfirmationIsUsedUpForARestartToo(t *testing.T) {
	for used, want := range map[string]bool{"": false, hashOf(noRules): true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 20, Options{})
			for _, ns := range w.Cluster.Namespaces() {
				w.copied(ns.Name, "regcred")
			}
			saved := savedBy(w, []string{"regcred"}, map[string]string{"policy.yaml": onePolicy})
			saved.Data[status.KeyRecord] = fmt.Sprintf(`{"confirmed": %q}`, used)
			w.caches.Status.Add(saved)
			w.edit(noRules, cluster.AnnotationConfirmPrune, hashOf(noRules))
			w.run()
			if w.Limit.Held() != want || (w.copies("regcred") == 20) != want {
				t.Errorf("used up before is %q: held is %t, with %d copies", used, w.Limit.Held(), w.copies("regcred"))
			}
		})
	}
}

func TestAPruneIsNotHeldWhenNothingIsLeftOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, Options{})
		w.edit(onePolicy)
		w.run()
		w.edit(noRules)
		w.settle()
		for _, store := range []*watch.Objects{w.caches.Copies["regcred"], w.caches.Accounts} {
			for _, obj := range store.List() {
				store.Delete(obj)
			}
		}
		if !w.Limit.Held() {
			t.Fatal("it is not held")
		}
		w.requeue()
		w.settle()
		if w.Limit.Held() {
			t.Error("somebody removed all of it, and it is still held")
		}
		w.isSaid("somebody removed all of it", status.Ready, "in force")
	})
}

// TestAnnotationsThatSomebodyRewritesAreWrittenEverMoreSeldom. What tells of a new text is written at once.
func TestAnnotationsThatSomebodyRewritesAreWrittenEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, Options{})
		w.edit(onePolicy)
		w.run()
		w.rest(w.StatusInterval)
		began := time.Now()
		var at []time.Duration
		w.refuse = func(string) error {
			at = append(at, time.Since(began))
			return nil
		}
		for time.Since(began) < time.Minute {
			if w.annotation(cluster.AnnotationMessage) != "mine" {
				w.change(func(cm *cluster.ConfigMap) { cm.Annotations[cluster.AnnotationMessage] = "mine" })
			}
			w.settle()
			w.rest(time.Second)
		}
		second := time.Second
		if want := []time.Duration{0, second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second}; !slices.Equal(at, want) {
			t.Errorf("written after %v, want %v", at, want)
		}
		w.edit(onePolicy, cluster.AnnotationMessage, "mine", cluster.AnnotationRevision, "v2")
		w.settle()
		w.isSaid("a new revision", status.Ready, "in force")
		if got := w.annotation(cluster.AnnotationObservedRevision); got != "v2" {
			t.Errorf("the new revision is not told: %q", got)
		}
	})
}

func TestAnnotationsThatCannotBeWrittenAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, Options{})
		w.edit(onePolicy)
		w.refuse = func(name string) error {
			if name == "the-policy" {
				return errors.New("canary")
			}
			return nil
		}
		w.run()
		if w.Active() == nil || !w.log.has("cannot write the annotations of the policy ConfigMap") || len(w.events) > 0 {
			t.Errorf("in force is %t, Events %q", w.Active() != nil, w.events)
		}
		w.refuse = nil
		w.rest(writeAgain)
		w.isSaid("it can be written", status.Ready, "in force")
	})
}

// TestAStandbyFollowsWhatTheLeaderFollows, and takes over from the status.
func TestAStandbyFollowsWhatTheLeaderFollows(t *testing.T) {
	for _, c := range []struct{ why, text string }{
		{"the text", onePolicy},
		{"the last good text, where there is a newer one that is refused", refused},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, Options{})
				w.leads = false
				w.edit(c.text)
				w.caches.Status.Add(savedBy(w, []string{"other"}, map[string]string{"policy.yaml": onePolicy}))
				w.run()
				if w.Active() != nil || len(w.writes) > 0 || !w.Settled() {
					t.Errorf("in force is %t, %q were written, it is settled: %t", w.Active() != nil, w.writes, w.Settled())
				}
				if w.Cluster.CopiesUnknown("regcred") || w.Cluster.CopiesUnknown("other") {
					t.Error("it does not follow the copies")
				}
				if p, _ := w.Progress(); p != nil || w.view() != nil {
					t.Errorf("it evaluated nothing, and says %+v, %+v", p, w.view())
				}
				w.caches.Status.Add(savedBy(w, []string{"gone"}, map[string]string{"policy.yaml": onePolicy})) // the leader's last word
				w.leads, w.idle = true, true
				w.settle()
				if got := w.names(); w.Active() == nil || !slices.Equal(got, []string{"gone", "regcred"}) {
					t.Errorf("in force is %t, the names %q are in use", w.Active() != nil, got)
				}
			})
		})
	}
}

// TestWhatMayNotBeListedIsTold where nothing can be said without it.
func TestWhatMayNotBeListedIsTold(t *testing.T) {
	for resource, words := range map[string]string{
		"namespaces": "namespaces may not be listed and watched", "serviceaccounts": "service accounts may not be listed and watched",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 2, Options{})
			caches := w.caches
			caches.Forbidden = func(of kube.Target) bool { return of.Resource.Resource == resource }
			w.Cluster.Fill(caches)
			w.edit(onePolicy)
			w.run()
			w.isSaid(resource, status.Degraded, words)
			if p, _ := w.Progress(); p.Blind == "" {
				t.Errorf("%s: the progress is %+v", resource, p)
			}
		})
	}
}

// TestAPolicyOfFlagsIsToldInTheLog, and in Events on the status ConfigMap where that is not what it said before.
func TestAPolicyOfFlagsIsToldInTheLog(t *testing.T) {
	foreign := func(w *world) {
		w.caches.Copies["regcred"].Add(&cluster.Secret{Meta: cluster.Meta{Namespace: "team-00", Name: "regcred", UID: "u", ResourceVersion: "2"}, Type: "Opaque"})
	}
	for _, c := range []struct {
		why    string
		saved  string // the state in the status; empty for no status
		change func(w *world)
		state  string
		events []string
	}{
		{"at first", "", func(*world) {}, status.Ready, []string{"the-status Ready"}},
		{"a restart that changes nothing", status.Ready, func(*world) {}, status.Ready, nil},
		{"a restart that mends it", status.Degraded, func(*world) {}, status.Ready, []string{"the-status Ready"}},
		{"a problem", status.Ready, foreign, status.Degraded, []string{"the-status Degraded"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, Options{Documents: map[string]string{"policy.yaml": onePolicy}})
				if c.saved != "" {
					saved := savedBy(w, []string{"regcred"}, nil)
					saved.Data[status.KeyRecord] = fmt.Sprintf(`{"status": %q}`, c.saved)
					w.caches.Status.Add(saved)
				}
				c.change(w)
				w.run()
				w.rest(w.StatusInterval)
				if !w.log.has(`"status":"`+c.state+`"`) || !slices.Equal(w.events, c.events) {
					t.Errorf("the Events are %q; the log says %s", w.events, w.log.text.String())
				}
				if got := w.Cluster.StatusMap(); status.Decode(got.Data[status.KeyRecord]).Status != c.state || got.BinaryData[status.KeyPolicy] != nil {
					t.Errorf("the status is %v", got.Data)
				}
				if slices.Contains(w.writes, "the-policy") {
					t.Error("the policy ConfigMap was written")
				}
			})
		})
	}
}

// TestAPolicyOfFlagsRemovesNothing: nobody could confirm it.
func TestAPolicyOfFlagsRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, Options{Documents: map[string]string{"policy.yaml": otherPolicy}})
		w.caches.Status.Add(savedBy(w, []string{"regcred"}, nil))
		for _, namespace := range []string{"team-00", "team-01"} {
			w.caches.Copies["regcred"].Add(&cluster.Secret{
				Meta: cluster.Meta{Namespace: namespace, Name: "regcred", UID: types.UID(namespace), ResourceVersion: "2"},
				Type: cluster.TypeDockerConfigJSON, Applied: true, OwnsData: true,
				Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Source: "pullsecrets/hub", For: "pullsecrets/" + namespace},
			})
		}
		w.run()
		if w.copies("regcred") != 2 || w.copies("other") != 2 || !w.Limit.Held() {
			t.Errorf("%d copies are left, %d were made, held is %t", w.copies("regcred"), w.copies("other"), w.Limit.Held())
		}
		if !w.log.has(`"status":"Degraded"`) {
			t.Error("the log does not say it")
		}
	})
}

// TestARolloutTellsWhatFailed, and since when.
func TestARolloutTellsWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished, mended := 0, 0
		r := &rollout{finished: func() { finished++ }, mended: func() { mended++ }}
		p, other := &policy.Policy{}, &policy.Policy{Rules: []*policy.Rule{{}}}
		loses := plan.Count{Copies: 3}
		r.begin(p, map[string]plan.Count{"a": loses, "b": {}, "c": {}})
		began := time.Now()
		r.attempted(other, "a", false, true)
		r.attempted(p, "a", false, false)
		time.Sleep(time.Second)
		r.attempted(p, "b", false, false)
		r.attempted(p, "a", false, false)
		if s := r.state(); s.Policy != p || s.Total != 3 || s.Pending != 1 || s.Failing != 2 || s.Since != began.Add(time.Second) {
			t.Errorf("%+v", s)
		}
		if r.done(p) || finished > 0 || r.allowed(p, "a") != loses || r.allowed(other, "a") != (plan.Count{}) {
			t.Errorf("done is %t, told %d times, allowed are %+v", r.done(p), finished, r.allowed(p, "a"))
		}
		r.attempted(p, "c", false, true)
		r.attempted(p, "a", false, true)
		if mended > 0 {
			t.Error("it is told to be mended while b fails")
		}
		r.attempted(p, "b", false, true)
		if mended != 1 || !r.converged(p) { // what waits for that would wait for ever
			t.Errorf("it is told %d times that nothing fails any more", mended)
		}
		r.attempted(p, "b", false, true)
		if mended != 1 {
			t.Error("it is told again")
		}
		if s := r.state(); !r.done(p) || r.done(other) || finished != 1 || s.Failing != 0 || r.allowed(p, "a") != (plan.Count{}) {
			t.Errorf("%+v, told %d times, allowed are %+v", s, finished, r.allowed(p, "a"))
		}
	})
}

// TestARolloutWaitsForRegistries: what is held is tried again, and only then told.
func TestARolloutWaitsForRegistries(t *testing.T) {
	finished := 0
	r := &rollout{finished: func() { finished++ }}
	p := &policy.Policy{}
	r.begin(p, map[string]plan.Count{"a": {}, "b": {}})
	r.attempted(p, "a", true, true)
	r.attempted(p, "b", false, true)
	if r.done(p) || r.converged(p) || finished > 0 {
		t.Error("it is done while something waits")
	}
	r.attempted(p, "a", false, true)
	if !r.done(p) || finished != 1 {
		t.Error("it is not done")
	}
	r.attempted(p, "b", true, true) // a rotation is no roll-out of the policy
	if !r.done(p) || !r.converged(p) {
		t.Error("it is not done any more")
	}
}
