package reconcile

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	freeRepairs = 3               // repairs of one object that are made at once
	fightFirst  = time.Second     // how long the next one waits; twice as long each time
	fightMost   = 5 * time.Minute // and this long at most
	fightOver   = 2 * fightMost   // without a repair, the fight is over
)

// fights slows down over single objects that somebody undoes again and again. Two controllers that both insist would
// otherwise write as fast as the API server lets them; here the other one wins for longer and longer, is named, and
// all other objects keep their pace.
//
// What counts is what we did ourselves: a write that makes a change which we made before, and did not take back since,
// is a repair, whatever the other party left of our marks.
//
// A service account counts by its UID: one that a CI job or a Helm hook deletes and makes anew is a new object, which
// needs its names at once. A copy counts by its name: the new one is ours, which we made because somebody deleted the
// last, or it is somebody's who makes it again each time that we take it over.
type fights struct {
	mu      sync.Mutex
	deeds   map[string][]deed              // by namespace; after a roll-out every object has one, so they are small
	objects map[string]map[kube.Key]*fight // by namespace; those that were repaired
	swept   time.Time
}

// deed is a change that we made, and when we did so last.
type deed struct {
	kind         plan.Kind
	name, change string
	object       objectID
	at           time.Time
}

// objectID tells a service account from another one of the same name; it is 0 for what counts by its name. It is a hash
// of the UID, in less memory than the UID takes.
type objectID uint64

var objectSeed = maphash.MakeSeed()

func newObjectID(kind plan.Kind, uid types.UID) objectID {
	if kind != plan.KindServiceAccount {
		return 0
	}
	return objectID(maphash.String(objectSeed, string(uid)))
}

func idOf(a plan.Action) objectID { return newObjectID(a.Kind, a.UID) }

type fight struct {
	object  objectID
	repairs int
	drifts  int // repairs of content that another field manager owned
	last    time.Time
	rule    string
	owners  []cluster.Owner // the last that were known
}

// pause is how long the next repair waits after the last one.
func (f *fight) pause() time.Duration {
	switch n := f.repairs - freeRepairs; {
	case n < 0:
		return 0
	case n < 16:
		return min(fightMost, fightFirst<<n)
	}
	return fightMost
}

func newFights() *fights {
	return &fights{deeds: map[string][]deed{}, objects: map[string]map[kube.Key]*fight{}}
}

// changes are what an action makes of an object, in words that are the same when it makes the same again.
func changes(a plan.Action) []string {
	switch {
	case a.List != nil:
		return a.List.Added
	case a.Verb == plan.Create, a.Reason == plan.TakenOver, a.Verb == plan.Replace:
		return []string{"the copy"}
	}
	return nil
}

// isRepair reports whether an action puts back what somebody undid.
func (f *fights) isRepair(key kube.Key, a plan.Action) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return a.Restores || slices.ContainsFunc(changes(a), func(c string) bool { return f.deed(key, idOf(a), c) != nil })
}

// deed returns the record of a change, or nil.
func (f *fights) deed(key kube.Key, id objectID, change string) *deed {
	all := f.deeds[key.Namespace]
	for i := range all {
		if d := &all[i]; d.of(key) && d.object == id && d.change == change {
			return d
		}
	}
	return nil
}

func (d *deed) of(key kube.Key) bool { return d.kind == key.Kind && d.name == key.Name }

// made notes what an action changed, or took back.
func (f *fights) made(key kube.Key, a plan.Action, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	if a.Verb == plan.Delete {
		f.drop(key)
		return
	}
	if a.List != nil && len(a.List.Removed) > 0 {
		f.unmake(key, func(d deed) bool { return slices.Contains(a.List.Removed, d.change) })
	}
	for _, change := range changes(a) {
		if d := f.deed(key, idOf(a), change); d != nil {
			d.at = now
			continue
		}
		f.deeds[key.Namespace] = append(f.deeds[key.Namespace], deed{key.Kind, key.Name, change, idOf(a), now})
	}
	if o := f.fight(key, idOf(a)); o != nil {
		o.last = now
	}
}

