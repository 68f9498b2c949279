package state

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// Config says what a Cluster follows.
type Config struct {
	Installation cluster.Installation // its home is where the two ConfigMaps and the parameters are
	PolicyName   string               // of the policy ConfigMap; empty if there is none
	StatusName   string               // of the status ConfigMap
	Admission    bool                 // follow the admission parameters
	OptOut       []string             // other annotations that opt namespaces and service accounts out; may be empty
	Credential   *Credential          // stands in for a source; nil if all sources are Secrets
	// ExpiryWarning is how long before a credential of a source ends that is said; 0 for never.
	ExpiryWarning time.Duration
	// Verify replaces the states of a policy's sources by what their registries said; nil: nobody is asked.
	Verify   func(*policy.Policy, map[types.NamespacedName]policy.SourceState)
	Watch    watch.Options // but for Unobserved, which the Cluster knows
	Handlers Handlers
}

// Handlers are told of what changes. They run in the goroutines of the informers, so they only take note. None is told of an
// event that repeats what was known. own says that an event shows what this process wrote, and nothing else.
type Handlers struct {
	Namespace, Source, ConfigMap, Parameter func(watch.Event)
	Account, Copy                           func(e watch.Event, own bool)
	Failed                                  func(kube.Target, error)                          // a request failed; it is tried again
	Untracked                               func(kube.Target, error)                          // the same, of a name that only ledgers have
	Sources                                 func(map[types.NamespacedName]policy.SourceState) // they were read or judged anew
}

// Cluster is the View of the live caches, and of what was written that they do not show yet. Its methods may be called at
// any time from any goroutine.
type Cluster struct {
	Writes    *OwnWrites
	Projector *cluster.Projector

	installation                 cluster.Installation
	optOut                       []string
	group                        *watch.Group
	namespaces, accounts, status *watch.Informer
	policy, parameters           *watch.Informer // nil if there is none
	named                        named
	sources                      sources
}

// New returns a Cluster that knows nothing yet.
func New(cfg Config) *Cluster {
	c := &Cluster{Writes: NewOwnWrites(), Projector: NewProjector(), installation: cfg.Installation, optOut: cfg.OptOut}
	cfg.Watch.Unobserved = c.Writes.Unobserved
	c.group = watch.NewGroup(cfg.Watch)
	c.sources = sources{read: c.readSource, verify: cfg.Verify, changed: cfg.Handlers.Sources, warning: cfg.ExpiryWarning, judged: make(chan struct{}, 1)}
	if cfg.Credential != nil {
		c.sources.file = newCredentialFile(*cfg.Credential, c.Projector)
	}
	c.addInformers(cfg)
	return c
}

func (c *Cluster) addInformers(cfg Config) {
	h, home := cfg.Handlers, cfg.Installation.Home
	add := func(t kube.Target, project func(metav1.Object) cluster.Object, onEvent func(watch.Event)) *watch.Informer {
		return c.group.Add(watch.Spec{Target: t, Project: project, OnEvent: news(onEvent), OnError: h.Failed})
	}
	configMap := projected(cluster.NewConfigMap)
	c.namespaces = add(kube.Target{Resource: kube.Namespaces},
		func(o metav1.Object) cluster.Object { return cluster.NewNamespace(o, cfg.OptOut...) }, h.Namespace)
	c.accounts = add(kube.Target{Resource: kube.ServiceAccounts},
		func(o metav1.Object) cluster.Object { return c.Account(o) }, c.observing(plan.KindServiceAccount, h.Account))
	onConfigMap := c.observing(kube.KindConfigMap, func(e watch.Event, _ bool) { h.ConfigMap(e) })
	if cfg.PolicyName != "" {
		c.policy = add(kube.Target{Resource: kube.ConfigMaps, Namespace: home, Name: cfg.PolicyName}, configMap, onConfigMap)
	}
	c.status = add(kube.Target{Resource: kube.ConfigMaps, Namespace: home, Name: cfg.StatusName}, configMap, onConfigMap)
	if cfg.Admission {
		rule := func(o metav1.Object) cluster.Object { return cluster.NewAdmissionRule(o.(*unstructured.Unstructured)) } // as all custom resources
		c.parameters = c.group.Add(watch.Spec{
			Target: kube.Target{Resource: kube.AdmissionRules, Namespace: home}, Optional: true,
			Project: rule, OnEvent: news(h.Parameter), OnError: unlessAbsent(h.Failed),
		})
	}
	c.named = named{
		add:       c.group.Add,
		source:    watch.Spec{Project: projected(c.Projector.Source), OnEvent: news(h.Source), OnError: h.Failed},
		copy:      watch.Spec{Project: projected(c.Projector.Secret), OnEvent: news(c.observing(plan.KindSecret, h.Copy)), OnError: h.Failed},
		untracked: h.Untracked,
		sources:   map[types.NamespacedName]*watch.Informer{},
		copies:    map[string]*watch.Informer{},
		aside:     map[string]*watch.Informer{},
	}
}

// news passes on what does not only repeat what was known.
func news(do func(watch.Event)) func(watch.Event) {
	return func(e watch.Event) {
		if !e.Unchanged() {
			do(e)
		}
	}
}

// observing tells the own writes of an event first.
func (c *Cluster) observing(kind plan.Kind, do func(e watch.Event, own bool)) func(watch.Event) {
	return func(e watch.Event) { do(e, c.Writes.Observe(kind, e)) }
}

// unlessAbsent passes on the errors of what the cluster knows and permits: that it does not is said elsewhere.
func unlessAbsent(do func(kube.Target, error)) func(kube.Target, error) {
	return func(t kube.Target, err error) {
		if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
			do(t, err)
		}
	}
}

