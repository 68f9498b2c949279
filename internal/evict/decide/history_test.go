package decide

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func podOf(controller, uid string, created time.Duration) *cluster.Pod {
	return &cluster.Pod{
		Meta: cluster.Meta{UID: types.UID(uid)}, Created: start.Add(created),
		Controller: &cluster.Controller{UID: types.UID(controller)},
	}
}

func TestAControllerDoesNotGoInACircle(t *testing.T) {
	var h History
	now := start.Add(time.Minute)
	verdict := Verdict{Names: []string{"reg"}}
	allows := func(pod *cluster.Pod, want bool, why string) {
		t.Helper()
		if got := h.Allows(verdict, pod, now); got.Evict() != want {
			t.Errorf("%s: %s %s", why, got.Reason, got.Text)
		}
	}
	evicted := func(pod *cluster.Pod, newest time.Duration, names ...string) {
		h.Evicted(pod, names, start.Add(newest), now)
	}
	first, sibling := podOf("set", "p1", 0), podOf("set", "p2", 2*time.Second)
	allows(first, true, "nothing was evicted yet")
	evicted(first, 2*time.Second, "reg")
	allows(first, false, "it was evicted")
	allows(sibling, true, "it was there already when the other one was evicted")
	allows(podOf("other", "p9", time.Hour), true, "its controller is another one")
	now = now.Add(time.Second)
	evicted(sibling, time.Minute, "reg")
	successor := podOf("set", "p3", time.Minute)
	allows(successor, false, "it came after the first eviction, and is stuck again")
	now = now.Add(pause)
	allows(successor, true, "an hour later")
	evicted(successor, time.Minute, "reg")
	now = now.Add(pause + time.Minute)
	next := podOf("set", "p4", time.Hour)
	allows(next, false, "the same did not help before")
	now = now.Add(pause)
	allows(next, true, "twice as long later")
	evicted(next, time.Hour, "other")
	now = now.Add(pause)
	allows(podOf("set", "p5", 5*time.Hour), true, "it was another name then, so the pause is an hour again")
	for range 10 {
		evicted(podOf("set", "p6", 24*time.Hour), time.Hour, "reg")
	}
	now = now.Add(maxPause)
	allows(podOf("set", "p7", 25*time.Hour), true, "no pause is longer than a day")
	if got := h.Allows(Verdict{Reason: NoRule}, first, now); got.Reason != NoRule {
		t.Error("another reason is lost")
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	var h History
	for i := range remembered + 5 {
		h.Evicted(podOf(fmt.Sprintf("set-%d", i), fmt.Sprintf("p-%d", i), 0), nil, start, start)
	}
	if n := len(h.pods.values) + len(h.pods.order) + len(h.controllers.values) + len(h.controllers.order); n != 4*remembered {
		t.Errorf("%d entries are kept", n)
	}
	if v := h.Allows(Verdict{}, podOf("set-0", "p-0", 0), start); !v.Evict() {
		t.Error("the oldest was not forgotten")
	}
	if v := h.Allows(Verdict{}, podOf("set-9", "p-9", 0), start); v.Evict() {
		t.Error("a later one was forgotten")
	}
}
