package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestEntriesOfOthersSurvive(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	// An entry without a name is legal and somebody's; a repeated one too.
	s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs-1"},{},{"name":"theirs-2"},{"name":"theirs-1"}]}`)
	s.Start()
	s.Policy(harness.OneRule)
	s.WantList(ns, "default", "theirs-1", "", "theirs-2", "theirs-1", "+reg")
	s.Merge(api.Accounts, ns, "default", fmt.Sprintf(`{"imagePullSecrets":[{"name":"theirs-1"},{"name":%q},{"name":"theirs-3"}]}`, s.Name("reg")))
	s.Revised("Ready", harness.NoRules)
	s.WantList(ns, "default", "theirs-1", "theirs-3")
	s.WantNoCopy(ns, "reg")
	sa := s.Get(api.Accounts, ns, "default")
	if _, left := sa.GetAnnotations()["pullsecrets/added"]; left {
		t.Errorf("the ledger was left behind: %v", sa.GetAnnotations())
	}
	for _, e := range sa.GetManagedFields() {
		// What keeps the account from counting as never applied owns a field that nobody has.
		if e.Manager == "pullsecrets" && e.FieldsV1.GetRawString() != `{"f:metadata":{"f:annotations":{"f:pullsecrets/released":{}}}}` {
			t.Errorf("we still own something of the account: %s", e.FieldsV1)
		}
	}
}

func TestAnEditBetweenOurReadAndOurWriteSurvives(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var once sync.Once
	r := s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, ns, "serviceaccounts", "default") {
			once.Do(func() { s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`) })
		}
	}))
	s.Policy(harness.OneRule)
	s.WantList(ns, "default", "theirs", "+reg")
	if bad := r.Reported(); len(bad) > 0 {
		t.Errorf("an ordinary race was reported:\n%s", strings.Join(bad, "\n"))
	}
}

func TestAnAccountThatIsRecreatedInBetweenIsServedAndOneThatIsDeletedStaysAway(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Account(ns, "again")
	s.Account(ns, "gone")
	var once, other sync.Once
	r := s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, ns, "serviceaccounts", "again") {
			once.Do(func() {
				s.Delete(api.Accounts, ns, "again")
				s.Account(ns, "again", "second=yes")
			})
		}
		if harness.IsWrite(r, ns, "serviceaccounts", "gone") {
			other.Do(func() { s.Delete(api.Accounts, ns, "gone") })
		}
	}))
	s.Revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: ["*"]}
`)
	s.WantList(ns, "again", "+reg")
	if s.Get(api.Accounts, ns, "again").GetLabels()["second"] != "yes" {
		t.Error("the second account was replaced")
	}
	if _, err := s.ListOf(ns, "gone"); !apierrors.IsNotFound(err) {
		t.Errorf("a deleted account was brought back: %v", err)
	}
	if bad := r.Reported(); len(bad) > 0 {
		t.Errorf("an ordinary race was reported:\n%s", strings.Join(bad, "\n"))
	}
}

// TestTwoWritersBothKeepTheirEntries has somebody else edit the same lists and the same copies a few thousand times,
// carefully, while rules come and go.
func TestTwoWritersBothKeepTheirEntries(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "two"))
	var all []string
	for i := range 4 {
		all = append(all, s.Namespace(fmt.Sprintf("n%d", i)))
	}
	s.Start()
	s.Policy(harness.OneRule)
	const rounds = 300
	var writers sync.WaitGroup
	for _, ns := range all {
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
		writers.Go(func() {
			for i := range rounds {
				s.toggle(ns, "theirs-last", "theirs-even", i%2 == 0)
			}
		})
		writers.Go(func() {
			for i := range rounds {
				_, err := s.Client.Resource(api.Secrets).Namespace(ns).Patch(s.Ctx, s.Name("reg"), types.MergePatchType,
					fmt.Appendf(nil, `{"metadata":{"labels":{"theirs":"%d"}},"data":{"theirs-%d":"eA=="}}`, i, i%5), metav1.PatchOptions{FieldManager: "careful"})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	two := harness.OneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	for i := range 10 {
		s.Source("hub", api.Credential("hub.example", fmt.Sprint(i)))
		s.Revised("Ready", []string{two, harness.OneRule}[i%2])
	}
	writers.Wait()
	s.Revised("Ready", two)
	for _, ns := range all {
		s.Eventually("both parties' entries are there", func() error {
			got, err := s.ListOf(ns, "default")
			slices.Sort(got)
			want := []string{s.Name("ghcr"), s.Name("reg"), "theirs-last"}
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("got %v, want %v, %v", got, want, err)
			}
			return nil
		})
		copied := s.WantCopy(ns, "reg", api.Credential("hub.example", "9"))
		data, _, _ := unstructured.NestedMap(copied.Object, "data")
		if len(data) != 6 || copied.GetLabels()["theirs"] != fmt.Sprint(rounds-1) {
			t.Errorf("%s: what the other writer put into our copy was lost: %d keys, %v", ns, len(data), copied.GetLabels())
		}
	}
}

// toggle makes sure that the list has keep, and has or lacks flip, with a resourceVersion, as a careful writer would.
func (s *sandbox) toggle(ns, keep, flip string, present bool) {
	for {
		u, err := s.Client.Resource(api.Accounts).Namespace(ns).Get(context.Background(), "default", metav1.GetOptions{})
		if err != nil {
			s.T.Error(err)
			return
		}
		list, _ := u.Object["imagePullSecrets"].([]any)
		next := slices.DeleteFunc(slices.Clone(list), func(e any) bool {
			name := e.(map[string]any)["name"]
			return name == keep || name == flip
		})
		next = append(next, map[string]any{"name": keep})
		if present {
			next = append([]any{map[string]any{"name": flip}}, next...)
		}
		u.Object["imagePullSecrets"] = next
		_, err = s.Client.Resource(api.Accounts).Namespace(ns).Update(context.Background(), u, metav1.UpdateOptions{FieldManager: "careful"})
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) {
			s.T.Error(err)
			return
		}
	}
}

func TestThreeRulesForOneAccountAreOneWrite(t *testing.T) {
	s := newSandbox(t)
	for _, name := range []string{"one", "two", "three"} {
		s.Source(name, api.Credential(name+".example", name))
	}
	ns := s.Namespace("a")
	var writes atomic.Int32
	s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, ns, "serviceaccounts", "default") {
			writes.Add(1)
		}
	}))
	rules := ""
	for _, name := range []string{"one", "two", "three"} {
		rules += fmt.Sprintf("\n- {name: %s, secrets: [{source: {name: %s}, name: PREFIX%s}], namespaces: {include: ['PREFIX*']}}", name, name, name)
	}
	s.Revised("Ready", rules)
	s.WantList(ns, "default", "+one", "+two", "+three")
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes of the service account, want 1", n)
	}
}

// TestAnOwnerThatAppliesTheAccountWithoutAListKeepsOurs has the account's owner apply it without a list, as most charts do.
func TestAnOwnerThatAppliesTheAccountWithoutAListKeepsOurs(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	for range 3 {
		_, err := s.Client.Resource(api.Accounts).Namespace(ns).Patch(s.Ctx, "default", types.ApplyPatchType,
			[]byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","labels":{"app":"x"}}}`),
			metav1.PatchOptions{FieldManager: "helm"})
		harness.Must(t, err)
		s.WantList(ns, "default", "+reg")
	}
}
