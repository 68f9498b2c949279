package reconcile

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/election"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
)

// Config is what a Controller is made of. All fields are required but SourceNamespaces and those that say so.
type Config struct {
	Client           dynamic.Interface
	Namespace        string   // the controller's own: policy, status and, by default, sources
	PolicyName       string   // of the policy ConfigMap; unused with Documents
	StatusName       string   // of the status ConfigMap
	SourceNamespaces []string // other namespaces that sources may be in
	Workers          int      // namespaces that are decided at a time
	MaxPrune         int      // percent of all copies that may be removed at once

	Documents  map[string]string // a fixed policy, in place of the policy ConfigMap; nil to read that
	Credential *Credential       // stands in for a source; nil if all sources are Secrets
	OptOut     []string          // other annotations that opt namespaces and service accounts out; may be empty

	LoopEvery time.Duration // how often to list what may not be watched; 0 for never, then it counts as forbidden
	ListOnly  bool          // watch nothing, list every LoopEvery

	Election *election.Election // among several processes, of which one works; Client has to have its Guard; nil if there is one

	Version   string // for the metrics; may be empty
	Admission bool   // keep the parameters of the admission policy
	// Mutates reports whether the API server knows policies that mutate; nil if it is known to.
	Mutates func(context.Context) (bool, error)

	Log zerolog.Logger
}

func (c Config) installation() cluster.Installation {
	return cluster.Installation{Home: c.Namespace, Sources: c.SourceNamespaces}
}

const (
	// stopPatience is how long stopping waits for watches.
	stopPatience = time.Second
	// slow is how long a namespace may take before somebody stands in for its worker.
	slow = time.Second
	// reliefFactor bounds who stands in, per worker, and mostRelief all of them, unless there are more workers than that.
	reliefFactor, mostRelief = 4, 64
	// earlyTries take about two seconds: longer than the API server takes to see that a parameter went.
	earlyTries = 6
)

// Controller keeps the cluster as the policy says.
type Controller struct {
	Config
	api       kube.Client
	projector *cluster.Projector
	watches   *watches
	started   atomic.Pointer[watches] // the same, for who asks from outside
	queue     *queue
	rush      rush
	written   *written
	report    *report
	pass      *pass
	judge     *judge
	events    *events
	running   sync.WaitGroup // what writes
	watching  sync.WaitGroup // what only reads
	troubles  troubles
	ceiling   *prune.Limit
	fights    *fights
	altered   *alterations
	metrics   *metrics
	admission *admission
	relief    atomic.Int32 // workers that stand in for slow ones
	given     *givenSource // nil without Config.Credential
	once      bool         // RunOnce runs

	active atomic.Pointer[policy.Policy] // nil until a first policy was accepted and all caches are settled

	sourcesMu sync.Mutex
	sources   map[types.NamespacedName]policy.SourceState // nil: gather them again
	sourcesOf *policy.Policy
	warned    warned
}

// New returns a Controller. It starts nothing.
func New(cfg Config) *Controller {
	c := &Controller{
		Config:    cfg,
		api:       kube.New(cfg.Client),
		projector: newProjector(),
		queue:     newQueue(cfg.Workers),
		written:   newWritten(),
		ceiling:   prune.NewLimit(cfg.MaxPrune),
		fights:    newFights(),
		altered:   newAlterations(),
		warned:    warned{},
		troubles:  troubles{log: cfg.Log, last: map[string]time.Time{}},
	}
	if cfg.Credential != nil {
		c.given = newGivenSource(*cfg.Credential, c.projector)
	}
	c.judge = newJudge(c)
	c.admission = newAdmission(c)
	c.pass = &pass{finished: c.judge.wake}
	c.report = newReport(cfg.Log, c.judge.wakeSoon, c.explain)
	c.metrics = newMetrics(c)
	return c
}

// Run works until ctx ends, and returns when everything that it started has ended. It returns an error when the Lease
// was lost: what this process knows may be old then, and a new one is the simplest way to forget it.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.events = newEvents(ctx, c.Client, func(err error) {
		c.metrics.writeFailed(kube.KindEvent, err)
		c.troubles.write("an Event", err)
	})
	// The hooks run only once the watches are assigned: they hold this lock's other side.
	var assigned sync.WaitGroup
	assigned.Add(1)
	c.watches = newWatches(ctx, &c.watching, c.Config, c.projector, c.hooks(&assigned))
	c.started.Store(c.watches)
	assigned.Done()
	c.watching.Go(func() { c.sayWaiting(ctx) })
	c.running.Go(func() { c.judge.run(ctx) })
	if c.given != nil {
		c.running.Go(func() { c.given.follow(ctx, c.sourceChanged) })
	}
	for i := range c.Workers {
		c.running.Go(func() { c.work(ctx, i >= steadyWorkers) })
	}
	resign := c.Election.Start(c.judge.wake, c.troubles.election)
	var err error
	select {
	case <-ctx.Done():
	case <-c.Election.Lost():
		c.Log.Error().Msg(election.ErrLost.Error())
		err = election.ErrLost
		cancel()
	}
	c.queue.ShutDown()
	c.running.Wait()
	resign() // only now: the next leader begins as soon as it sees it
	c.stopWatching()
	return err
}

