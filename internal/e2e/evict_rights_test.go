package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestAllThatTheTokenOfEvictMayDo asks the API server for every rule that applies to the token of evict. That it is enough, all
// other tests of evict hold, which run with it.
func TestAllThatTheTokenOfEvictMayDo(t *testing.T) {
	s := newSandbox(t)
	s.GrantEvict()
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.TokenOf(harness.EvictAccount))(config)
	client, err := dynamic.NewForConfig(config)
	harness.Must(t, err)
	everywhere := append(s.everyAccountMay(),
		"list,watch pods []",
		"list,watch namespaces []",
		"list,watch serviceaccounts []",
		"create pods/eviction []",
		"create events []",
	)
	for ns, want := range map[string][]string{
		api.Home: append(slices.Clone(everywhere), "list,watch configmaps [pullsecrets-status]"), "kube-system": everywhere,
	} {
		slices.Sort(want)
		if diff := cmp.Diff(want, rulesOf(t, client, ns)); diff != "" {
			t.Errorf("in %s (-want +got):\n%s", ns, diff)
		}
	}
}

// TestTheTokensDoNotDoEachOthersWork tries what is worth stealing: secrets with that of evict, evictions with the controller's.
func TestTheTokensDoNotDoEachOthersWork(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.OwnedPod(ns, "web", s.ReplicaSet(ns, "web"))
	controller, admin := s.thief(harness.OneRule)
	s.GrantEvict()
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.TokenOf(harness.EvictAccount))(config)
	evictor := newThief(t, config)
	evictPod := attempt{why: "evict a pod", method: http.MethodPost, path: "/api/v1/namespaces/" + ns + "/pods/web/eviction",
		body: api.Object("policy/v1", "Eviction", ns, "web").Object}
	attempts := []attempt{
		{why: "read a source", method: http.MethodGet, path: "/api/v1/namespaces/" + api.Home + "/secrets/hub"},
		{why: "read the policy ConfigMap", method: http.MethodGet, path: "/api/v1/namespaces/" + api.Home + "/configmaps/pullsecrets-policy"},
		{why: "change the status", method: http.MethodPatch, path: "/api/v1/namespaces/" + api.Home + "/configmaps/pullsecrets-status", body: map[string]any{}},
		{why: "change an account", method: http.MethodPatch, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default", body: map[string]any{}},
		{why: "delete a pod", method: http.MethodDelete, path: "/api/v1/namespaces/" + ns + "/pods/web"},
		{why: "change a pod", method: http.MethodPatch, path: "/api/v1/namespaces/" + ns + "/pods/web", body: map[string]any{}},
	}
	for _, a := range attempts {
		if code, message := evictor.try(a); code != http.StatusForbidden {
			t.Errorf("the token of evict can %s: %d %s", a.why, code, message)
		}
	}
	for who, want := range map[string]struct {
		thief
		code int
	}{"the controller": {controller, http.StatusForbidden}, "evict": {evictor, http.StatusCreated}, "an administrator": {admin, http.StatusCreated}} {
		if code, message := want.try(evictPod); code != want.code {
			t.Errorf("%s tries to %s: %d %s, want %d", who, evictPod.why, code, message, want.code)
		}
	}
}
