package activation

import (
	"strings"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

// Progress is what was seen of the whole when everything was looked at last.
type Progress struct {
	Accepted  *policy.Policy // the last good policy; nil if there is none
	Refused   string         // why the last text was refused
	Unsaved   string         // why an accepted policy is not in force
	Held      bool           // something is not removed
	Blind     string         // what may not be listed without which nothing can be said
	Published bool           // status and annotations say it all
}

// Progress returns how far the policy and its roll-out have come; the first is nil until the policy was looked at once.
func (a *Activator) Progress() (*Progress, Rollout) { return a.progress.Load(), a.rollout.state() }

// Looked has something to receive when Progress may be another than before. It is for one reader.
func (a *Activator) Looked() <-chan struct{} { return a.looked }

// publishProgress notes what was seen. wait is what reconcile returned.
func (a *Activator) publishProgress(wait time.Duration) {
	a.progress.Store(a.look(wait))
	signal(a.looked)
}

func (a *Activator) look(wait time.Duration) *Progress {
	if !a.evaluated {
		return nil
	}
	o := &Progress{Accepted: a.evaluator.lastGood.policy, Unsaved: a.unsaved, Held: a.Limit.Held(), Blind: a.Cluster.Blind()}
	if errors := a.evaluator.evaluation.errors; errors != nil {
		o.Refused = bound.Text(strings.ReplaceAll(errors.Error(), "\n", "; "))
	}
	p := a.Active()
	o.Published = wait == 0 && p != nil && p == o.Accepted && a.rollout.done(p)
	return o
}