// stopWatching waits for the watches, but not for one that sleeps until it tries an API server again that did not
// answer: it sleeps on for up to half a minute, and does no harm.
func (c *Controller) stopWatching() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.watching.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(stopPatience):
	}
}

// Ready reports whether all caches are settled. It says nothing about the policy.
func (c *Controller) Ready() bool { return c.judge.settled.Load() }

func (c *Controller) enqueue(namespace string, urgent bool) {
	if c.active.Load() == nil { // all are enqueued once there is a policy
		return
	}
	c.metrics.waits(namespace)
	switch {
	case urgent:
		c.rush.begin()
		c.queue.AddUrgent(namespace)
	default:
		c.queue.Add(namespace)
	}
}

func (c *Controller) enqueueAll() {
	if c.active.Load() == nil {
		return
	}
	for _, obj := range c.watches.namespaces.all() {
		name := obj.(*cluster.Namespace).Name
		c.metrics.waits(name)
		c.queue.Add(name)
	}
}

// sourceChanged has everything decided again with the sources as they are now.
func (c *Controller) sourceChanged() {
	c.forgetSources()
	c.enqueueAll()
	c.admission.sourcesChanged()
	c.judge.wake()
}

// work works until there is nothing to come. One that yields does only what is urgent while something is.
func (c *Controller) work(ctx context.Context, yields bool) {
	for (!yields || c.rush.rest(ctx, c.queue.Urgent, c.queue.urgent.wake)) && c.workOnce(ctx) {
	}
}

// workOnce works on one namespace, and returns false when there are none to come.
func (c *Controller) workOnce(ctx context.Context) bool {
	namespace, urgent, shutdown := c.queue.Next()
	if shutdown {
		return false
	}
	defer c.queue.Done(namespace)
	c.running.Add(1)
	relief := time.AfterFunc(slow, func() {
		defer c.running.Done()
		c.rush.slow.Add(1)
		c.relieve(ctx)
	})
	again, err := c.reconcile(ctx, namespace)
	if relief.Stop() {
		c.running.Done()
	} else {
		c.rush.slow.Add(-1)
	}
	if err != nil {
		c.queue.Retry(namespace, urgent)
	} else {
		c.queue.Forget(namespace)
	}
	if again > 0 {
		c.queue.AddAfter(namespace, again)
	}
	return true
}

// relieve does one namespace in place of a worker whose writes hang, in an admission webhook that does not answer for
// example: as many bad namespaces as workers would otherwise hold up all the others.
func (c *Controller) relieve(ctx context.Context) {
	defer c.relief.Add(-1)
	if c.relief.Add(1) <= int32(min(reliefFactor*c.Workers, max(mostRelief, c.Workers))) {
		c.workOnce(ctx)
	}
}

// reconcile is the whole way of one namespace. again is when to look at it again although nothing failed; 0 is when
// something changes.
func (c *Controller) reconcile(ctx context.Context, namespace string) (again time.Duration, err error) {
	p := c.active.Load()
	if p == nil {
		return 0, nil
	}
	began, told := time.Now(), c.admission.told.Load()
	in, have, ok := c.observe(namespace, p)
	if !ok {
		c.metrics.gone(namespace)
		c.report.forget(namespace)
		c.ceiling.Seen(namespace, plan.Count{})
		c.admission.note(namespace, plan.Plan{})
		c.pass.tried(p, namespace, true)
		return 0, nil
	}
	todo := decide(p, in, have)
	c.judge.track(todo.Untracked)
	// What the policy itself brings about was held against the ceiling before it came in force.
	c.ceiling.Seen(namespace, todo.There)
	n := todo.Removed().Minus(c.pass.allowed(p, namespace))
	asked := time.Now()
	if n != (plan.Count{}) && !c.ceiling.Allow(n, asked) {
		have.HoldPrune = true
		todo, n = decide(p, in, have), plan.Count{}
	}
	c.admission.note(namespace, todo)
	changes := c.execute(ctx, todo)
	c.ceiling.Return(n.Minus(changes.removed()), asked)
	changes.early = c.queue.NumRequeues(namespace) < earlyTries
	if ctx.Err() != nil || !c.Election.Holds() {
		return 0, nil // what failed, failed because we are stopping
	}
	c.metrics.tried(changes, time.Since(began))
	c.report.record(todo, changes)
	c.pass.tried(p, namespace, changes.done())
	if c.admission.told.Load() != told { // lookAgain may have been too early for what was written here
		c.enqueue(namespace, false)
	}
	return changes.again(), changes.err()
}
