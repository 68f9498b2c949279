package apply

import (
	"strings"
	"sync"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// freeBetween is how many tries are made in between, because the object or the decision is another one.
const freeBetween = 3

// alterations remembers what admission made of our writes. To write the same again at once would lead to the same, so
// it is tried again when the decision is another one, when somebody wrote the object, or slowly: an admission policy
// that is removed, or a webhook that is mended, has no event.
type alterations struct {
	mu      sync.Mutex
	objects map[string]map[kube.Key]*alteration // by namespace
}

// alteration is the last write of one object that was altered.
type alteration struct {
	rule    string
	object  objectID
	meant   intent
	differs []string
	version string // as the API server returned it; another one is somebody's write
	tries   int    // that were Altered, without those in between
	between int    // tries since the last of them
	last    time.Time
}

// intent is what a write was to bring about; equal ones would bring about the same.
type intent struct {
	names      string // of a service account
	secretType string
	content    *cluster.Content // equal credentials share one
	marks      cluster.Marks
}

func newAlterations() *alterations {
	return &alterations{objects: map[string]map[kube.Key]*alteration{}}
}

// intent returns what an action is to bring about.
func (e *Executor) intent(a plan.Action) intent {
	switch {
	case a.List != nil:
		return intent{names: strings.Join([]string{
			strings.Join(a.List.Added, " "), strings.Join(a.List.Removed, " "), strings.Join(a.List.Ledger, ",")}, "/")}
	case a.Copy != nil:
		meant := e.meant(a)
		return intent{secretType: meant.Type, content: meant.Content, marks: meant.Marks}
	}
	return intent{names: string(a.Verb)}
}

func (r *alteration) pause() time.Duration { return pause(r.tries - 1) }

// wait returns why an action has to wait; nil where it need not.
func (l *alterations) wait(key kube.Key, a plan.Action, meant func() intent, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.objects[key.Namespace][key]
	if r == nil || r.object != idOf(a) {
		return nil
	}
	wait := r.last.Add(r.pause()).Sub(now)
	if wait <= 0 || r.between < freeBetween && (r.version != a.ResourceVersion || r.meant != meant()) {
		return nil
	}
	return &Altered{Differs: r.differs, version: r.version, wait: wait, putOff: true}
}

// note takes in what came of a write, and returns it with how long the next try waits.
func (l *alterations) note(key kube.Key, a plan.Action, meant func() intent, err error, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.objects[key.Namespace][key]
	e := AsAltered(err)
	if e == nil {
		if err == nil && r != nil {
			l.drop(key)
		}
		return err
	}
	if r == nil || r.object != idOf(a) {
		r = &alteration{object: idOf(a)}
		if l.objects[key.Namespace] == nil {
			l.objects[key.Namespace] = map[kube.Key]*alteration{}
		}
		l.objects[key.Namespace][key] = r
	}
	r.rule, r.meant, r.differs, r.version = a.Rule, meant(), e.Differs, e.version
	if r.tries > 0 && now.Before(r.last.Add(r.pause())) {
		r.between++
	} else {
		r.tries, r.between, r.last = r.tries+1, 0, now
	}
	e.wait = r.last.Add(r.pause()).Sub(now)
	return e
}

// known reports whether the last write of an object was altered.
func (l *alterations) known(key kube.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.objects[key.Namespace][key] != nil
}

func (l *alterations) drop(key kube.Key) {
	delete(l.objects[key.Namespace], key)
	if len(l.objects[key.Namespace]) == 0 {
		delete(l.objects, key.Namespace)
	}
}

// stand returns the objects that a plan leaves as admission made them: a name without its ledger entry for example. They
// are told until somebody writes the object. What is no longer there is forgotten.
func (l *alterations) stand(p plan.Plan) (left []Standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, r := range l.objects[p.Namespace] {
		switch a := p.Find(key.Kind, key.Name); {
		case a.Verb == "", a.Verb == plan.None && (a.ResourceVersion != r.version || idOf(a) != r.object):
			l.drop(key)
		case a.Verb == plan.None:
			left = append(left, Standing{key, r.rule, &Altered{Differs: r.differs}})
		}
	}
	return left
}

// forget drops what is remembered of a namespace.
func (l *alterations) forget(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.objects, namespace)
}
