// Package evict is the process that has pods made anew which were created too early to get their pull secrets, and so wait for
// their image in vain. It knows of the policy what the status ConfigMap tells, and reads no secret.
package evict

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/evict/decide"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

const (
	// Settle is how long a pod has to be as it is before it is evicted. The status is written every 5 seconds at most, so that
	// long it may be that a copy which could not be made is not yet told of.
	Settle = 15 * time.Second
	// lookEvery is how often it is looked whether there is something to do.
	lookEvery = time.Second
	// lookAnyway is how often everything is looked at where nothing changes: a pause after an eviction may be over.
	lookAnyway = time.Minute
	// stopPatience is how long stopping waits for informers.
	stopPatience = time.Second
)

// Config is what an Evictor is made of. All fields are required but SourceNamespaces, Owners, DryRun and Version.
type Config struct {
	Client           dynamic.Interface
	Namespace        string   // the controller's, with the status ConfigMap
	StatusName       string   // of the status ConfigMap
	SourceNamespaces []string // other namespaces that sources may be in
	Owners           []schema.GroupKind
	PerSecond        float64 // evictions
	DryRun           bool
	Settle           time.Duration
	Version          string // for the metrics
	Log              zerolog.Logger
}

// Evictor evicts pods. It looks at everything each time something changed: there are few pods that wait for an image.
type Evictor struct {
	Config
	group                              *watch.Group
	pods, namespaces, accounts, status *watch.Informer
	metrics                            *report.EvictionMetrics
	throttled                          *report.ThrottledLog
	changed                            atomic.Bool

	// Of the goroutine of Run alone.
	known      decide.Status
	knownOf    string // the version of the status ConfigMap
	history    decide.History
	candidates map[types.UID]*candidate
	pace       flowcontrol.RateLimiter
	trying     int // evictions that are under way
	outcomes   chan outcome
}

// New returns an Evictor. It starts nothing.
func New(cfg Config) *Evictor {
	e := &Evictor{
		Config: cfg, metrics: report.NewEvictionMetrics(cfg.Version), throttled: report.NewThrottledLog(cfg.Log),
		known: decide.Status{}.Read(nil, policy.Options{}), candidates: map[types.UID]*candidate{},
		outcomes: make(chan outcome, maxTrying),
		pace:     flowcontrol.NewTokenBucketRateLimiter(float32(cfg.PerSecond), max(1, int(cfg.PerSecond))),
	}
	changed := func() { e.changed.Store(true) }
	e.group = watch.NewGroup(watch.Options{
		Client: cfg.Client, OnState: changed, OnListing: func(kube.Target) {}, OnPlainLists: e.throttled.PlainLists,
		Unobserved: func(kube.Target) []cluster.Object { return nil },
	})
	add := func(what kube.Target, project func(metav1.Object) cluster.Object) *watch.Informer {
		return e.group.Add(watch.Spec{Target: what, Project: project, OnError: e.watchFailed, OnEvent: func(event watch.Event) {
			if !event.Unchanged() {
				changed()
			}
		}})
	}
	e.pods = add(kube.Target{Resource: kube.Pods, Phase: "Pending"},
		func(o metav1.Object) cluster.Object { return cluster.NewPod(o.(*unstructured.Unstructured)) })
	e.namespaces = add(kube.Target{Resource: kube.Namespaces},
		func(o metav1.Object) cluster.Object { return cluster.NewNamespace(o) })
	e.accounts = add(kube.Target{Resource: kube.ServiceAccounts},
		func(o metav1.Object) cluster.Object { return cluster.NewServiceAccount(o) })
	e.status = add(kube.Target{Resource: kube.ConfigMaps, Namespace: cfg.Namespace, Name: cfg.StatusName},
		func(o metav1.Object) cluster.Object { return cluster.NewConfigMap(o) })
	return e
}

func (e *Evictor) watchFailed(what kube.Target, err error) {
	switch {
	case apierrors.IsForbidden(err):
		e.throttled.Warn("no permission to list and watch " + what.String() +
			"; retrying; `pullsecrets rbac -evict` prints the roles (" + kube.Redact(err) + ")")
	default:
		e.throttled.WatchFailed(what, err)
	}
}

func (e *Evictor) informers() []*watch.Informer {
	return []*watch.Informer{e.pods, e.namespaces, e.accounts, e.status}
}

// Metrics answers with all metrics, for Prometheus.
func (e *Evictor) Metrics() http.Handler { return e.metrics.Handler() }

// Ready reports whether all caches are settled.
func (e *Evictor) Ready() bool {
	for _, one := range e.informers() {
		if !one.Settled() {
			return false
		}
	}
	return true
}

// Unsettled says which lists have not been answered yet, a line each.
func (e *Evictor) Unsettled() []string {
	return watch.Describe(watch.Unsettled(e.informers()), time.Now())
}

// Run works until ctx ends, and returns when everything that it started has ended.
func (e *Evictor) Run(ctx context.Context) {
	e.group.Start(ctx)
	defer e.group.Wait(stopPatience)
	var running sync.WaitGroup // evictions
	defer running.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-e.outcomes:
			e.note(o, time.Now())
		case now := <-tick.C:
			if !e.Ready() || !e.changed.Swap(false) && len(e.candidates) == 0 && now.Sub(looked) < lookAnyway {
				continue
			}
			looked = now
			for _, c := range e.look(now) {
				e.try(ctx, &running, c, now)
			}
		}
	}
}

// readStatus reads the status ConfigMap, if it is another one than before.
func (e *Evictor) readStatus() {
	cm, _ := e.status.Get(cache.ObjectName{Namespace: e.Namespace, Name: e.StatusName}).(*cluster.ConfigMap)
	version := ""
	if cm != nil {
		version = string(cm.UID) + " " + cm.ResourceVersion
	}
	if version == e.knownOf {
		return
	}
	before := e.known.Unknown
	e.knownOf = version
	e.known = e.known.Read(cm, policy.Options{Namespace: e.Namespace, SourceNamespaces: e.SourceNamespaces})
	switch e.known.Unknown {
	case before:
	case "":
		e.Log.Info().Msg("the status tells which policy is in force")
	default:
		e.Log.Warn().Msg("no pod is evicted: " + e.known.Unknown)
	}
}
