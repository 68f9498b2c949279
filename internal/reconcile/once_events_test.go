package reconcile

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// TestOnceEndsWithItsEventsWritten: they are written by a goroutine of their own, and RunOnce may end just after the last.
func TestOnceEndsWithItsEventsWritten(t *testing.T) {
	api := &slowAPI{asked: make(chan struct{}), release: make(chan struct{}), edits: make(chan string)}
	close(api.release)
	var events atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/events") {
			events.Add(1)
		}
		api.ServeHTTP(w, r)
	}))
	defer func() {
		server.CloseClientConnections()
		server.Close()
	}()
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Client: client, Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Workers: 1, Log: zerolog.Nop()})
	if err := c.RunOnce(t.Context(), func(int, int) {}); err != nil {
		t.Error(err)
	}
	if n := events.Load(); n != 1 {
		t.Errorf("%d Events were written, want the one that says that the policy is in force", n)
	}
}
