package apply

import (
	"hash/maphash"
	"slices"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// history is what this process changed, by namespace: a write that makes a change which was made before, and not taken back
// since, is a repair. After a roll-out every object has an entry, so they are small.
type history map[string][]change

// change is a change that was made, and when it was made last.
type change struct {
	name   string
	part   unique.Handle[part]
	object objectID
	at     seconds
}

// part is what of an object was changed. The cluster has few different ones, and many namespaces share each.
type part struct {
	kind plan.Kind
	what string
}

// seconds are since began: a time.Time takes three times the memory.
type seconds int32

var began = time.Now()

func since(now time.Time) seconds { return seconds(now.Sub(began) / time.Second) }

// objectID tells a service account from another one of the same name; it is 0 for what counts by its name. It is a hash
// of the UID, in less memory than the UID takes.
type objectID uint32

var objectSeed = maphash.MakeSeed()

func newObjectID(kind plan.Kind, uid types.UID) objectID {
	if kind != plan.KindServiceAccount {
		return 0
	}
	return max(1, objectID(maphash.String(objectSeed, string(uid))))
}

func idOf(a plan.Action) objectID { return newObjectID(a.Kind, a.UID) }

// changesOf are what an action changes of an object, in words that are the same when it changes the same again.
func changesOf(a plan.Action) []string {
	switch {
	case a.List != nil:
		return a.List.Added
	case a.Verb == plan.Create, a.Reason == plan.TakenOver, a.Verb == plan.Replace:
		return []string{"the copy"}
	}
	return nil
}

func (c *change) of(key kube.Key) bool { return c.name == key.Name && c.part.Value().kind == key.Kind }

// find returns the entry of a change, or nil.
func (h history) find(key kube.Key, id objectID, what string) *change {
	all := h[key.Namespace]
	for i := range all {
		if c := &all[i]; c.object == id && c.of(key) && c.part.Value().what == what {
			return c
		}
	}
	return nil
}

// note takes in what an action changed.
func (h history) note(key kube.Key, a plan.Action, now time.Time) {
	for _, what := range changesOf(a) {
		if c := h.find(key, idOf(a), what); c != nil {
			c.at = since(now)
			continue
		}
		h[key.Namespace] = append(h[key.Namespace], change{key.Name, unique.Make(part{key.Kind, what}), idOf(a), since(now)})
	}
}

// drop forgets changes of an object.
func (h history) drop(key kube.Key, which func(what string, object objectID) bool) {
	h.keep(key.Namespace, slices.DeleteFunc(h[key.Namespace], func(c change) bool { return c.of(key) && which(c.part.Value().what, c.object) }))
}

// sweep forgets what is long ago.
func (h history) sweep(now time.Time) {
	for namespace, all := range h {
		h.keep(namespace, slices.DeleteFunc(all, func(c change) bool { return since(now)-c.at > seconds(over/time.Second) }))
	}
}

func (h history) keep(namespace string, kept []change) {
	if len(kept) == 0 {
		delete(h, namespace)
		return
	}
	h[namespace] = kept
}
