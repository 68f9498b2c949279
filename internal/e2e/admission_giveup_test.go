package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const (
	forApp = "  serviceAccounts: {include: [app]}\n"
	twoReg = "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]\n  namespaces: {include: [\"PREFIX*\"]}\n"
)

// failing has the controller's requests fail that a test chooses, as if the API server were away.
func failing(fails func(*http.Request) bool) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if fails(r) {
					return nil, &netError{}
				}
				return next.RoundTrip(r)
			})
		})
	}
}

// appliedByKubectl is a service account whose owner applies a list of its own, without force.
func (s *sandbox) appliedByKubectl(ns string) (apply func() error) {
	s.t.Helper()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
	apply = func() error { return appliers["kubectl apply --server-side"](s, ns, manifest) }
	must(s.t, apply())
	return apply
}

// TestAListIsGivenUpHoweverTheRemovalEnded has the second request of a removal fail, the one that gives the list up.
func TestAListIsGivenUpHoweverTheRemovalEnded(t *testing.T) {
	for _, end := range []string{"the process ends", "the API server comes back"} {
		t.Run(end, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			s.source("ghcr", credential("ghcr.example", "one"))
			ns := s.namespace("a")
			apply := s.appliedByKubectl(ns)
			var away atomic.Bool
			var tries atomic.Int32
			r := s.start(failing(func(r *http.Request) bool {
				if !away.Load() || !isWrite(r, ns, "serviceaccounts", "app") || r.Header.Get("Content-Type") != string(types.JSONPatchType) {
					return false
				}
				tries.Add(1)
				return true
			}))
			s.revised("Ready", twoReg+forApp)
			s.wantList(ns, "app", "theirs", "+reg", "+ghcr")
			away.Store(true)
			s.policy(oneRule + forApp)
			s.wantList(ns, "app", "theirs", "+reg")
			s.eventually("the second request was tried", func() error {
				if tries.Load() == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			if err := apply(); err == nil {
				t.Error("the list is not ours: the test tests nothing")
			}
			if end == "the process ends" {
				r.stop()
				r = s.start()
			}
			away.Store(false)
			s.wantGivenUpTo(ns, apply, "+reg")
			s.wantStatus("Ready")
			s.wantNoCopy(ns, "ghcr")
			if n := len(r.lines("list given back", "NamesPromised")); n != 1 {
				t.Errorf("it was given up %d times", n)
			}
			r.stop()
			s.wantNoRequestsForAccounts(oneRule + forApp)
		})
	}
}

// wantNoRequestsForAccounts has a controller start on a cluster where there is nothing to do.
func (s *sandbox) wantNoRequestsForAccounts(rules string) {
	s.t.Helper()
	var requests atomic.Int32
	r := s.start(before(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/serviceaccounts/") {
			requests.Add(1)
		}
	}))
	s.revised("Ready", rules) // every namespace was tried
	r.stop()
	if n := requests.Load(); n > 0 {
		s.t.Errorf("where there is nothing to do, a start makes %d requests for service accounts", n)
	}
}

// TestAListIsGivenUpOnceItsNamesArePromised has the parameters come late, after names were written.
func TestAListIsGivenUpOnceItsNamesArePromised(t *testing.T) {
	for _, prune := range []string{"true", "false"} {
		t.Run("prune: "+prune, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns, alone := s.namespace("a"), s.namespace("b")
			s.account(alone, "app")
			apply := s.appliedByKubectl(ns)
			var late atomic.Bool
			late.Store(true)
			r := s.start(failing(func(r *http.Request) bool {
				return late.Load() && r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/admissionrules/")
			}))
			s.revised("Degraded", oneRule+forApp+"  prune: "+prune+"\n")
			s.wantList(ns, "app", "theirs", "+reg")
			s.wantList(alone, "app", "+reg")
			if err := apply(); err == nil {
				t.Error("the list is not ours: the test tests nothing")
			}
			before := s.get(accounts, alone, "app").GetResourceVersion()
			late.Store(false)
			if prune == "true" {
				s.wantGivenUpTo(ns, apply, "+reg")
			} else {
				s.wantGivenUpTo(ns, apply)
			}
			s.wantStatus("Ready")
			if after := s.get(accounts, alone, "app").GetResourceVersion(); after != before {
				t.Error("a list of our names alone was written again")
			}
			if n := len(r.lines("list given back", "NamesPromised")); n != 1 {
				t.Errorf("lists were given up %d times", n)
			}
		})
	}
}

// wantGivenUpTo waits until an account's list is not ours, though our names are in it, and noted. Its owner can apply it
// without force then, and that changes nothing.
func (s *sandbox) wantGivenUpTo(ns string, apply func() error, ledger ...string) {
	s.t.Helper()
	s.eventually("the list of "+ns+"/app is given up", func() error {
		if sa := cluster.NewServiceAccount(s.get(accounts, ns, "app")); sa.Applied {
			return fmt.Errorf("it is ours, and of %v", sa.Owners)
		}
		return nil
	})
	must(s.t, apply())
	before := s.get(accounts, ns, "app")
	var want []string
	for _, name := range ledger {
		want = append(want, s.name(strings.TrimPrefix(name, "+")))
	}
	if diff := cmp.Diff(want, cluster.Installation{Home: home}.NotedOn(cluster.NewServiceAccount(before))); diff != "" {
		s.t.Errorf("the ledger (-want +got): %s", diff)
	}
	s.wantList(ns, "app", "theirs", "+reg")
	must(s.t, apply())
	if after := s.get(accounts, ns, "app"); after.GetResourceVersion() != before.GetResourceVersion() {
		s.t.Errorf("a further apply changes it: %v", after.Object)
	}
}