// fight returns the record of an object that was repaired, or nil.
func (f *fights) fight(key kube.Key, id objectID) *fight {
	if o := f.objects[key.Namespace][key]; o != nil && o.object == id {
		return o
	}
	return nil
}

// unmake forgets changes of an object.
func (f *fights) unmake(key kube.Key, gone func(deed) bool) {
	kept := slices.DeleteFunc(f.deeds[key.Namespace], func(d deed) bool { return d.of(key) && gone(d) })
	f.deeds[key.Namespace] = kept
	if len(kept) == 0 {
		delete(f.deeds, key.Namespace)
	}
}

// drop forgets all of an object.
func (f *fights) drop(key kube.Key) {
	f.unmake(key, func(deed) bool { return true })
	delete(f.objects[key.Namespace], key)
}

// gone forgets an object that was deleted, if it does not count by its name.
func (f *fights) gone(key kube.Key, id objectID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == 0 {
		return
	}
	f.unmake(key, func(d deed) bool { return d.object == id })
	if f.fight(key, id) != nil {
		delete(f.objects[key.Namespace], key)
	}
}

// wait returns how long a repair has to wait; 0 is not at all.
func (f *fights) wait(key kube.Key, id objectID, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.fight(key, id)
	if o == nil {
		return 0
	}
	return max(0, o.last.Add(o.pause()).Sub(now))
}

// open returns the fights in a namespace that are going on, sorted, with how long until they count as over if nobody
// undoes the last repair. Until then they are reported, or what is said of the policy would change with every blow.
func (f *fights) open(namespace string, now time.Time) (open []*contested) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, o := range f.objects[namespace] {
		// The annotations of a policy are no part of what it brings about.
		if wait := o.last.Add(o.pause()).Sub(now); wait > 0 && key.Kind != kube.KindConfigMap {
			open = append(open, &contested{key: key, rule: o.rule, wait: wait, owners: o.owners})
		}
	}
	slices.SortFunc(open, func(a, b *contested) int {
		return cmp.Or(strings.Compare(string(a.key.Kind), string(b.key.Kind)), strings.Compare(a.key.Name, b.key.Name))
	})
	return open
}

// repaired counts a repair, and returns how many there were.
func (f *fights) repaired(key kube.Key, a plan.Action, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.at(key, idOf(a), now)
	o.repairs++
	if a.Reason == plan.Drifted && len(a.Owners) > 0 {
		o.drifts++
	}
	o.rule = a.Rule
	if len(a.Owners) > 0 { // an object that was deleted has none
		o.owners = a.Owners
	}
	return o.repairs
}

// insisted reports whether somebody wrote content of their own again after each of the repairs that are made at once,
// in a fight that is not over.
func (f *fights) insisted(key kube.Key, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[key.Namespace][key]
	return o != nil && o.drifts >= freeRepairs && now.Sub(o.last) <= fightOver
}

// forget ends the fights in a namespace.
func (f *fights) forget(namespace string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.objects, namespace)
	delete(f.deeds, namespace)
}

// forgive ends the fight over one object.
func (f *fights) forgive(key kube.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(key)
}

// at returns the record of an object that is repaired, made if there is none.
func (f *fights) at(key kube.Key, id objectID, now time.Time) *fight {
	if f.objects[key.Namespace] == nil {
		f.objects[key.Namespace] = map[kube.Key]*fight{}
	}
	o := f.fight(key, id)
	if o == nil {
		o = &fight{object: id}
		f.objects[key.Namespace][key] = o
	}
	o.last = now
	return o
}

