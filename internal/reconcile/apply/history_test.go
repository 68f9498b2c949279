package apply

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// TestTheHistoryOfAnObjectIsItsOwn: what is forgotten of one stays of the others, and one of the same name and another UID has none.
func TestTheHistoryOfAnObjectIsItsOwn(t *testing.T) {
	h := history{}
	now := time.Now()
	account := func(name string, uid types.UID) (kube.Key, plan.Action) {
		return kube.Key{Kind: plan.KindServiceAccount, ObjectName: cache.ObjectName{Namespace: "team", Name: name}},
			plan.Action{Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: name, UID: uid, List: &plan.List{Added: []string{"reg", "hub"}}}
	}
	copyKey := kube.Key{Kind: plan.KindSecret, ObjectName: cache.ObjectName{Namespace: "team", Name: "ci"}} // the name of an account too
	first, ofFirst := account("ci", "1")
	second, ofSecond := account("default", "2")
	elsewhere := first
	elsewhere.Namespace = "other"
	h.note(first, ofFirst, now)
	h.note(second, ofSecond, now)
	h.note(elsewhere, ofFirst, now)
	h.note(copyKey, makeCopy(plan.Create, plan.Missing), now)
	knows := func(why string, wanted ...bool) {
		t.Helper()
		for i, c := range []struct {
			key  kube.Key
			id   objectID
			what string
		}{
			{first, idOf(ofFirst), "reg"}, {first, idOf(ofFirst), "hub"}, {second, idOf(ofSecond), "reg"}, {elsewhere, idOf(ofFirst), "reg"}, {copyKey, 0, "the copy"},
		} {
			if got := h.find(c.key, c.id, c.what) != nil; got != wanted[i] {
				t.Errorf("%s: %q of %v is known: %t", why, c.what, c.key, got)
			}
		}
	}
	knows("all noted", true, true, true, true, true)
	if _, again := account("ci", "3"); h.find(first, idOf(again), "reg") != nil || h.find(first, 0, "reg") != nil {
		t.Error("another account of the name has the history of the first")
	}
	h.drop(first, func(what string, _ objectID) bool { return what == "hub" })
	knows("a name taken back", true, false, true, true, true)
	h.drop(first, func(string, objectID) bool { return true })
	knows("an account forgotten", false, false, true, true, true)
	h.drop(copyKey, func(string, objectID) bool { return true })
	knows("a copy forgotten", false, false, true, true, false)
	h.sweep(now.Add(2 * over))
	knows("long after", false, false, false, false, false)
	if len(h) > 0 {
		t.Errorf("%d namespaces are kept", len(h))
	}
}
