package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/activation"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// onceTries is how long RunOnce goes on trying a namespace that fails.
	onceTries = 5 * time.Second
	// onceStall is how long RunOnce waits without anything getting on, as when no API server answers.
	onceStall = time.Minute
	// onceReach is how long RunOnce waits for an API server: the network of a pod may need a moment.
	onceReach = 10 * time.Second
	// reachAgain is how soon an API server that does not answer is asked again.
	reachAgain = 20 * time.Millisecond
	// onceEnd is how long RunOnce waits for what it started; an informer in a pause does not notice that it ended.
	onceEnd = 2 * time.Second
	// onceEvents is how long RunOnce waits for Events to be written.
	onceEvents = 2 * time.Second
	// onceTelling is how long RunOnce waits for status and annotations to be written.
	onceTelling = 10 * time.Second
)

// RunOnce works until every namespace is as the policy says, or turned out not to become so, and stops. It does what
// Run does, and calls progress as it gets on. It returns an error unless every namespace is as the policy says. A
// secret of somebody else that the policy leaves alone, and rules that want the same copy, are as the policy says;
// a removal that is held back, a source that is missing or broken, and what may not be read or failed are not.
func (c *Controller) RunOnce(ctx context.Context, progress func(done, total int)) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.activator.StatusInterval = 0 // there is no later time
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // without an election it has none
	}()
	err := c.outcome(ctx, progress)
	if events := c.events.Load(); events != nil { // they are written in their own time
		events.Wait(ctx, onceEvents)
	}
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
		case <-time.After(reachAgain):
		}
	}
}

// outcome waits until there is nothing left to try. It looks when the Activator did, and when a wait of its own is over.
func (c *Controller) outcome(ctx context.Context, progress func(done, total int)) error {
	var last activation.Rollout
	var lastSettled bool
	moved := time.Now()
	for {
		p, rollout := c.activator.Progress()
		settled := c.Ready()
		if rollout != last || settled != lastSettled || c.verifier.Waiting() {
			last, lastSettled, moved = rollout, settled, time.Now()
		}
		progress(rollout.Total-rollout.Pending, rollout.Total)
		wait := moved.Add(onceStall)
		switch {
		case p != nil && settled && p.Accepted == nil:
			return c.noPolicy(p)
		case p != nil && p.Accepted != nil && p.Accepted == rollout.Policy && rollout.Pending == 0:
			telling := time.Time{}
			if !p.Published {
				telling = moved.Add(onceTelling)
			}
			if wait = later(rollout, telling); !time.Now().Before(wait) {
				return c.sumUp(p, rollout)
			}
		case !time.Now().Before(wait):
			return c.stalled(p)
		}
		select {
		case <-ctx.Done():
			return errors.New("stopped before the end")
		case <-c.activator.Looked():
		case <-time.After(time.Until(wait)):
		}
	}
}

// later is when a roll-out that tried every namespace counts as over: those that failed were tried for long enough then, and
// what came of them was told by the time given.
func later(rollout activation.Rollout, told time.Time) time.Time {
	if tried := rollout.Since.Add(onceTries); rollout.Failing > 0 && tried.After(told) {
		return tried
	}
	return told
}

func (c *Controller) noPolicy(p *activation.Progress) error {
	if p.Refused != "" {
		return errors.New("the policy was refused, and there is no earlier one: " + p.Refused)
	}
	return fmt.Errorf("there is no policy ConfigMap %s/%s, or it may not be read", c.Namespace, c.PolicyName)
}

func (c *Controller) stalled(p *activation.Progress) error {
	switch {
	case !c.Ready():
		text := fmt.Sprintf("gave up after %s: the cluster cannot be read", onceStall)
		if lists := c.Unsettled(); len(lists) > 0 {
			text += "; not answered yet: " + lists[0]
		}
		return errors.New(text)
	case p != nil && p.Unsaved != "":
		return errors.New("the policy is not in force, because the status ConfigMap cannot be written: " + p.Unsaved)
	}
	return fmt.Errorf("gave up after %s without getting on", onceStall)
}

// sumUp says what is not as the policy says.
func (c *Controller) sumUp(p *activation.Progress, rollout activation.Rollout) error {
	switch problem, n := c.reporter.Unfinished(); {
	case p.Refused != "":
		return errors.New("the policy was refused, and an earlier one is in force: " + p.Refused)
	case n > 0:
		return fmt.Errorf("%d problems are left; the first: %s", n, problem)
	case p.Held:
		return errors.New("something is held back that would be removed")
	case rollout.Failing > 0:
		return fmt.Errorf("%d namespaces could not be brought to what the policy says", rollout.Failing)
	case p.Blind != "":
		return errors.New(p.Blind + " may not be listed and watched")
	}
	return nil
}
