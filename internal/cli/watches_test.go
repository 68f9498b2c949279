package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// TestWatchesAreNotCompressed as lists are.
func TestWatchesAreNotCompressed(t *testing.T) {
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Header.Get("Accept-Encoding"))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"SecretList","items":[]}`))
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	config.Wrap(withPlainWatches)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		selector string
		watch    bool
		want     string
	}{
		{"metadata.name=hub", true, "identity"},
		{"", true, "identity"},
		{"metadata.name=hub", false, "gzip"},
	} {
		got = nil
		o := metav1.ListOptions{FieldSelector: c.selector}
		if c.watch {
			if w, err := client.Resource(secrets).Watch(t.Context(), o); err != nil {
				t.Error(err)
			} else {
				w.Stop()
			}
		} else if _, err := client.Resource(secrets).List(t.Context(), o); err != nil {
			t.Error(err)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: asked for %q", c, got)
		}
	}
}
