package apply

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// contention makes our repairs of an object slower when another controller reverts them again and again. Two controllers that
// both insist would otherwise write as fast as the API server allows. Here the other controller's version stays for longer
// and longer, the report names its field manager, and all other objects are written as fast as before.
//
// A write is a repair when it makes a change that this process made before, see history. Our marks on the object do not count:
// the other controller may have removed them.
//
// A service account counts by its UID: one that a CI job or a Helm hook deletes and makes anew is a new object, which
// needs its names at once. A copy counts by its name: the new one is ours, which we made because somebody deleted the
// last, or it is somebody's who makes it again each time that we take it over.
type contention struct {
	mu       sync.Mutex
	history  history
	repaired map[string]map[kube.Key]*repairs // by namespace
	swept    time.Time
}

// repairs are those of one object.
type repairs struct {
	Backoff
	object objectID
	drifts int // repairs of content that another field manager owned
	rule   string
	owners []cluster.Owner // the last that were known
}

func newContention() *contention {
	return &contention{history: history{}, repaired: map[string]map[kube.Key]*repairs{}}
}

// repair carries out an action that may be a repair. It returns how many repairs of the object there were with this one;
// 0 if it is none.
func (c *contention) repair(key kube.Key, a plan.Action, act func() error) (n int, err error) {
	repair := c.isRepair(key, a)
	if wait := c.wait(key, idOf(a), time.Now()); repair && wait > 0 {
		return 0, &Contested{Key: key, Rule: a.Rule, Wait: wait, owners: a.Owners}
	}
	if err := act(); err != nil {
		return 0, err
	}
	return c.note(key, a, repair, time.Now()), nil
}

// isRepair reports whether an action puts back what somebody undid.
func (c *contention) isRepair(key kube.Key, a plan.Action) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return a.Restores || slices.ContainsFunc(changesOf(a), func(what string) bool { return c.history.find(key, idOf(a), what) != nil })
}

// wait returns how long a repair has to wait; 0 is not at all.
func (c *contention) wait(key kube.Key, id objectID, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.repairs(key, id); r != nil {
		return r.Wait(now)
	}
	return 0
}

// note takes in what an action changed, or took back, and counts it if it was a repair.
func (c *contention) note(key kube.Key, a plan.Action, repair bool, now time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(now)
	if a.Verb == plan.Delete {
		c.drop(key)
	} else {
		if a.List != nil && len(a.List.Removed) > 0 {
			c.history.drop(key, func(what string, _ objectID) bool { return slices.Contains(a.List.Removed, what) })
		}
		c.history.note(key, a, now)
		if r := c.repairs(key, idOf(a)); r != nil {
			r.last = now
		}
	}
	if repair {
		return c.count(key, a, now)
	}
	return 0
}

// count counts a repair, and returns how many there were.
func (c *contention) count(key kube.Key, a plan.Action, now time.Time) int {
	r := c.repairs(key, idOf(a))
	if r == nil {
		r = &repairs{object: idOf(a)}
		if c.repaired[key.Namespace] == nil {
			c.repaired[key.Namespace] = map[kube.Key]*repairs{}
		}
		c.repaired[key.Namespace][key] = r
	}
	if a.Reason == plan.Drifted && len(a.Owners) > 0 {
		r.drifts++
	}
	r.rule = a.Rule
	if len(a.Owners) > 0 { // an object that was deleted has none
		r.owners = a.Owners
	}
	return r.Repaired(now)
}

// repairs returns those of an object, or nil if there were none.
func (c *contention) repairs(key kube.Key, id objectID) *repairs {
	if r := c.repaired[key.Namespace][key]; r != nil && r.object == id {
		return r
	}
	return nil
}

// open returns which objects of a namespace are contested, sorted, with how long until each counts as settled if nobody reverts
// the last repair. Until then they are reported: the policy's state would otherwise change with each repair and each revert.
func (c *contention) open(namespace string, now time.Time) (open []*Contested) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, r := range c.repaired[namespace] {
		if wait := r.Wait(now); wait > 0 {
			open = append(open, &Contested{Key: key, Rule: r.rule, Wait: wait, owners: r.owners})
		}
	}
	slices.SortFunc(open, func(a, b *Contested) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return open
}

// insisted reports whether somebody wrote content of their own again after each of the repairs that are made at once,
// and contends still.
func (c *contention) insisted(key kube.Key, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repaired[key.Namespace][key]
	return r != nil && r.drifts >= FreeRepairs && !r.Over(now)
}

// gone forgets an object that was deleted, if it does not count by its name.
func (c *contention) gone(key kube.Key, id objectID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 {
		return
	}
	c.history.drop(key, func(_ string, object objectID) bool { return object == id })
	if c.repairs(key, id) != nil {
		delete(c.repaired[key.Namespace], key)
	}
}

// forget drops what is remembered of a namespace.
func (c *contention) forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.repaired, namespace)
	delete(c.history, namespace)
}

// forgive drops what is remembered of one object.
func (c *contention) forgive(key kube.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

func (c *contention) drop(key kube.Key) {
	c.history.drop(key, func(string, objectID) bool { return true })
	delete(c.repaired[key.Namespace], key)
}

// sweep forgets now and then what is long ago.
func (c *contention) sweep(now time.Time) {
	if now.Sub(c.swept) <= time.Minute {
		return
	}
	c.swept = now
	for namespace, objects := range c.repaired {
		maps.DeleteFunc(objects, func(_ kube.Key, r *repairs) bool { return r.Over(now) })
		if len(objects) == 0 {
			delete(c.repaired, namespace)
		}
	}
	c.history.sweep(now)
}

// Contested is an object that another controller reverts again and again. It is the error of a repair that waits.
type Contested struct {
	kube.Key
	Rule   string
	Wait   time.Duration // until the next repair, or until it counts as over
	owners []cluster.Owner
}

func (c *Contested) Error() string {
	return "somebody undoes this again and again; it is repaired at growing intervals (" + OtherManagers(c.owners) + ")"
}

// shownManagers is how many other field managers are named; the rest is counted.
const shownManagers = 3

// OtherManagers names the field managers that contend.
func OtherManagers(owners []cluster.Owner) string {
	if len(owners) == 0 {
		return "by whom, the API server does not say"
	}
	var names []string
	for _, o := range owners[:min(len(owners), shownManagers)] {
		names = append(names, fmt.Sprintf("%q by %s", o.Manager, o.Operation))
	}
	if more := len(owners) - shownManagers; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return "field manager " + strings.Join(names, ", ")
}
