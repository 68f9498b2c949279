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

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const twoReg = "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]\n  namespaces: {include: [\"PREFIX*\"]}\n"

// appliedByKubectl is a service account whose owner applies a list of its own, without force.
func (s *sandbox) appliedByKubectl(ns string) (apply func() error) {
	s.T.Helper()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
	apply = func() error { return harness.Appliers["kubectl apply --server-side"](s.Sandbox, ns, manifest) }
	harness.Must(s.T, apply())
	return apply
}

// TestAListIsGivenUpHoweverTheRemovalEnded has the second request of a removal fail, the one that gives the list up.
func TestAListIsGivenUpHoweverTheRemovalEnded(t *testing.T) {
	for _, end := range []string{"the process ends", "the API server comes back"} {
		t.Run(end, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			s.Source("ghcr", api.Credential("ghcr.example", "one"))
			ns := s.Namespace("a")
			apply := s.appliedByKubectl(ns)
			var away atomic.Bool
			var tries atomic.Int32
			r := s.Start(harness.Failing(func(r *http.Request) bool {
				if !away.Load() || !harness.IsWrite(r, ns, "serviceaccounts", "app") || r.Header.Get("Content-Type") != string(types.JSONPatchType) {
					return false
				}
				tries.Add(1)
				return true
			}))
			s.Revised("Ready", twoReg+harness.ForApp)
			s.WantList(ns, "app", "theirs", "+reg", "+ghcr")
			away.Store(true)
			s.Policy(harness.OneRule + harness.ForApp)
			s.WantList(ns, "app", "theirs", "+reg")
			s.Eventually("the second request was tried", func() error {
				if tries.Load() == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			if err := apply(); err == nil {
				t.Error("the list is not ours: the test tests nothing")
			}
			if end == "the process ends" {
				r.Stop()
				r = s.Start()
			}
			away.Store(false)
			s.wantGivenUpTo(ns, apply, "+reg")
			s.WantStatus("Ready")
			s.WantNoCopy(ns, "ghcr")
			if n := len(r.Lines("list given back", "NamesPromised")); n != 1 {
				t.Errorf("it was given up %d times", n)
			}
			r.Stop()
			s.wantNoRequestsForAccounts(harness.OneRule + harness.ForApp)
		})
	}
}

// wantNoRequestsForAccounts has a controller start on a cluster where there is nothing to do.
func (s *sandbox) wantNoRequestsForAccounts(rules string) {
	s.T.Helper()
	var requests atomic.Int32
	r := s.Start(harness.Before(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/serviceaccounts/") {
			requests.Add(1)
		}
	}))
	s.Revised("Ready", rules) // every namespace was tried
	r.Stop()
	if n := requests.Load(); n > 0 {
		s.T.Errorf("where there is nothing to do, a start makes %d requests for service accounts", n)
	}
}

// TestAListIsGivenUpOnceItsNamesArePromised has the parameters come late, after names were written.
func TestAListIsGivenUpOnceItsNamesArePromised(t *testing.T) {
	for _, prune := range []string{"true", "false"} {
		t.Run("prune: "+prune, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns, alone := s.Namespace("a"), s.Namespace("b")
			s.Account(alone, "app")
			apply := s.appliedByKubectl(ns)
			var late atomic.Bool
			late.Store(true)
			r := s.Start(harness.Failing(func(r *http.Request) bool {
				return late.Load() && r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/admissionrules/")
			}))
			s.Revised("Degraded", harness.OneRule+harness.ForApp+"  prune: "+prune+"\n")
			s.WantList(ns, "app", "theirs", "+reg")
			s.WantList(alone, "app", "+reg")
			if err := apply(); err == nil {
				t.Error("the list is not ours: the test tests nothing")
			}
			before := s.Get(api.Accounts, alone, "app").GetResourceVersion()
			late.Store(false)
			if prune == "true" {
				s.wantGivenUpTo(ns, apply, "+reg")
			} else {
				s.wantGivenUpTo(ns, apply)
			}
			s.WantStatus("Ready")
			if after := s.Get(api.Accounts, alone, "app").GetResourceVersion(); after != before {
				t.Error("a list of our names alone was written again")
			}
			if n := len(r.Lines("list given back", "NamesPromised")); n != 1 {
				t.Errorf("lists were given up %d times", n)
			}
		})
	}
}

// wantGivenUpTo waits until an account's list is not ours, though our names are in it, and noted. Its owner can apply it
// without force then, and that changes nothing.
func (s *sandbox) wantGivenUpTo(ns string, apply func() error, ledger ...string) {
	s.T.Helper()
	s.Eventually("the list of "+ns+"/app is given up", func() error {
		if sa := cluster.NewServiceAccount(s.Get(api.Accounts, ns, "app")); sa.Applied {
			return fmt.Errorf("it is ours, and of %v", sa.Owners)
		}
		return nil
	})
	harness.Must(s.T, apply())
	before := s.Get(api.Accounts, ns, "app")
	var want []string
	for _, name := range ledger {
		want = append(want, s.Name(strings.TrimPrefix(name, "+")))
	}
	if diff := cmp.Diff(want, cluster.Installation{Home: api.Home}.NotedOn(cluster.NewServiceAccount(before))); diff != "" {
		s.T.Errorf("the ledger (-want +got): %s", diff)
	}
	s.WantList(ns, "app", "theirs", "+reg")
	harness.Must(s.T, apply())
	if after := s.Get(api.Accounts, ns, "app"); after.GetResourceVersion() != before.GetResourceVersion() {
		s.T.Errorf("a further apply changes it: %v", after.Object)
	}
}

// TestARemovalThatComesBackKeepsTheCopy holds a parameter of somebody else against the policy.
func TestARemovalThatComesBackKeepsTheCopy(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Admission = true
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	stubborn := s.Get(api.AdmissionRules, api.Home, "hub")
	again := api.Object(stubborn.GetAPIVersion(), stubborn.GetKind(), api.Home, "stubborn")
	again.Object["spec"] = stubborn.Object["spec"]
	s.Create(api.AdmissionRules, again)
	s.Seen()

	s.Revised("Degraded", harness.NoRules)
	s.WantStatus("Degraded", "put removed names back")
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	if lines := r.Lines("put removed names back", `"level":"warn"`); len(lines) != 1 {
		t.Errorf("it is said %d times: %v", len(lines), lines)
	}
	s.Delete(api.AdmissionRules, api.Home, "stubborn")
	s.WantNothingOfOurs(ns, "default")
	s.WantNoCopy(ns, "reg")
	s.WantStatus("Ready")
}
