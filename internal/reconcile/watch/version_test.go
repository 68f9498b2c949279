package watch

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// streams is an API server with one watch at a time, whose events a test sends.
type streams chan map[string]any

func (s streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-s:
			_ = json.NewEncoder(w).Encode(event)
			w.(http.Flusher).Flush()
			if event["type"] == "ERROR" {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (s streams) send(kind, name, version string, annotations map[string]any) {
	s <- map[string]any{"type": kind, "object": map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{
		"namespace": "a", "name": name, "uid": "u-" + name, "resourceVersion": version, "annotations": annotations,
	}}}
}

// list sends a whole watch-list of the version.
func (s streams) list(version string) {
	s.send("BOOKMARK", "", version, map[string]any{metav1.InitialEventsAnnotationKey: "true"})
}

// TestTheVersionOfACacheTellsWhatItHasSeen through events, bookmarks, and an API server that was restored from a backup, whose
// versions are smaller than before. What this process wrote is forgotten by it.
func TestTheVersionOfACacheTellsWhatItHasSeen(t *testing.T) {
	api := make(streams)
	server := httptest.NewServer(api)
	defer server.Close()
	defer server.CloseClientConnections()
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	g := NewGroup(Options{Client: client, OnState: func() {}})
	one := g.Add(Spec{
		Target: kube.Target{Resource: kube.Secrets, Name: "regcred"},
		Project: func(u metav1.Object) cluster.Object {
			return cluster.NewProjector([]byte("key")).Secret(u)
		},
		OnEvent: func(Event) {}, OnError: func(kube.Target, error) {},
	})
	g.Start(t.Context())
	becomes := func(why, object, version string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			o, upTo := one.GetWithVersion(cache.ObjectName{Namespace: "a", Name: "regcred"})
			got := ""
			if o != nil {
				got = o.GetResourceVersion()
			}
			if upTo == version && got == object {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: it holds version %q and has seen %q, want %q and %q", why, got, upTo, object, version)
			}
		}
	}
	becomes("it was not filled yet", "", "")
	api.send("ADDED", "regcred", "5", nil)
	api.list("100")
	becomes("a list is as new as itself, not as its objects", "5", "100")
	api.send("MODIFIED", "regcred", "105", nil)
	becomes("an event", "105", "105")
	api.send("BOOKMARK", "", "110", nil)
	becomes("a bookmark", "105", "110")
	api.send("DELETED", "regcred", "120", nil)
	becomes("a deletion", "", "120")
	api <- map[string]any{"type": "ERROR", "object": map[string]any{"apiVersion": "v1", "kind": "Status", "code": 410, "reason": "Expired"}}
	api.send("ADDED", "regcred", "40", nil)
	api.list("50")
	becomes("a backup was restored", "40", "50")
}
