package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/evict"
)

func isEviction(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/eviction") }

// TestAControllerDoesNotGoInACircle with a pod that names pull secrets itself, by chance such as its account has: no new one
// gets another.
func TestAControllerDoesNotGoInACircle(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"mine"}]}`)
	ofItsOwn := func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"name": "mine"}}, "spec", "imagePullSecrets")
	}
	set := s.ReplicaSet(ns, "web")
	first, sibling := s.OwnedPod(ns, "first", set, ofItsOwn), s.OwnedPod(ns, "sibling", set, ofItsOwn)
	s.PodStatus(ns, "sibling", "Pending", "ContainerCreating")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	var tries atomic.Int32
	r := s.Evict(asItIs, harness.Before(func(r *http.Request) {
		if isEviction(r) {
			tries.Add(1)
		}
	}))
	s.wantEvicted(first)
	time.Sleep(1100 * time.Millisecond) // times of pods are whole seconds
	successor := s.OwnedPod(ns, "successor", set, ofItsOwn)
	s.PodStatus(ns, "sibling", "Pending", "ErrImagePull")
	s.wantEvicted(sibling)
	r.WantMetrics(`pullsecrets_stuck_pods{verdict="TooSoon"} 1`)
	s.wantLeft(successor, "it is no better off than the one before")
	if n := tries.Load(); n != 2 {
		t.Errorf("%d evictions were tried for two pods", n)
	}
}

// TestADisruptionBudgetDoesNotCountPodsThatWait holds what the documentation says of the API server: it asks no budget about a
// pod that is Pending, also where the budget permits no disruption.
func TestADisruptionBudgetDoesNotCountPodsThatWait(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	budget := api.Object("policy/v1", "PodDisruptionBudget", ns, "web")
	budget.Object["spec"] = map[string]any{"maxUnavailable": int64(0), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}}
	budgets := schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	s.Create(budgets, budget)
	set := s.ReplicaSet(ns, "web")
	waits, runs := s.OwnedPod(ns, "waits", set), s.OwnedPod(ns, "runs", set)
	runs = s.PodStatus(ns, runs.GetName(), "Running", "")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Evict(asItIs)
	s.wantEvicted(waits)
	code, message := newThief(t, s.Config).try(attempt{method: http.MethodPost, body: api.Object("policy/v1", "Eviction", ns, runs.GetName()).Object,
		path: "/api/v1/namespaces/" + ns + "/pods/" + runs.GetName() + "/eviction"})
	if code != http.StatusTooManyRequests {
		t.Errorf("of a pod that runs the budget is not asked: %d %s", code, message)
	}
}

// TestARefusedEvictionIsTriedLater and one Event is enough for both.
func TestARefusedEvictionIsTriedLater(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	pod := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	var tries []time.Time
	var told int
	r := s.Evict(asItIs, harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if isEviction(r) {
			if tries = append(tries, time.Now()); len(tries) == 1 {
				told = len(s.podEvents(pod))
				return refusal(r, http.StatusTooManyRequests), nil
			}
		}
		return next.RoundTrip(r)
	}))
	r.WantMetrics(`pullsecrets_evictions_total{result="refused"} 1`)
	s.wantLeft(pod, "the eviction was refused")
	s.wantEvicted(pod)
	r.WantMetrics(`pullsecrets_evictions_total{result="evicted"} 1`, `pullsecrets_evictions_total{result="refused"} 1`)
	r.Stop()
	if len(tries) != 2 || tries[1].Sub(tries[0]) < 11*time.Second {
		t.Errorf("it was tried at %v", tries)
	}
	if n := len(s.podEvents(pod)); told != 1 || n != 1 {
		t.Errorf("%d Events before the first try, and %d in all", told, n)
	}
}

func refusal(r *http.Request, code int) *http.Response {
	answer := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":%d,"details":{"retryAfterSeconds":12}}`, code)
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Request: r, Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {"1"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)),
	}
}

// TestAPodThatBeganToRunIsNotEvicted also where that is noticed too late.
func TestAPodThatBeganToRunIsNotEvicted(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	pod := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	r := s.Evict(asItIs, harness.Before(func(r *http.Request) {
		if isEviction(r) {
			s.PodStatus(ns, "early", "Running", "")
		}
	}))
	r.WantMetrics(`pullsecrets_evictions_total{result="stale"} 1`)
	s.After()
	s.wantLeft(pod, "it runs")
	r.WantMetrics(`pullsecrets_evictions_total{result="evicted"} 0`)
}

// TestEvictOutlastsAnAPIServerThatGoesAway with a pod that began to wait in the meantime.
func TestEvictOutlastsAnAPIServerThatGoesAway(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	set := s.ReplicaSet(ns, "web")
	pod := s.OwnedPod(ns, "early", set)
	s.PodStatus(ns, "early", "Pending", "ContainerCreating")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	var away atomic.Bool
	r := s.Evict(asItIs, func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if away.Load() {
					return nil, &harness.NetError{}
				}
				resp, err := next.RoundTrip(r)
				if err == nil && r.URL.Query().Get("watch") != "" {
					resp.Body = &cutBody{ReadCloser: resp.Body, cut: &away}
				}
				return resp, err
			})
		})
	})
	away.Store(true)
	s.PodStatus(ns, "early", "Pending", "ErrImagePull")
	s.Namespace("b") // its event breaks the watches
	s.Eventually("it is said", func() error {
		if len(r.Log.Lines("the API server cannot be reached")) == 0 {
			return errors.New("nothing in the log")
		}
		return nil
	})
	s.wantLeft(pod, "nobody can be asked to evict it")
	away.Store(false)
	s.wantEvicted(pod)
}

func TestEvictionsArePaced(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var pods []*unstructured.Unstructured
	for i := range 6 {
		name := fmt.Sprintf("web-%d", i)
		pods = append(pods, s.OwnedPod(ns, name, s.ReplicaSet(ns, name)))
	}
	s.Start()
	s.Revised("Ready", harness.OneRule)
	began := time.Now()
	s.Evict(func(c *evict.Config) { c.PerSecond = 1 })
	for _, pod := range pods {
		s.wantEvicted(pod)
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("six evictions, at most one a second, took %s", took)
	}
}
