package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// distribute does by hand what the program should do.
func distribute(t *testing.T, l *Lab, p Policy) {
	t.Helper()
	err := l.each(func(i int, ns string) error {
		for name, rule := range p.in(i) {
			for _, account := range rule.accounts {
				if err := l.editList(ns, account, false, func(list []string) []string { return append(list, name) }); err != nil {
					return err
				}
			}
			u := api.Secret(ns, name, api.Credential(rule.Source+".example.com", l.password[rule.Source]))
			if err := l.create(api.Secrets, u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheOracleSeesWhatIsWrong does to a cluster that is right, by hand, what must not happen, one thing at a time.
func TestTheOracleSeesWhatIsWrong(t *testing.T) {
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make chaos-test")
	}
	t.Setenv("CHAOS_NAMESPACES", "8")
	config, _, err := api.Connect(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	l := New(t, config)
	secrets := l.Client.Resource(api.Secrets).Namespace("chaos-002")
	one, two := api.Credential("hub.example.com", "one"), api.Credential("hub.example.com", "two")
	put := func(name, content string) error {
		return l.create(api.Secrets, api.Secret("chaos-002", name, content))
	}
	remove := func(name string) error { return secrets.Delete(l.ctx, name, metav1.DeleteOptions{}) }
	list := func(change func([]string) []string) error { return l.editList("chaos-002", "default", false, change) }
	for _, tt := range []struct {
		what               string
		do                 func() error
		right, lost, twice string // what is said of it; empty for nothing
	}{
		{what: "nothing", do: func() error { return nil }},
		{what: "a copy gone", do: func() error { return remove("chaos-hub") }, right: "copy chaos-002/chaos-hub: there false"},
		{what: "a copy too many", do: func() error { return l.create(api.Secrets, api.Secret("chaos-007", "chaos-build", one)) },
			right: "copy chaos-007/chaos-build: there true"},
		{what: "a copy of before", do: func() error {
			_, err := secrets.Apply(l.ctx, "chaos-hub", api.Secret("chaos-002", "chaos-hub", two), metav1.ApplyOptions{FieldManager: "x", Force: true})
			return err
		}, right: "copy chaos-002/chaos-hub has another content"},
		{what: "a copy made anew", do: func() error {
			if err := remove("chaos-hub"); err != nil {
				return err
			}
			return put("chaos-hub", one)
		}, twice: "chaos-002/chaos-hub was made 2 times"},
		{what: "a name gone", do: func() error {
			return list(func(all []string) []string { return without(all, []string{"chaos-hub"}) })
		}, right: "service account chaos-002/default has of ours [chaos-team], wanted [chaos-hub chaos-team]"},
		{what: "a name twice", do: func() error {
			return list(func(all []string) []string { return append(all, "chaos-hub") })
		}, right: "service account chaos-002/default has of ours [chaos-hub chaos-hub chaos-team]"},
		{what: "a name too many", do: func() error {
			return list(func(all []string) []string { return append(all, "chaos-build") })
		}, right: "service account chaos-002/default has of ours [chaos-build"},
		{what: "an entry of others gone", do: func() error {
			return list(func(all []string) []string { return all[1:] })
		}, lost: "service account chaos-002/default has of others"},
		{what: "entries of others in another order", do: func() error {
			if err := l.other.entry("chaos-002", "default", l.other.name("theirs")); err != nil {
				return err
			}
			return list(func(all []string) []string { slices.Reverse(all); return all })
		}, lost: "service account chaos-002/default has of others"},
		{what: "a list wiped out", do: func() error {
			_, err := l.Client.Resource(api.Accounts).Namespace("chaos-002").Patch(l.ctx, "default", types.MergePatchType,
				[]byte(`{"imagePullSecrets":null}`), metav1.PatchOptions{})
			return err
		}, right: "service account chaos-002/default has of ours []", lost: "service account chaos-002/default has of others []"},
		{what: "a secret of others gone", do: func() error { return remove("other-0") }, lost: "secret chaos-002/other-0"},
		{what: "a secret of others changed", do: func() error {
			_, err := secrets.Apply(l.ctx, "other-0", api.Secret("chaos-002", "other-0", one), metav1.ApplyOptions{FieldManager: "x", Force: true})
			return err
		}, lost: "secret chaos-002/other-0"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			for _, err := range []error{l.Clear(), l.Apply(Base), l.RotateAll("one"), l.other.restore("chaos-002", "default")} {
				if err != nil {
					t.Fatal(err)
				}
			}
			distribute(t, l, Base)
			if err := l.other.secret("chaos-002", "other-0", two); err != nil {
				t.Fatal(err)
			}
			l.mustBecome(t, l.Right, "")
			l.Mark()
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			l.mustBecome(t, l.RightByList, tt.right)
			l.mustBecome(t, l.Right, tt.right)
			lost, err := l.Lost()
			if err != nil {
				t.Fatal(err)
			}
			wantWords(t, "lost", lost, tt.lost)
			if err := l.CatchUp(); err != nil {
				t.Fatal(err)
			}
			if tt.twice != "" {
				l.mustBecome(t, func() error { return differences(l.Twice()) }, tt.twice)
			}
			wantWords(t, "twice", l.Twice(), tt.twice)
		})
	}
}

func wantWords(t *testing.T, what string, said []string, want string) {
	t.Helper()
	if (len(said) == 0) != (want == "") || want != "" && (len(said) != 1 || !strings.Contains(said[0], want)) {
		t.Errorf("%s: %q, want %q", what, said, want)
	}
}

// mustBecome waits until an error has these words in it, or is none where there are no words.
func (l *Lab) mustBecome(t *testing.T, of func() error, words string) {
	t.Helper()
	err := l.await("it is said", func() error {
		if err := of(); (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			return fmt.Errorf("it says %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("want %q: %v", words, err)
	}
}

// TestOthersLoseNothingToThemselves holds that the writer itself is polite.
func TestOthersLoseNothingToThemselves(t *testing.T) {
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make chaos-test")
	}
	t.Setenv("CHAOS_NAMESPACES", "8")
	config, _, err := api.Connect(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	l := New(t, config)
	for range 200 {
		l.other.work()
	}
	if lost, err := l.Lost(); err != nil || len(lost) > 0 || l.other.Writes != 200 || len(l.other.unsure) > 0 {
		t.Errorf("%v %v, of %d, not sure of %v", err, lost, l.other.Writes, l.other.unsure)
	}
}
