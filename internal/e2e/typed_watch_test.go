package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// A watch in protobuf shows the same of every object as a list in JSON: what the controller itself wrote, with its managedFields.
func TestAWatchInProtobufShowsWhatAListInJSONShows(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("team")
	s.Start()
	s.Policy(harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", s.Name("reg"))

	var mu sync.Mutex
	types := map[string]string{} // of answers to watches, by resource
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" {
				mu.Lock()
				defer mu.Unlock()
				types[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]] = answer.Header.Get("Content-Type")
			}
			return answer, err
		})
	})
	client, err := kube.NewDynamic(config)
	harness.Must(t, err)
	projector := cluster.NewProjector([]byte("key"))
	for _, c := range []struct {
		target  kube.Target
		project func(metav1.Object) any
	}{
		{kube.Target{Resource: kube.Namespaces, Name: ns}, func(o metav1.Object) any { return cluster.NewNamespace(o) }},
		{kube.Target{Resource: kube.ServiceAccounts, Namespace: ns, Name: "default"}, func(o metav1.Object) any { return cluster.NewServiceAccount(o) }},
		{kube.Target{Resource: kube.Secrets, Namespace: ns, Name: s.Name("reg")}, func(o metav1.Object) any { return projector.Secret(o) }},
		{kube.Target{Resource: kube.ConfigMaps, Namespace: api.Home, Name: "pullsecrets-policy"}, func(o metav1.Object) any { return cluster.NewConfigMap(o) }},
	} {
		compare := func() error {
			var listed, watched any
			harness.Must(t, c.target.Each(s.Ctx, client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
				listed = c.project(u)
				return nil
			}))
			seconds := int64(20)
			stream, err := c.target.In(client).Watch(s.Ctx, metav1.ListOptions{FieldSelector: c.target.Selector().String(), TimeoutSeconds: &seconds})
			harness.Must(t, err)
			defer stream.Stop()
			select {
			case e := <-stream.ResultChan():
				o, ok := e.Object.(metav1.Object)
				if _, untyped := o.(*unstructured.Unstructured); !ok || untyped || e.Type != apiwatch.Added {
					return fmt.Errorf("%s: the watch shows a %T, %s", c.target, e.Object, e.Type)
				}
				watched = c.project(o)
			case <-time.After(20 * time.Second):
				return fmt.Errorf("%s: the watch shows nothing", c.target)
			}
			if diff := cmp.Diff(listed, watched, cmp.AllowUnexported(cluster.Content{}, cluster.Field{})); listed == nil || diff != "" {
				return fmt.Errorf("%s: %s", c.target, diff)
			}
			return nil
		}
		s.Eventually("both show the same version", compare)
		mu.Lock()
		if got := types[c.target.Resource.Resource]; !strings.HasPrefix(got, "application/vnd.kubernetes.protobuf") {
			t.Errorf("%s: the watch is in %q", c.target, got)
		}
		mu.Unlock()
	}
}
