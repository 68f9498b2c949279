package reconcile

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/activation"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/election"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/queue"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// Config is what a Controller is made of. All fields are required but SourceNamespaces, ExpiryWarning and those that say so.
type Config struct {
	Client           dynamic.Interface
	Namespace        string        // the controller's own: policy, status and, by default, sources
	PolicyName       string        // of the policy ConfigMap; unused with Documents
	StatusName       string        // of the status ConfigMap
	SourceNamespaces []string      // other namespaces that sources may be in
	Workers          int           // namespaces that are decided at a time
	MaxPrune         int           // percent of all copies that may be removed at once
	MaxFailing       int           // percent of the selected namespaces that may have problems of their own before the policy is Degraded
	ExpiryWarning    time.Duration // how long before a credential of a source ends that is said; 0 for never

	Documents  map[string]string // a fixed policy, in place of the policy ConfigMap; nil to read that
	Credential *state.Credential // stands in for a source; nil if all sources are Secrets
	OptOut     []string          // other annotations that opt namespaces and service accounts out; may be empty

	LoopEvery time.Duration // how often to list what may not be watched; 0 for never, then it counts as forbidden
	ListOnly  bool          // watch nothing, list every LoopEvery

	Election *election.Election // among several processes, of which one works; Client has to have its Guard; nil if there is one

	// Ask asks the registries of a source that is to be verified; nil: nobody can be asked, and such a source counts as one
	// that nobody answers for.
	Ask      verify.Ask
	Patience decide.Times // with which they are asked; zero: decide.Usual

	Version   string // for the metrics; may be empty
	Admission bool   // keep the parameters of the admission policy
	// Mutates reports whether the API server knows policies that mutate; nil if it is known to.
	Mutates func(context.Context) (bool, error)

	Log zerolog.Logger
}

func (c Config) installation() cluster.Installation {
	return cluster.Installation{Home: c.Namespace, Sources: c.SourceNamespaces}
}

// stopPatience is how long stopping waits for informers.
const stopPatience = time.Second

// Controller keeps the cluster as the policy says. It only holds together what does the work; see doc.go for the way of an
// event.
type Controller struct {
	Config
	cluster   *state.Cluster
	queue     *queue.Queue
	limit     *prune.Limit
	executor  *apply.Executor
	reporter  *report.Reporter
	metrics   *report.Metrics
	throttled *report.ThrottledLog
	events    atomic.Pointer[report.Events] // nil before Run
	publisher *admission.Publisher
	activator *activation.Activator
	verifier  *verify.Verifier
	news      chan struct{} // registries have answered
}

// Metrics answers with all metrics, for Prometheus.
func (c *Controller) Metrics() http.Handler { return c.metrics.Handler() }

// Ready reports whether all caches are settled. It says nothing about the policy.
func (c *Controller) Ready() bool { return c.activator.Settled() }

// Unsettled says which lists have not been answered yet, a line each, the oldest first. The lines are bounded in number
// and length.
func (c *Controller) Unsettled() []string { return watch.Describe(c.cluster.Unsettled(), time.Now()) }

// Run works until ctx ends, and returns when everything that it started has ended. It returns an error when the Lease
// was lost: what this process knows may be old then, and a new one is the simplest way to forget it.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.events.Store(report.NewEvents(ctx, c.Client, c.eventFailed))
	var running sync.WaitGroup // what writes
	running.Go(func() { c.activator.Run(ctx) })
	running.Go(func() { c.cluster.FollowCredential(ctx, c.sourceChanged) })
	running.Go(func() { c.cluster.FollowTime(ctx) })
	running.Go(func() { c.verifier.Run(ctx) })
	running.Go(func() { c.followNews(ctx) })
	running.Go(func() { c.queue.Run(ctx, c.reconcile) })
	var logging sync.WaitGroup
	logging.Go(func() { watch.LogWaiting(ctx, c.Log, c.cluster.Unsettled) })
	c.cluster.Start(ctx)
	resign := c.Election.Start(c.activator.Wake, c.throttled.ElectionFailed)
	var err error
	select {
	case <-ctx.Done():
	case <-c.Election.Lost():
		c.Log.Error().Msg(election.ErrLost.Error())
		err = election.ErrLost
		cancel()
	}
	c.queue.ShutDown()
	running.Wait()
	resign() // only now: the next leader begins as soon as it sees it
	logging.Wait()
	c.cluster.Wait(stopPatience)
	return err
}
