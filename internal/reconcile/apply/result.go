package apply

import (
	"errors"
	"slices"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Result is what happened to one namespace.
type Result struct {
	Namespace string
	Outcomes  []Outcome    // of the actions that were tried, in order
	Contended []*Contested // what others revert again and again, also where our last repair still stands
	Altered   []Standing   // objects that are left as admission made them
}

// Outcome is an action that was tried.
type Outcome struct {
	plan.Action
	Err error
	// Repairs is how often the object was repaired by now; 0 if this was no repair.
	Repairs int
}

// Standing is an object that is not as it was written, and to which nothing is written now.
type Standing struct {
	kube.Key
	Rule string
	Err  error
}

// Err joins the errors that call for another try. A namespace that is going away is none, and neither is what waits.
func (r Result) Err() error {
	var errs []error
	for _, o := range r.Outcomes {
		if o.Err != nil && kube.Classify(o.Err) != kube.Gone && !IsContested(o.Err) && AsAltered(o.Err) == nil {
			errs = append(errs, o.Err)
		}
	}
	return errors.Join(errs...)
}

// Removed counts what was removed.
func (r Result) Removed() plan.Count {
	var p plan.Plan
	for _, o := range r.Outcomes {
		if o.Err == nil {
			p.Actions = append(p.Actions, o.Action)
		}
	}
	return p.Removed()
}

// waiting reports whether something is to be tried again later, because it was undone or altered.
func (r Result) waiting() bool {
	return slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return IsContested(o.Err) || AsAltered(o.Err) != nil })
}

// Done reports whether all that was to be done succeeded.
func (r Result) Done() bool { return r.Err() == nil && !r.waiting() }

// Again is when the first of what waits may be tried, or the first contention is over; 0 for neither.
func (r Result) Again() (first time.Duration) {
	sooner := func(wait time.Duration) {
		if first == 0 || wait < first {
			first = wait
		}
	}
	for _, c := range r.Contended {
		sooner(c.Wait)
	}
	for _, o := range r.Outcomes {
		if e := AsAltered(o.Err); e != nil {
			sooner(e.wait)
		}
	}
	if first == 0 && r.waiting() {
		return time.Millisecond // its time has just come
	}
	return first
}
