package reconcile

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const onePolicy = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: hub}, name: regcred}]\n"

// TestWhatIsLikelyToBeWatched is what the policy names and what is in use; the last good policy stands in for one that
// is refused or missing.
func TestWhatIsLikelyToBeWatched(t *testing.T) {
	good := map[string]string{"policy.yaml": onePolicy}
	packed, err := packPolicy(good)
	if err != nil {
		t.Fatal(err)
	}
	status := &cluster.ConfigMap{
		Data:       map[string]string{statusNames: "older regcred"},
		BinaryData: map[string][]byte{statusPolicy: packed},
	}
	for name, c := range map[string]struct {
		documents map[string]string
		status    *cluster.ConfigMap
		names     []string // nil: nothing is likely
	}{
		"nothing is there":            {},
		"a first start":               {good, nil, []string{"regcred"}},
		"a restart":                   {good, status, []string{"older", "regcred"}},
		"a policy that is refused":    {map[string]string{"policy.yaml": "kind: Pod"}, status, []string{"older", "regcred"}},
		"a policy that is missing":    {nil, status, []string{"older", "regcred"}},
		"refused, and no status":      {map[string]string{"policy.yaml": "kind: Pod"}, nil, nil},
		"a status that somebody made": {nil, &cluster.ConfigMap{Data: map[string]string{statusNames: "older"}}, nil},
	} {
		j := New(Config{Namespace: "pullsecrets"}).judge
		sources, names, ok := j.likely(c.documents, c.status)
		if ok != (c.names != nil) || !slices.Equal(names, c.names) {
			t.Errorf("%s: got names %q, %t; want %q", name, names, ok, c.names)
		}
		if ok && (len(sources) != 1 || sources[0].String() != "pullsecrets/hub") {
			t.Errorf("%s: got sources %v", name, sources)
		}
	}
}

// TestATextIsParsedOnce compares pointers: what is parsed anew is another policy.
func TestATextIsParsedOnce(t *testing.T) {
	j := New(Config{Namespace: "pullsecrets"}).judge
	first, _ := j.parse(map[string]string{"policy.yaml": onePolicy})
	again, _ := j.parse(map[string]string{"policy.yaml": onePolicy})
	other, _ := j.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n"})
	if first == nil || first != again {
		t.Error("the same text was parsed twice")
	}
	if other == nil || other == first {
		t.Error("another text was not parsed")
	}
	// A key that is no document changes no hash, but there is a warning of it.
	_, problems := j.parse(map[string]string{"policy.yaml": onePolicy + "# edited\n", "README.md": "x"})
	if len(problems.Warnings()) != 1 {
		t.Errorf("warnings of a key that is ignored: %v", problems.Warnings())
	}
}

// TestAStartForeseesWhatToWatch has an API server that answers from its cache at once, and no watch ever. Whether the
// copies and sources are asked for all the same can only come from the cache.
func TestAStartForeseesWhatToWatch(t *testing.T) {
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("watch") != "" {
			asked <- r.URL.Path + " " + query.Get("fieldSelector")
			<-r.Context().Done()
			return
		}
		items := []any{}
		if query.Get("resourceVersion") == "0" && query.Get("fieldSelector") == "metadata.name=the-policy" {
			items = append(items, map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "the-policy", "namespace": "pullsecrets"},
				"data": map[string]any{"policy.yaml": onePolicy},
			})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "ConfigMapList", "items": items})
	}))
	defer server.Close()
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := New(Config{Client: client, Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status", Workers: 1, Log: zerolog.Nop()})
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	missing := map[string]bool{"/api/v1/secrets metadata.name=regcred": true, "/api/v1/namespaces/pullsecrets/secrets metadata.name=hub": true}
	for deadline := time.After(time.Minute); len(missing) > 0; {
		select {
		case what := <-asked:
			delete(missing, what)
		case <-deadline:
			t.Fatalf("never watched: %v", slices.Sorted(maps.Keys(missing)))
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
