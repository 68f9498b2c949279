package reconcile

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
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
type fights struct {
	mu      sync.Mutex
	objects map[writtenKey]*fight
}

type fight struct {
	deleted bool // somebody deleted it since we wrote it
	repairs int
	last    time.Time
}

func newFights() *fights { return &fights{objects: map[writtenKey]*fight{}} }

// undone notes that somebody deleted a copy of ours.
func (f *fights) undone(key writtenKey, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	o := f.objects[key]
	if o == nil {
		o = &fight{last: now}
		f.objects[key] = o
	}
	o.deleted = true
}

// isRepair reports whether an action puts back what somebody undid.
func (f *fights) isRepair(key writtenKey, a plan.Action) bool {
	if a.Restores {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[key]
	return a.Verb == plan.Create && o != nil && o.deleted
}

// wait returns how long a repair has to wait; 0 is not at all.
func (f *fights) wait(key writtenKey, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[key]
	if o == nil || o.repairs < freeRepairs {
		return 0
	}
	pause := fightMost
	if n := o.repairs - freeRepairs; n < 16 {
		pause = min(fightMost, fightFirst<<n)
	}
	return max(0, o.last.Add(pause).Sub(now))
}

// repaired counts a repair, and returns how many there were.
func (f *fights) repaired(key writtenKey, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	o := f.objects[key]
	if o == nil {
		o = &fight{}
		f.objects[key] = o
	}
	o.repairs++
	o.last, o.deleted = now, false
	return o.repairs
}

// sweep forgets the fights that are over; there are few at a time.
func (f *fights) sweep(now time.Time) {
	for key, o := range f.objects {
		if now.Sub(o.last) > fightOver {
			delete(f.objects, key)
		}
	}
}

// contested is the error of a repair that waits.
type contested struct {
	wait   time.Duration
	owners []cluster.Owner
}

func (c *contested) Error() string {
	return "somebody undoes this again and again; it is repaired at growing intervals (" + rivals(c.owners) + ")"
}

func rivals(owners []cluster.Owner) string {
	if len(owners) == 0 {
		return "by whom, the API server does not say"
	}
	var names []string
	for _, o := range owners {
		names = append(names, fmt.Sprintf("%q by %s", o.Manager, o.Operation))
	}
	return "field manager " + strings.Join(names, ", ")
}

// peace is what ends a fight: what to put into the other party's configuration.
func peace(key writtenKey, owners []cluster.Owner) string {
	path := "/imagePullSecrets"
	if key.kind == plan.KindSecret {
		path = "/data"
	}
	argo := fmt.Sprintf("Argo CD: spec.ignoreDifferences: [{kind: %s, name: %s, namespace: %s, jsonPointers: [%s]}] with syncOptions: [RespectIgnoreDifferences=true]",
		key.kind, key.Name, key.Namespace, path)
	flux := fmt.Sprintf("Flux: spec.ignore: [{paths: [%s], target: {kind: %s, name: %s, namespace: %s}}]", path, key.kind, key.Name, key.Namespace)
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

// repair carries out an action that may be part of a fight.
func (c *Controller) repair(key writtenKey, a plan.Action, act func() error) error {
	if !c.fights.isRepair(key, a) {
		return act()
	}
	if wait := c.fights.wait(key, time.Now()); wait > 0 {
		return &contested{wait: wait, owners: a.Owners}
	}
	if err := act(); err != nil {
		return err
	}
	if n := c.fights.repaired(key, time.Now()); n > freeRepairs {
		text := fmt.Sprintf("%s %s was undone and repaired %d times (%s); to end this, %s",
			key.kind, key.ObjectName, n, rivals(a.Owners), peace(key, a.Owners))
		c.Log.Warn().Str("namespace", key.Namespace).Str("kind", string(key.kind)).Str("name", key.Name).Int("repairs", n).Msg(text)
		if cm := c.judge.policyMap(); cm != nil {
			c.events.emit(cm, "Warning", "Contested", text)
		}
	}
	return nil
}

func keyOf(namespace string, a plan.Action) writtenKey {
	return writtenKey{a.Kind, cache.ObjectName{Namespace: namespace, Name: a.Name}}
}
