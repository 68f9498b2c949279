package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestWhoAppliesAListOfTheirOwnFightsNobody applies an account whose list lacks ours, again and again.
func TestWhoAppliesAListOfTheirOwnFightsNobody(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "one"))
	s.Admission = true
	r := s.Start()
	s.Revised("Ready", harness.TwoRules)
	s.WantRules("hub: reg", "more: reg ghcr")
	for i, way := range []string{"kubectl apply --server-side", "kubectl apply"} {
		t.Run(way, func(t *testing.T) {
			ns := s.Namespace(fmt.Sprintf("w-%d", i))
			for _, account := range []string{"ci", "default"} { // new, and born before
				s.wantAppliedTwice(t, way, ns, account)
			}
		})
	}
	if lines := r.Reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
}

func (s *sandbox) wantAppliedTwice(t *testing.T, way, ns, account string) {
	t.Helper()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %s, namespace: %s}\nimagePullSecrets: [{name: theirs}, {name: more}]\n", account, ns)
	var first *unstructured.Unstructured
	for i := range 6 {
		if err := harness.Appliers[way](s.Sandbox, ns, manifest); err != nil {
			t.Fatal(err)
		}
		u := s.Get(api.Accounts, ns, account)
		if first == nil {
			first = u
			continue
		}
		if u.GetResourceVersion() != first.GetResourceVersion() {
			t.Fatalf("%s, apply %d changed the account: %v %v became %v %v", account, i+1, first.Object["imagePullSecrets"],
				first.GetAnnotations(), u.Object["imagePullSecrets"], u.GetAnnotations())
		}
	}
	want := []string{"more", "theirs", s.Name("reg")}
	if account == "default" {
		want = append(want, s.Name("ghcr"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(cluster.NewServiceAccount(first).PullSecrets))); diff != "" {
		t.Errorf("%s: the list (-want +got): %s", account, diff)
	}
	if way == "kubectl apply --server-side" {
		if out, err := s.Kubectl(manifest, "diff", "--server-side", "-f", "-"); err != nil || out != "" {
			t.Errorf("kubectl diff --server-side shows (%v):\n%s", err, out)
		}
	}
}

// goesOn does something again and again until it is asked how that went.
func (s *sandbox) goesOn(do func() error) func() error {
	stop, result := make(chan struct{}), make(chan error, 1)
	end := sync.OnceFunc(func() { close(stop) })
	s.T.Cleanup(end)
	go func() {
		var first error
		for {
			if err := do(); first == nil {
				first = err
			}
			select {
			case <-stop:
				result <- first
				return
			default:
			}
		}
	}()
	return func() error {
		end()
		return <-result
	}
}

// TestAPolicyEditLeavesTheListToItsOwner changes the names on accounts whose owner applies a list of its own without
// force. Under admission it need not be ours for our names to stay in it.
func TestAPolicyEditLeavesTheListToItsOwner(t *testing.T) {
	for way, apply := range harness.Appliers {
		t.Run(way, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			s.Source("ghcr", api.Credential("ghcr.example", "one"))
			ns := s.Namespace("a")
			s.Start()
			const all = "  serviceAccounts: {include: [app]}\n"
			both := "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]\n  namespaces: {include: [\"PREFIX*\"]}\n"
			s.Revised("Ready", harness.OneRule+all)
			s.WantRules("hub: reg")
			// The list is all that it applies: without it nobody owns anything of the account.
			manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
			harness.Must(t, apply(s.Sandbox, ns, manifest))
			s.WantList(ns, "app", "theirs", "+reg")
			for _, edit := range []struct {
				rules string
				want  []string
			}{{both, []string{"theirs", "+reg", "+ghcr"}}, {harness.OneRule, []string{"theirs", "+reg"}}, {both, []string{"theirs", "+reg", "+ghcr"}}} {
				meanwhile := func() error { return nil }
				if edit.rules == both { // between the two writes of a removal the list is ours
					meanwhile = s.goesOn(func() error { return apply(s.Sandbox, ns, manifest) })
				}
				s.Revised("Ready", edit.rules+all)
				s.WantList(ns, "app", edit.want...)
				if err := meanwhile(); err != nil {
					t.Errorf("while names were added: %v", err)
				}
				s.Seen()
				s.Eventually("a further apply changes nothing", func() error { // the controller may be about to note what the owner did
					if err := apply(s.Sandbox, ns, manifest); err != nil { // we may be between the two writes of a removal
						return err
					}
					before := s.Get(api.Accounts, ns, "app")
					harness.Must(t, apply(s.Sandbox, ns, manifest))
					if after := s.Get(api.Accounts, ns, "app"); after.GetResourceVersion() != before.GetResourceVersion() {
						return fmt.Errorf("it became %v", after.Object)
					}
					return nil
				})
				s.WantList(ns, "app", edit.want...)
			}
			s.Revised("Ready", harness.NoRules)
			s.WantList(ns, "app", "theirs")
			harness.Must(t, apply(s.Sandbox, ns, manifest))
		})
	}
}

