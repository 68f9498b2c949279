package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// TestRunonceWithAPolicyConfigMap holds that it means the same there.
func TestRunonceWithAPolicyConfigMap(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	for _, c := range []struct {
		why    string
		status int
		stderr string
		given  func()
	}{
		{"no policy", 1, "there is no policy ConfigMap pullsecrets/pullsecrets-policy", func() {}},
		{"a policy that is refused", 1, "the policy was refused, and there is no earlier one: policy.yaml", func() { s.PolicyText("rules: {}") }},
		{"a source that is missing", 1, "(SourceMissing)", func() { s.Policy(harness.OneRule) }},
		{"all is well", 0, "", func() { s.Source("hub", api.Credential("hub.example", "one")) }},
		{"a conflict that the policy leaves alone", 0, "", func() {
			s.Create(api.Secrets, api.Secret(s.Namespace("b"), s.Name("reg"), api.Credential("theirs.example", "x")))
		}},
		{"an edit that is refused", 1, "the policy was refused, and an earlier one is in force", func() { s.PolicyText("rules: {}") }},
	} {
		for _, informers := range []string{"true", "false"} {
			if informers == "true" {
				c.given()
			}
			p := s.Once(c.status, "-use-informers="+informers)
			if !strings.Contains(p.Errors.String(), c.stderr) || c.stderr == "" && p.Errors.String() != "" {
				t.Errorf("%s, informers %s: stderr %q, want %q", c.why, informers, p.Errors, c.stderr)
			}
		}
		if c.why == "all is well" {
			s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
			s.WantStatus("Ready")
		}
	}
}

// TestWhatComesAndGoesBetweenTwoListsIsMadeAgain has the copy deleted before the controller even knows that it wrote
// it, so that no list ever shows it.
func TestWhatComesAndGoesBetweenTwoListsIsMadeAgain(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Policy(harness.OneRule)
	var once sync.Once
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/secrets/"+s.Name("reg")) {
				once.Do(func() { s.Delete(api.Secrets, ns, s.Name("reg")) })
			}
			return response, err
		})
	})
	client, err := dynamic.NewForConfig(config)
	harness.Must(t, err)
	c := reconcile.New(reconcile.Config{
		Client: client, Namespace: api.Home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status",
		Workers: 1, MaxPrune: 50, ListOnly: true, LoopEvery: 50 * time.Millisecond, Log: zerolog.Nop(),
	})
	ctx, cancel := context.WithCancel(s.Ctx)
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer running.Wait()
	defer cancel()
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
}

// TestRunonceWithoutAnAPIServer holds that it says so and ends, as a Job has to.
func TestRunonceWithoutAnAPIServer(t *testing.T) {
	s := newSandbox(t)
	config := clientcmdapi.NewConfig()
	config.Clusters["none"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	config.Contexts["none"] = &clientcmdapi.Context{Cluster: "none"}
	config.CurrentContext = "none"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, clientcmd.WriteToFile(*config, path))
	p := s.Program("-runonce", "-kubeconfig", path)
	<-p.Ended
	if p.Status != 1 || !strings.Contains(p.Errors.String(), "the API server did not answer") {
		t.Errorf("exit status %d, stderr: %s", p.Status, p.Errors)
	}
}
