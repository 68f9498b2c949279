package harness

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/evict"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
)

// EvictAccount is the service account of pullsecrets evict.
const EvictAccount = "pullsecrets-evict"

// Evicting is pullsecrets evict as it runs.
type Evicting struct {
	Sandbox *Sandbox
	Evictor *evict.Evictor
	Log     *Buffer
	Stop    func()
}

// Evict runs pullsecrets evict with the rights of its component, and nothing else, until the test ends.
func (s *Sandbox) Evict(change func(*evict.Config), around ...func(*rest.Config)) *Evicting {
	s.T.Helper()
	s.GrantEvict()
	config := rest.CopyConfig(s.Config)
	WithToken(s.TokenOf(EvictAccount))(config)
	for _, f := range around {
		f(config)
	}
	client, err := evict.NewClient(config)
	Must(s.T, err)
	r := &Evicting{Sandbox: s, Log: &Buffer{}}
	settings := evict.Config{
		Client: client, Namespace: api.Home, StatusName: "pullsecrets-status", PerSecond: 20, Settle: time.Second,
		Log: zerolog.New(zerolog.SyncWriter(r.Log)).Level(zerolog.TraceLevel),
	}
	change(&settings)
	r.Evictor = evict.New(settings)
	ctx, cancel := context.WithCancel(s.Ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Evictor.Run(ctx)
	}()
	r.Stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.T.Cleanup(func() {
		r.Stop()
		if s.T.Failed() {
			s.T.Logf("the log of evict:\n%s", r.Log)
		}
	})
	s.Eventually("evict is ready", func() error {
		if !r.Evictor.Ready() {
			return fmt.Errorf("%v", r.Evictor.Unsettled())
		}
		return nil
	})
	return r
}

// GrantEvict applies the roles of pullsecrets evict, and waits until the API server goes by them.
func (s *Sandbox) GrantEvict() {
	s.T.Helper()
	roles, err := manifest.YAML(rbac.EvictRoles(rbac.Options{Namespace: api.Home, StatusName: "pullsecrets-status"}))
	Must(s.T, err)
	for _, u := range Objects(s.T, string(roles)) {
		s.Manifest(u)
	}
	for _, attributes := range []map[string]any{
		{"verb": "list", "resource": "pods"}, {"verb": "create", "resource": "pods", "subresource": "eviction"},
		{"verb": "list", "resource": "configmaps", "name": "pullsecrets-status", "namespace": api.Home},
	} {
		s.untilPermitted(EvictAccount, attributes, true)
	}
}

// Metrics is what evict serves to Prometheus.
func (r *Evicting) Metrics() string {
	recorder := httptest.NewRecorder()
	r.Evictor.Metrics().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

// WantMetrics waits until each series has its value.
func (r *Evicting) WantMetrics(series ...string) {
	r.Sandbox.T.Helper()
	r.Sandbox.Eventually("the metrics say it", func() error {
		text := "\n" + r.Metrics()
		for _, line := range series {
			if !strings.Contains(text, "\n"+line+"\n") {
				return fmt.Errorf("no %s in:\n%s", line, OurMetrics(text))
			}
		}
		return nil
	})
}

// ReplicaSet creates a ReplicaSet, whose controller does not run here: its pods are made by the test.
func (s *Sandbox) ReplicaSet(ns, name string) *unstructured.Unstructured {
	s.T.Helper()
	u := api.Object("apps/v1", "ReplicaSet", ns, name)
	labels := map[string]any{"app": name}
	u.Object["spec"] = map[string]any{
		"replicas": int64(0), "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}},
		},
	}
	return s.Create(api.ReplicaSets, u)
}

// OwnedPod creates a pod of a controller, which may be nil, that waits for its image. Change is called before.
func (s *Sandbox) OwnedPod(ns, name string, controller *unstructured.Unstructured, change ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	s.T.Helper()
	u := api.Object("v1", "Pod", ns, name)
	u.SetLabels(map[string]string{"app": "web"})
	u.Object["spec"] = map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
	if controller != nil {
		yes := true
		u.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: controller.GetAPIVersion(), Kind: controller.GetKind(), Name: controller.GetName(), UID: controller.GetUID(), Controller: &yes,
		}})
	}
	for _, f := range change {
		f(u)
	}
	s.Create(api.Pods, u)
	return s.PodStatus(ns, name, "Pending", "ImagePullBackOff")
}

// PodStatus says of a pod what a kubelet would: its phase, and why its container waits; empty for one that runs.
func (s *Sandbox) PodStatus(ns, name, phase, waits string) *unstructured.Unstructured {
	s.T.Helper()
	pod := s.Get(api.Pods, ns, name)
	state := map[string]any{"running": map[string]any{}}
	if waits != "" {
		state = map[string]any{"waiting": map[string]any{"reason": waits, "message": "401 Unauthorized"}}
	}
	pod.Object["status"] = map[string]any{"phase": phase, "containerStatuses": []any{map[string]any{
		"name": "c", "image": "hub.example/x", "imageID": "", "ready": false, "restartCount": int64(0), "state": state,
	}}}
	out, err := s.Client.Resource(api.Pods).Namespace(ns).UpdateStatus(s.Ctx, pod, metav1.UpdateOptions{FieldManager: "kubelet"})
	Must(s.T, err)
	return out
}
