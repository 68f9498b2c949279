package apply

import (
	"context"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	// mostExtra is how many writes urgent namespaces have under way in all, besides one each.
	mostExtra = 16
	// mostExtraOfOne is how many of these one namespace has: its writes may hang, for example in an admission webhook.
	mostExtraOfOne = 3
)

// atOnce carries out the actions of a namespace that is new, or has a new service account, whose pods wait for all of them. Service
// accounts come first, one after another; a pod that starts before its account has a name lacks it for ever. As soon as the request for the
// last of them is on its way, the copies follow, several at a time. It returns what came of each, in their order.
func (e *Executor) atOnce(ctx context.Context, namespace string, actions []plan.Action) []Outcome {
	outcomes := make([]Outcome, len(actions))
	do := func(ctx context.Context, i int) { outcomes[i] = e.outcome(ctx, namespace, actions[i]) }
	copies := slices.IndexFunc(actions, func(a plan.Action) bool { return a.Kind != plan.KindServiceAccount })
	if copies < 0 {
		copies = len(actions)
	}
	var next atomic.Int32
	next.Store(int32(copies))
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(actions); i = next.Add(1) - 1 {
			do(ctx, int(i))
		}
	}
	var running sync.WaitGroup
	follow := sync.OnceFunc(func() {
		for range min(mostExtraOfOne, len(actions)-copies) {
			select {
			case e.extra <- struct{}{}:
				running.Go(func() {
					defer func() { <-e.extra }()
					work()
				})
			default: // it is written by this goroutine, or by one that was started
			}
		}
	})
	for i := range copies {
		traced := ctx
		if i == copies-1 {
			traced = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { follow() }})
		}
		do(traced, i)
	}
	follow() // also where no request was made
	work()
	running.Wait()
	return outcomes
}
