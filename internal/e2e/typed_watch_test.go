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

// A watch and a list in protobuf show the same of every object as a list in JSON: what the controller itself wrote, with its
// managedFields.
func TestProtobufShowsWhatAListInJSONShows(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("team")
	s.Start()
	s.Policy(harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", s.Name("reg"))

	var mu sync.Mutex
	types := map[string][]string{} // of answers to watches and to lists of types, by resource
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err == nil && strings.Contains(r.Header.Get("Accept"), "protobuf") {
				mu.Lock()
				defer mu.Unlock()
				resource := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
				types[resource] = append(types[resource], answer.Header.Get("Content-Type"))
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
			var listed, typed, watched any
			harness.Must(t, c.target.Each(s.Ctx, client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
				listed = c.project(u)
				return nil
			}))
			harness.Must(t, c.target.EachTyped(s.Ctx, client, func(o metav1.Object) error {
				if _, untyped := o.(*unstructured.Unstructured); untyped {
					return fmt.Errorf("%s: the list has a %T", c.target, o)
				}
				typed = c.project(o)
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
			for _, other := range []any{typed, watched} {
				if diff := cmp.Diff(listed, other, cmp.AllowUnexported(cluster.Content{}, cluster.Field{})); listed == nil || diff != "" {
					return fmt.Errorf("%s: %s", c.target, diff)
				}
			}
			return nil
		}
		s.Eventually("both show the same version", compare)
		mu.Lock()
		answers := types[c.target.Resource.Resource]
		for _, got := range answers {
			if !strings.HasPrefix(got, "application/vnd.kubernetes.protobuf") {
				t.Errorf("%s: an answer is in %q", c.target, got)
			}
		}
		if len(answers) < 2 {
			t.Errorf("%s: protobuf was asked for %d times", c.target, len(answers))
		}
		mu.Unlock()
	}
}
