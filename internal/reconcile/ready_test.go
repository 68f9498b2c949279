package reconcile

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/election"
)

const onePolicy = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: hub}, name: regcred}]\n"

// slowAPI is an API server that has one policy and nothing else, and does not answer whoever watches copies of the
// name regcred until it is released.
type slowAPI struct {
	asked   chan struct{} // closed when somebody watches them
	once    sync.Once
	release chan struct{}
	edits   chan string // of the policy; "" deletes it
}

func (s *slowAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	policy := query.Get("fieldSelector") == "metadata.name=the-policy"
	w.Header().Set("Content-Type", "application/json")
	answer := json.NewEncoder(w)
	switch {
	case strings.Contains(r.URL.Path, "/leases/"): // somebody else keeps it
		http.Error(w, "", http.StatusInternalServerError)
	case r.Method == http.MethodPatch:
		var applied map[string]any
		_ = json.NewDecoder(r.Body).Decode(&applied)
		applied["metadata"].(map[string]any)["uid"] = "u"
		applied["metadata"].(map[string]any)["resourceVersion"] = "2"
		if strings.HasSuffix(r.URL.Path, "/the-policy") {
			applied["data"] = policyObject(onePolicy, "2")["data"]
		}
		_ = answer.Encode(applied)
	case query.Get("watch") == "":
		items := []any{}
		if policy {
			items = append(items, policyObject(onePolicy, "1"))
		}
		_ = answer.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "1"}, "items": items})
	default:
		send := func(kind string, object any) {
			_ = answer.Encode(map[string]any{"type": kind, "object": object})
			w.(http.Flusher).Flush()
		}
		if query.Get("fieldSelector") == "metadata.name=regcred" {
			s.once.Do(func() { close(s.asked) })
			select {
			case <-s.release:
			case <-r.Context().Done():
				return
			}
		}
		if query.Get("sendInitialEvents") == "true" {
			if policy {
				send("ADDED", policyObject(onePolicy, "1"))
			}
			bookmark := policyObject("", "1")
			bookmark["metadata"].(map[string]any)["annotations"] = map[string]any{metav1.InitialEventsAnnotationKey: "true"}
			send("BOOKMARK", bookmark)
		}
		var edits chan string
		if policy {
			edits = s.edits
		}
		for {
			select {
			case text := <-edits:
				kind := "MODIFIED"
				if text == "" {
					kind = "DELETED"
				}
				send(kind, policyObject(text, "3"))
			case <-r.Context().Done():
				return
			}
		}
	}
}

func policyObject(text, version string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "the-policy", "namespace": "pullsecrets", "uid": "u", "resourceVersion": version},
		"data":     map[string]any{"policy.yaml": text},
	}
}

// start runs a controller against it, and returns when that watches the copies.
func (s *slowAPI) start(t *testing.T, standby bool) *Controller {
	t.Helper()
	s.asked, s.release, s.edits = make(chan struct{}), make(chan struct{}), make(chan string)
	server := httptest.NewServer(s)
	config := &rest.Config{Host: server.URL, QPS: -1}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Client: client, Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Workers: 1, Log: zerolog.Nop()}
	if standby {
		if cfg.Election, err = election.New(config, "pullsecrets", zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
	}
	c := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.CloseClientConnections()
		server.Close()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		select {
		case <-s.asked:
			return c
		default:
		}
		if c.Ready() {
			t.Fatal("it was ready before it watched the copies")
		}
		if time.Now().After(deadline) {
			t.Fatal("the copies are never watched")
		}
	}
}

func becomesReady(t *testing.T, c *Controller) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !c.Ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never became ready")
		}
	}
}

// TestNothingIsWaitedForBeforeItRuns: RunOnce tries for some seconds to reach an API server, and /readyz and the metrics are
// served by then.
func TestNothingIsWaitedForBeforeItRuns(t *testing.T) {
	c := New(Config{Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Workers: 1, Log: zerolog.Nop()})
	if lists := c.Unsettled(); c.Ready() || len(lists) > 0 {
		t.Errorf("ready is %t, and it waits for %q", c.Ready(), lists)
	}
	answer := httptest.NewRecorder()
	c.Metrics().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{"pullsecrets_watches_unsettled 0", "pullsecrets_oldest_unsettled_watch_seconds 0"} {
		if !strings.Contains(answer.Body.String(), line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
}

// TestReadyIsWhenThePolicysWatchesAre settled, for the one that works and for one that stands by.
func TestReadyIsWhenThePolicysWatchesAre(t *testing.T) {
	for name, standby := range map[string]bool{"leader": false, "standby": true} {
		t.Run(name, func(t *testing.T) {
			var api slowAPI
			c := api.start(t, standby)
			if c.Ready() {
				t.Error("it is ready, and has not read the copies")
			}
			if lists := c.Unsettled(); len(lists) == 0 || !strings.Contains(strings.Join(lists, "\n"), "secrets named regcred in all namespaces, since ") {
				t.Errorf("it does not say what it waits for: %q", lists)
			}
			close(api.release)
			becomesReady(t, c)
			if lists := c.Unsettled(); len(lists) > 0 {
				t.Errorf("it is ready, and waits for %q", lists)
			}
		})
	}
}

// TestATextThatNeverCameInForceIsNotWaitedFor: its names may be the mistake that the next text mends. Whoever works goes
// on with the last good text where the policy is missing.
func TestATextThatNeverCameInForceIsNotWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		standby bool
		next    string
	}{
		"leader":                    {false, strings.Replace(onePolicy, "regcred", "other", 1)},
		"standby":                   {true, strings.Replace(onePolicy, "regcred", "other", 1)},
		"standby, and none follows": {true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var api slowAPI
			c := api.start(t, tt.standby)
			api.edits <- tt.next
			becomesReady(t, c)
		})
	}
}
