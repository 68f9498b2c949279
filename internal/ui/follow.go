package ui

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
	"github.com/pullsecrets/pullsecrets/internal/ui/view"
)

const (
	// pollEvery is how often that is read which may not be watched.
	pollEvery = 5 * time.Second
	// readPatience is how long one read of it may take.
	readPatience = 10 * time.Second
	// stopPatience is how long stopping waits for watches.
	stopPatience = time.Second
)

// Place is the installation that the page is about.
type Place struct {
	inspect.Place
	Options policy.Options
	Context string // what the person calls the cluster
	Kubectl string // how kubectl is called for it, quoted for a shell
}

// Live follows a cluster with the rights of whoever runs the program: by watches, or by reading again and again what may be read and
// not watched.
type Live struct {
	at      Place
	client  dynamic.Interface
	group   *watch.Group
	changed chan struct{}

	policy, status, namespaces *followed
	reach                      reach
}

// followed is one thing that is followed.
type followed struct {
	*watch.Informer
	target kube.Target

	mu   sync.Mutex
	why  string             // the last request for it failed
	read *cluster.ConfigMap // what may be read and not listed
	may  bool               // read is the answer
}

// NewLive makes a client of config and starts nothing.
func NewLive(config *rest.Config, at Place) (*Live, error) {
	l := &Live{at: at, changed: make(chan struct{}, 1)}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &watched{next, l} })
	client, err := kube.NewDynamic(config)
	if err != nil {
		return nil, err
	}
	l.client = client
	l.group = watch.NewGroup(watch.Options{
		Client: client, ListEvery: pollEvery, OnState: l.news, OnListing: func(kube.Target) {}, OnPlainLists: func(kube.Target) {},
		Unobserved: func(kube.Target) []cluster.Object { return nil },
	})
	configMap := func(o metav1.Object) cluster.Object { return cluster.NewConfigMap(o) }
	l.policy = l.follow(kube.Target{Resource: kube.ConfigMaps, Namespace: at.Namespace, Name: at.PolicyName}, configMap)
	l.status = l.follow(kube.Target{Resource: kube.ConfigMaps, Namespace: at.Namespace, Name: at.StatusName}, configMap)
	l.namespaces = l.follow(kube.Target{Resource: kube.Namespaces}, func(o metav1.Object) cluster.Object { return cluster.NewNamespace(o) })
	return l, nil
}

func (l *Live) follow(target kube.Target, project func(metav1.Object) cluster.Object) *followed {
	f := &followed{target: target}
	f.Informer = l.group.Add(watch.Spec{
		Target: target, Project: project,
		OnError: func(_ kube.Target, err error) {
			if f.failed(kube.Redact(err)) {
				l.news()
			}
		},
		OnEvent: func(e watch.Event) {
			if f.failed("") || !e.Unchanged() && !sameToUs(e) {
				l.news()
			}
		},
	})
	return f
}

// sameToUs reports whether the page shows nothing of what changed, as with a new annotation of a namespace.
func sameToUs(e watch.Event) bool {
	before, wasNamespace := e.Old.(*cluster.Namespace)
	now, isNamespace := e.New.(*cluster.Namespace)
	return wasNamespace && isNamespace && before.SameDecision(now)
}

// failed takes note of why a request failed, "" for one that did not, and reports whether that is new.
func (f *followed) failed(why string) (isNew bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	isNew = f.why != why
	f.why = why
	return isNew
}

func (l *Live) news() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Changed receives when there is something new.
func (l *Live) Changed() <-chan struct{} { return l.changed }

// Run follows the cluster until ctx ends.
func (l *Live) Run(ctx context.Context) {
	l.group.Start(ctx)
	defer l.group.Wait(stopPatience)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for _, f := range []*followed{l.policy, l.status} {
			if f.Forbidden() && ctx.Err() == nil {
				l.poll(ctx, f)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// poll reads one ConfigMap by its name, which a role may permit that permits neither list nor watch.
func (l *Live) poll(ctx context.Context, f *followed) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	u, err := f.target.In(l.client).Get(ctx, f.target.Name, metav1.GetOptions{})
	f.mu.Lock()
	defer f.mu.Unlock()
	before, could := f.read, f.may
	switch {
	case err == nil:
		f.read, f.may, f.why = cluster.NewConfigMap(u), true, ""
	case apierrors.IsNotFound(err):
		f.read, f.may, f.why = nil, true, ""
	case apierrors.IsForbidden(err):
		f.read, f.may, f.why = nil, false, kube.Redact(err)
	default:
		f.why = kube.Redact(err) // what was read stays
	}
	if could != f.may || (before == nil) != (f.read == nil) || before != nil && before.ResourceVersion != f.read.ResourceVersion {
		l.news()
	}
}

// configMap is what is known of one.
func (f *followed) configMap() view.Known[*cluster.ConfigMap] {
	settled, forbidden := f.Answer()
	f.mu.Lock()
	defer f.mu.Unlock()
	known := view.Known[*cluster.ConfigMap]{What: f.target.String(), Why: f.why, Known: settled && !forbidden, Forbidden: forbidden && !f.may}
	switch {
	case known.Known:
		known.Value, _ = f.Get(cache.ObjectName{Namespace: f.target.Namespace, Name: f.target.Name}).(*cluster.ConfigMap)
	case f.may:
		known.Known, known.Polled, known.Value = true, true, f.read
	}
	return known
}

// Facts are what is known of the cluster now.
func (l *Live) Facts() view.Facts {
	settled, forbidden := l.namespaces.Answer()
	l.namespaces.mu.Lock()
	namespaces := view.Known[[]*cluster.Namespace]{What: l.namespaces.target.String(), Why: l.namespaces.why, Known: settled && !forbidden, Forbidden: forbidden}
	l.namespaces.mu.Unlock()
	for _, o := range l.namespaces.All() {
		if ns, ok := o.(*cluster.Namespace); ok {
			namespaces.Value = append(namespaces.Value, ns)
		}
	}
	f := l.at.facts()
	f.Live, f.Policy, f.Status, f.Namespaces, f.Away = true, l.policy.configMap(), l.status.configMap(), namespaces, l.reach.since()
	return f
}

// Explain is what pullsecrets explain says.
func (l *Live) Explain(ctx context.Context, namespace string, target inspect.Target) (*inspect.Explanation, error) {
	return inspect.Explain(ctx, l.client, l.at.Place, l.at.Options, nil, namespace, target)
}

// reach remembers since when the API server does not answer.
type reach struct {
	mu   sync.Mutex
	away time.Time // zero while it answers
}

func (r *reach) since() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away
}

func (r *reach) answered(yes bool) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if yes == r.away.IsZero() {
		return false
	}
	r.away = time.Time{}
	if !yes {
		r.away = time.Now()
	}
	return true
}

// watched notes of each request whether the API server answered.
type watched struct {
	next http.RoundTripper
	live *Live
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(r)
	if r.Context().Err() != nil {
		return answer, err
	}
	isNew := w.live.reach.answered(err == nil)
	for _, f := range []*followed{w.live.policy, w.live.status, w.live.namespaces} {
		if err == nil && answer.StatusCode < 300 && f.asked(r.URL) {
			isNew = f.failed("") || isNew
		}
	}
	if isNew {
		w.live.news()
	}
	return answer, err
}

// asked reports whether a request lists or watches this.
func (f *followed) asked(u *url.URL) bool {
	return strings.HasSuffix(u.Path, "/"+f.target.Resource.Resource) && u.Query().Get("fieldSelector") == f.target.Selector().String()
}
