package reconcile

import (
	"time"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/activation"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/queue"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// statusInterval is how often the status ConfigMap is written at most.
const statusInterval = 5 * time.Second

// ofAdmission is whose the problems are with the admission parameters.
const ofAdmission = "admission"

// New returns a Controller. It starts nothing.
func New(cfg Config) *Controller {
	c := &Controller{
		Config:    cfg,
		queue:     queue.New(cfg.Workers),
		limit:     prune.NewLimit(cfg.MaxPrune),
		throttled: report.NewThrottledLog(cfg.Log),
		news:      make(chan struct{}, 1),
	}
	client := kube.New(cfg.Client)
	c.verifier = c.newVerifier()
	c.cluster = c.newCluster()
	c.reporter = report.New(report.Options{
		Log: cfg.Log, MaxFailing: cfg.MaxFailing, Explain: c.explain, Contended: c.contended, Changed: func() { c.activator.WakeSoon() },
	})
	c.metrics = report.NewMetrics(c.reporter, report.Gauges{
		QueueLength: c.queue.Len, Unsettled: c.cluster.Unsettled, Leads: cfg.Election.Leads, Version: cfg.Version, Verified: c.verifier.Known,
	})
	c.publisher = admission.New(admission.Options{
		Enabled: cfg.Admission, Client: client, Cluster: c.cluster, Mutates: cfg.Mutates,
		DecideAll: c.decideAll, Held: c.limit.Held, Log: cfg.Log, Throttled: c.throttled,
		Problems:  func(problems []status.Problem) { c.reporter.OfNone(ofAdmission, problems) },
		Converged: func(p *policy.Policy) bool { return c.activator.Converged(p) },
		Changed:   func() { c.activator.Wake() }, Requeue: func(namespace string) { c.enqueue(namespace, false) },
	})
	c.executor = apply.New(apply.Options{
		Client: client, Writes: c.cluster.Writes, Projector: c.cluster.Projector, Installation: cfg.installation(),
		Account: c.cluster.Account, Workers: cfg.Workers, Guarantee: c.publisher, BeforeOverwrite: report.BeforeOverwrite(cfg.Log),
	})
	c.activator = activation.New(activation.Options{
		Namespace: cfg.Namespace, PolicyName: cfg.PolicyName, StatusName: cfg.StatusName, SourceNamespaces: cfg.SourceNamespaces,
		Documents: cfg.Documents, MaxPrune: cfg.MaxPrune, StatusInterval: statusInterval,
		Client: client, Cluster: c.cluster, Limit: c.limit, Publisher: c.publisher, Verifier: c.verifier,
		Reporter: c.reporter, Metrics: c.metrics, Events: c.events.Load, Log: cfg.Log, Throttled: c.throttled,
		Leads: cfg.Election.Holds, DecideAll: c.decideAll, Requeue: c.requeueAll,
	})
	return c
}

func (c *Controller) newCluster() *state.Cluster {
	policyName := c.PolicyName
	if c.Documents != nil {
		policyName = ""
	}
	return state.New(state.Config{
		Installation: c.installation(), PolicyName: policyName, StatusName: c.StatusName, Admission: c.Admission,
		OptOut: c.OptOut, Credential: c.Credential, ExpiryWarning: c.ExpiryWarning, Verify: c.verifier.Judge, Handlers: c.handlers(),
		Watch: watch.Options{
			Client: c.Client, ListEvery: c.LoopEvery, ListOnly: c.ListOnly, OnState: c.sourceChanged,
			OnListing:    func(what kube.Target) { c.throttled.Listing(what, c.LoopEvery) },
			OnPlainLists: c.throttled.PlainLists,
		},
	})
}

// explain words a reason. There is nothing to annotate where the policy was given with flags.
func (c *Controller) explain(r plan.Reason) string {
	if r == plan.PruneHeld && c.Documents != nil {
		return "something of an earlier policy is left that the flags do not ask for; it is kept"
	}
	return r.Explain()
}

// contended tells of an object that others revert again and again.
func (c *Controller) contended(namespace string, o apply.Outcome) {
	c.metrics.Contended(o.Kind, o.Owners)
	text := report.ContendedText(namespace, o)
	c.Log.Warn().Str("namespace", namespace).Str("kind", string(o.Kind)).Str("name", o.Name).Int("repairs", o.Repairs).Msg(text)
	if cm := c.cluster.PolicyMap(); cm != nil {
		c.events.Load().Emit(cm, "Warning", report.Contested, text)
	}
}

func (c *Controller) eventFailed(err error) {
	c.metrics.WriteFailed(kube.KindEvent, err)
	c.throttled.WriteFailed("an Event", err)
}
