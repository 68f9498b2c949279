package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// TestEachSelectsByBoth the target and the options: what is not selected is read in vain.
func TestEachSelectsByBoth(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("fieldSelector")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	}))
	defer server.Close()
	client := dynamic.NewForConfigOrDie(&rest.Config{Host: server.URL})
	for _, c := range []struct {
		target         Target
		selector, want string
	}{
		{Target{Resource: Events, Namespace: "a"}, "involvedObject.name=web", "involvedObject.name=web"},
		{Target{Resource: Secrets, Name: "reg"}, "", "metadata.name=reg"},
		{Target{Resource: Secrets, Type: "t"}, "metadata.name=reg", "metadata.name=reg,type=t"},
		{Target{Resource: Pods}, "", ""},
	} {
		err := c.target.Each(t.Context(), client, metav1.ListOptions{FieldSelector: c.selector}, func(*unstructured.Unstructured) error { return nil })
		if err != nil || asked != c.want {
			t.Errorf("%s: asked for %q (%v), want %q", c.target, asked, err, c.want)
		}
	}
}
