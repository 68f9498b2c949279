package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const (
	// onceTries is how long RunOnce goes on trying a namespace that fails.
	onceTries = 5 * time.Second
	// onceStall is how long RunOnce waits without anything getting on, as when no API server answers.
	onceStall = time.Minute
	// oncePause is how often RunOnce looks.
	oncePause = 20 * time.Millisecond
	// onceReach is how long RunOnce waits for an API server: the network of a pod may need a moment.
	onceReach = 10 * time.Second
	// onceEnd is how long RunOnce waits for what it started; an informer in a pause does not notice that it ended.
	onceEnd = 2 * time.Second
	// onceTelling is how long RunOnce waits for status and feedback to be written.
	onceTelling = 10 * time.Second
)

// outlook is what the judge sees of the whole.
type outlook struct {
	accepted *policy.Policy // nil if there is none
	refused  string         // why the last text was refused
	unsaved  string         // why an accepted policy is not in force
	held     bool           // something is not removed
	blind    string         // what may not be listed without which nothing can be said
	told     bool           // status and feedback say it all
}

// RunOnce works until every namespace is as the policy says, or turned out not to become so, and stops. It does what
// Run does, and calls progress as it gets on. It returns an error unless every namespace is as the policy says. A
// secret of somebody else that the policy leaves alone, and rules that want the same copy, are as the policy says;
// a removal that is held back, a source that is missing or broken, and what may not be read or failed are not.
func (c *Controller) RunOnce(ctx context.Context, progress func(done, total int)) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.once = true
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // without an election it has none
	}()
	err := c.outcome(ctx, progress)
	cancel()
	select {
	case <-ended:
	case <-time.After(onceEnd):
	}
	return err
}

// reach waits a little for an API server that answers. What it answers does not matter here.
func (c *Controller) reach(ctx context.Context) error {
	for until := time.Now().Add(onceReach); ; {
		_, err := c.Client.Resource(kube.Namespaces).List(ctx, metav1.ListOptions{Limit: 1})
		if kube.Classify(err) != kube.Unreachable {
			return nil
		}
		if time.Now().After(until) || ctx.Err() != nil {
			return fmt.Errorf("the API server did not answer for %s", onceReach)
		}
		select {
		case <-ctx.Done():
		case <-time.After(oncePause):
		}
	}
}

// outcome waits until there is nothing left to try.
func (c *Controller) outcome(ctx context.Context, progress func(done, total int)) error {
	var last passState
	var lastSettled bool
	moved := time.Now()
	for {
		select {
		case <-ctx.Done():
			return errors.New("stopped before the end")
		case <-time.After(oncePause):
		}
		o, state, settled := c.judge.outlook.Load(), c.pass.state(), c.Ready()
		if state != last || settled != lastSettled {
			last, lastSettled, moved = state, settled, time.Now()
		}
		progress(state.total-state.pending, state.total)
		switch {
		case o != nil && settled && o.accepted == nil:
			if o.refused != "" {
				return errors.New("the policy was refused, and there is no earlier one: " + o.refused)
			}
			return fmt.Errorf("there is no policy ConfigMap %s/%s, or it may not be read", c.Namespace, c.PolicyName)
		case o != nil && o.accepted != nil && o.accepted == state.policy && state.over(time.Now()) && (o.told || time.Since(moved) > onceTelling):
			return c.sumUp(o, state)
		case time.Since(moved) > onceStall:
			return c.stalled(o)
		}
	}
}

func (c *Controller) stalled(o *outlook) error {
	switch {
	case !c.Ready():
		text := fmt.Sprintf("gave up after %s: the cluster cannot be read", onceStall)
		if lists := c.Unsettled(); len(lists) > 0 {
			text += "; not answered yet: " + lists[0]
		}
		return errors.New(text)
	case o != nil && o.unsaved != "":
		return errors.New("the policy is not in force, because the status ConfigMap cannot be written: " + o.unsaved)
	}
	return fmt.Errorf("gave up after %s without getting on", onceStall)
}

// sumUp says what is not as the policy says.
func (c *Controller) sumUp(o *outlook, state passState) error {
	switch problem, n := c.report.unfinished(); {
	case o.refused != "":
		return errors.New("the policy was refused, and an earlier one is in force: " + o.refused)
	case n > 0:
		return fmt.Errorf("%d problems are left; the first: %s", n, problem)
	case o.held:
		return errors.New("something is held back that would be removed")
	case state.failing > 0:
		return fmt.Errorf("%d namespaces could not be brought to what the policy says", state.failing)
	case o.blind != "":
		return errors.New(o.blind + " may not be listed and watched")
	}
	return nil
}

// leftAlone reports whether a problem is what the policy itself asks for: to leave alone what is not ours.
func leftAlone(p status.Problem) bool {
	switch plan.Reason(p.Reason) {
	case plan.ForeignSecret, plan.OtherInstallation, plan.RuleConflict, plan.OtherSource, plan.OtherData:
		return true
	}
	return false
}