// TestAdmissionClaimsNoLedgerOfAnEarlierVersion writes accounts whose ledger names no installation: one with names of
// this one alone, one that has another's too.
func TestAdmissionClaimsNoLedgerOfAnEarlierVersion(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", "\n- name: hub\n  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: hub}, name: PREFIXtwo}]\n  namespaces: {include: [\"PREFIX*\"]}\n  serviceAccounts: {include: [\"app-*\"]}\n")
	s.Seen()
	r.Stop()
	for name, c := range map[string]struct{ ledger, want string }{
		"app-ours":   {s.Name("reg"), s.Ledger(ns, "reg", "two")},
		"app-others": {s.Name("reg") + "," + s.Name("theirs"), s.Name("reg") + "," + s.Name("theirs") + "," + s.Name("two")},
	} {
		account := api.Object("v1", "ServiceAccount", ns, name)
		account.SetAnnotations(map[string]string{"pullsecrets/added": c.ledger})
		account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.Name("reg")}, map[string]any{"name": s.Name("theirs")}}
		got := s.Create(api.Accounts, account).GetAnnotations()["pullsecrets/added"]
		if got != c.want {
			t.Errorf("%s: the ledger is %q, want %q", name, got, c.want)
		}
	}
}

// TestWhileASourceIsMissingNobodyFightsOverItsName has a tool go on applying lists of its own where the copy is.
func TestWhileASourceIsMissingNobodyFightsOverItsName(t *testing.T) {
	for _, prune := range []bool{true, false} {
		t.Run(fmt.Sprintf("prune %t", prune), func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			r := s.Start()
			s.Revised("Ready", harness.OneRule+fmt.Sprintf("  prune: %t\n", prune))
			s.WantRules("hub: reg")
			manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
			apply := func() string {
				harness.Must(t, harness.Appliers["kubectl apply"](s.Sandbox, ns, manifest))
				return s.Get(api.Accounts, ns, "default").GetResourceVersion()
			}
			apply()
			s.WantList(ns, "default", "theirs", "+reg")

			s.Delete(api.Secrets, api.Home, "hub")
			s.WantStatus("Degraded")
			s.Seen()
			before := apply()
			s.WantList(ns, "default", "theirs", "+reg")
			for range 3 {
				if after := apply(); after != before {
					t.Errorf("the account was written: %v", s.Get(api.Accounts, ns, "default").Object)
				}
			}
			s.WantList(s.Namespace("b"), "default") // there is no copy to name
			for range 2 {                           // also under a controller that did not see the source go
				r.Stop()
				r = s.Start()
				s.WantRules("hub:")
				if after := apply(); after != before {
					t.Errorf("the account was written: %v", s.Get(api.Accounts, ns, "default").Object)
				}
			}
			s.Source("hub", api.Credential("hub.example", "two"))
			s.WantRules("hub: reg")
			s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
		})
	}
}