// sweep forgets now and then what is long ago.
func (f *fights) sweep(now time.Time) {
	if now.Sub(f.swept) <= time.Minute {
		return
	}
	f.swept = now
	old := func(at time.Time) bool { return now.Sub(at) > fightOver }
	for namespace, objects := range f.objects {
		maps.DeleteFunc(objects, func(_ kube.Key, o *fight) bool { return old(o.last) })
		if len(objects) == 0 {
			delete(f.objects, namespace)
		}
	}
	for namespace, all := range f.deeds {
		if all = slices.DeleteFunc(all, func(d deed) bool { return old(d.at) }); len(all) == 0 {
			delete(f.deeds, namespace)
		} else {
			f.deeds[namespace] = all
		}
	}
}

// contested is the error of a repair that waits.
type contested struct {
	key    kube.Key
	rule   string
	wait   time.Duration
	owners []cluster.Owner
}

func (c *contested) Error() string {
	return "somebody undoes this again and again; it is repaired at growing intervals (" + rivals(c.owners) + ")"
}

// shownRivals is how many other field managers are named; the rest is counted.
const shownRivals = 3

func rivals(owners []cluster.Owner) string {
	if len(owners) == 0 {
		return "by whom, the API server does not say"
	}
	var names []string
	for _, o := range owners[:min(len(owners), shownRivals)] {
		names = append(names, fmt.Sprintf("%q by %s", o.Manager, o.Operation))
	}
	if more := len(owners) - shownRivals; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return "field manager " + strings.Join(names, ", ")
}

// peace is what ends a fight: what to put into the other party's configuration.
func peace(key kube.Key, owners []cluster.Owner) string {
	path := "/imagePullSecrets"
	if key.Kind == plan.KindSecret {
		path = "/data"
	}
	argo := fmt.Sprintf("Argo CD: spec.ignoreDifferences: [{kind: %s, name: %s, namespace: %s, jsonPointers: [%s]}] with syncOptions: [RespectIgnoreDifferences=true]",
		key.Kind, key.Name, key.Namespace, path)
	flux := fmt.Sprintf("Flux: spec.ignore: [{paths: [%s], target: {kind: %s, name: %s, namespace: %s}}]", path, key.Kind, key.Name, key.Namespace)
	for _, o := range owners {
		switch {
		case strings.Contains(o.Manager, "argocd"):
			return argo
		case strings.Contains(o.Manager, "kustomize-controller"), strings.Contains(o.Manager, "helm-controller"):
			return flux
		}
	}
	return argo + "; " + flux
}

// repair carries out an action that may be a repair. It returns how many repairs of the object there were with this one;
// 0 if it is none.
func (f *fights) repair(key kube.Key, a plan.Action, act func() error) (repairs int, err error) {
	repair := f.isRepair(key, a)
	if wait := f.wait(key, idOf(a), time.Now()); repair && wait > 0 {
		return 0, &contested{key: key, rule: a.Rule, wait: wait, owners: a.Owners}
	}
	if err := act(); err != nil {
		return 0, err
	}
	f.made(key, a, time.Now())
	if !repair {
		return 0, nil
	}
	return f.repaired(key, a, time.Now()), nil
}

// repair carries out an action, and says so when it is part of a fight.
func (c *Controller) repair(key kube.Key, a plan.Action, act func() error) error {
	n, err := c.fights.repair(key, a, act)
	if err != nil {
		return err
	}
	if n > freeRepairs {
		c.metrics.fought(key.Kind, a.Owners)
		text := fmt.Sprintf("%s %s was undone and repaired %d times (%s); to end this, %s",
			key.Kind, key.ObjectName, n, rivals(a.Owners), peace(key, a.Owners))
		c.Log.Warn().Str("namespace", key.Namespace).Str("kind", string(key.Kind)).Str("name", key.Name).Int("repairs", n).Msg(text)
		if cm := c.judge.policyMap(); cm != nil {
			c.events.emit(cm, "Warning", contestedObject, text)
		}
	}
	return nil
}