// Start has everything followed until ctx ends.
func (c *Cluster) Start(ctx context.Context) { c.group.Start(ctx) }

// FollowCredential reads the credential that stands in for a source again and again until ctx ends, and calls changed when
// it is another one. Without one it returns at once.
func (c *Cluster) FollowCredential(ctx context.Context, changed func()) {
	if c.sources.file != nil {
		c.sources.file.follow(ctx, changed)
	}
}

// Wait waits until all that was started ended, but no longer than patience.
func (c *Cluster) Wait(patience time.Duration) { c.group.Wait(patience) }

// Account projects a service account.
func (c *Cluster) Account(o metav1.Object) *cluster.ServiceAccount {
	return cluster.NewServiceAccount(o, c.optOut...)
}

// Installation is part of View.
func (c *Cluster) Installation() cluster.Installation { return c.installation }

// Namespaces is part of View.
func (c *Cluster) Namespaces() (all []*cluster.Namespace) {
	for _, obj := range c.namespaces.All() {
		all = append(all, obj.(*cluster.Namespace))
	}
	return all
}

// Namespace is part of View.
func (c *Cluster) Namespace(name string) *cluster.Namespace {
	ns, _ := c.namespaces.Get(cache.ObjectName{Name: name}).(*cluster.Namespace)
	return ns
}

// Accounts is part of View.
func (c *Cluster) Accounts(namespace string) (accounts []*cluster.ServiceAccount, known bool) {
	for _, obj := range c.accounts.InNamespace(namespace) {
		accounts = append(accounts, c.latest(obj.(*cluster.ServiceAccount)))
	}
	return accounts, !c.accounts.Forbidden()
}

// AllAccounts returns all service accounts.
func (c *Cluster) AllAccounts() (all []*cluster.ServiceAccount) {
	for _, obj := range c.accounts.All() {
		all = append(all, c.latest(obj.(*cluster.ServiceAccount)))
	}
	return all
}

// latest returns a service account of the cache as it is now.
func (c *Cluster) latest(cached *cluster.ServiceAccount) *cluster.ServiceAccount {
	return c.Writes.Latest(plan.KindServiceAccount, kube.NameOf(cached), cached, "").(*cluster.ServiceAccount)
}

// Copies is part of View. In most namespaces most names have no copy, and those are not in the map.
func (c *Cluster) Copies(namespace string, p *policy.Policy) (copies map[string]plan.CopyState, looked []string) {
	copies = map[string]plan.CopyState{}
	used, all := c.named.allCopies(), true
	shown, place := c.Writes.NoneIn(namespace), watch.PlaceOf(namespace)
	for _, w := range used.informers {
		found, settled, forbidden := w.At(place)
		switch {
		case !settled: // what there is under this name is not known yet
			all = false
			continue
		case forbidden:
			copies[w.Name] = plan.CopyState{Forbidden: true, Leaving: !slices.Contains(p.CopyNames(), w.Name)}
			continue
		case !shown:
			key := cache.ObjectName{Namespace: namespace, Name: w.Name}
			cached, version := w.GetWithVersion(key)
			found = c.Writes.Latest(plan.KindSecret, key, cached, version)
		}
		if secret, ok := found.(*cluster.Secret); ok {
			copies[w.Name] = plan.CopyState{Secret: secret}
		}
	}
	if all {
		return copies, used.names
	}
	return copies, used.settled()
}

// CopiesLeft reports whether copies of a name may be left. What may not be read may be there.
func (c *Cluster) CopiesLeft(name string) bool {
	w := c.named.copyOf(name)
	if w == nil {
		return true
	}
	if settled, forbidden := w.Answer(); !settled || forbidden {
		return true
	}
	for _, obj := range w.All() {
		secret := obj.(*cluster.Secret)
		keeper := func() string { return keeper(c, secret) }
		if owner, _ := c.installation.OwnsUnwanted(secret, Vouched(c, secret), keeper); owner == cluster.Ours {
			return true
		}
	}
	return c.Writes.Pending(plan.KindSecret, name)
}

// CopiesUnknown reports whether it is not known which copies of a name there are, because they may not be read.
func (c *Cluster) CopiesUnknown(name string) bool {
	w := c.named.copyOf(name)
	return w == nil || w.Forbidden()
}

// PolicyMap returns the policy ConfigMap as it is now, or nil.
func (c *Cluster) PolicyMap() *cluster.ConfigMap { return c.configMap(c.policy) }

// StatusMap returns the status ConfigMap as it is now, or nil.
func (c *Cluster) StatusMap() *cluster.ConfigMap { return c.configMap(c.status) }

// StatusForbidden reports whether the status ConfigMap may not be read.
func (c *Cluster) StatusForbidden() bool { return c.status.Forbidden() }

func (c *Cluster) configMap(w *watch.Informer) *cluster.ConfigMap {
	if w == nil {
		return nil
	}
	name := cache.ObjectName{Namespace: w.Namespace, Name: w.Name}
	cached, version := w.GetWithVersion(name)
	cm, _ := c.Writes.Latest(kube.KindConfigMap, name, cached, version).(*cluster.ConfigMap)
	return cm
}

// ParametersAnswer reports whether it is known which admission parameters there are, and whether they may not be read or there
// is no such resource. Where they are not followed, it is never known.
func (c *Cluster) ParametersAnswer() (settled, forbidden bool) {
	if c.parameters == nil {
		return false, false
	}
	return c.parameters.Answer()
}

// Parameters returns the admission parameters that exist, by name.
func (c *Cluster) Parameters() map[string]*cluster.AdmissionRule {
	rules := map[string]*cluster.AdmissionRule{}
	for _, obj := range c.parameters.All() {
		rule := obj.(*cluster.AdmissionRule)
		rules[rule.Name] = rule
	}
	return rules
}
