package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// isWrite reports whether a request of the controller writes this resource in this namespace.
func isWrite(r *http.Request, ns, resource, name string) bool {
	return r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, "/namespaces/"+ns+"/"+resource+"/"+name)
}

func TestEntriesOfOthersSurvive(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	// An entry without a name is legal and somebody's; a repeated one too.
	s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs-1"},{},{"name":"theirs-2"},{"name":"theirs-1"}]}`)
	s.start()
	s.policy(oneRule)
	s.wantList(ns, "default", "theirs-1", "", "theirs-2", "theirs-1", "+reg")
	s.merge(accounts, ns, "default", fmt.Sprintf(`{"imagePullSecrets":[{"name":"theirs-1"},{"name":%q},{"name":"theirs-3"}]}`, s.name("reg")))
	s.revised("Ready", noRules)
	s.wantList(ns, "default", "theirs-1", "theirs-3")
	s.wantNoCopy(ns, "reg")
	sa := s.get(accounts, ns, "default")
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
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	var once sync.Once
	r := s.start(before(func(r *http.Request) {
		if isWrite(r, ns, "serviceaccounts", "default") {
			once.Do(func() { s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`) })
		}
	}))
	s.policy(oneRule)
	s.wantList(ns, "default", "theirs", "+reg")
	if bad := r.reported(); len(bad) > 0 {
		t.Errorf("an ordinary race was reported:\n%s", strings.Join(bad, "\n"))
	}
}

func TestAnAccountThatIsRecreatedInBetweenIsServedAndOneThatIsDeletedStaysAway(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.account(ns, "again")
	s.account(ns, "gone")
	var once, other sync.Once
	r := s.start(before(func(r *http.Request) {
		if isWrite(r, ns, "serviceaccounts", "again") {
			once.Do(func() {
				s.delete(accounts, ns, "again")
				s.account(ns, "again", "second=yes")
			})
		}
		if isWrite(r, ns, "serviceaccounts", "gone") {
			other.Do(func() { s.delete(accounts, ns, "gone") })
		}
	}))
	s.revised("Ready", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: ["*"]}
`)
	s.wantList(ns, "again", "+reg")
	if s.get(accounts, ns, "again").GetLabels()["second"] != "yes" {
		t.Error("the second account was replaced")
	}
	if _, err := s.listOf(ns, "gone"); !apierrors.IsNotFound(err) {
		t.Errorf("a deleted account was brought back: %v", err)
	}
	if bad := r.reported(); len(bad) > 0 {
		t.Errorf("an ordinary race was reported:\n%s", strings.Join(bad, "\n"))
	}
}

func TestANamespaceThatDiesInTheMiddleIsLeftQuietly(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	dying, living := s.namespace("dying"), s.namespace("living")
	var once sync.Once
	var tries atomic.Int32
	r := s.start(before(func(r *http.Request) {
		if isWrite(r, dying, "serviceaccounts", "default") {
			tries.Add(1)
			once.Do(func() { must(t, s.client.Resource(namespaces).Delete(s.ctx, dying, metav1.DeleteOptions{})) })
		}
	}))
	s.policy(oneRule)
	s.wantList(living, "default", "+reg")
	s.eventually("the namespace is gone", func() error {
		_, err := s.client.Resource(namespaces).Get(s.ctx, dying, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
	s.wantStatus("Ready")
	if bad := r.reported(); len(bad) > 0 {
		t.Errorf("it was reported:\n%s", strings.Join(bad, "\n"))
	}
	if n := tries.Load(); n > 3 {
		t.Errorf("its service account was written %d times", n)
	}
}

// TestTwoWritersBothKeepTheirEntries has somebody else edit the same lists and the same copies a few thousand times,
// carefully, while rules come and go.
func TestTwoWritersBothKeepTheirEntries(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "two"))
	var all []string
	for i := range 4 {
		all = append(all, s.namespace(fmt.Sprintf("n%d", i)))
	}
	s.start()
	s.policy(oneRule)
	const rounds = 300
	var writers sync.WaitGroup
	for _, ns := range all {
		s.wantCopy(ns, "reg", credential("hub.example", "one"))
		writers.Go(func() {
			for i := range rounds {
				s.toggle(ns, "theirs-last", "theirs-even", i%2 == 0)
			}
		})
		writers.Go(func() {
			for i := range rounds {
				_, err := s.client.Resource(secrets).Namespace(ns).Patch(s.ctx, s.name("reg"), types.MergePatchType,
					fmt.Appendf(nil, `{"metadata":{"labels":{"theirs":"%d"}},"data":{"theirs-%d":"eA=="}}`, i, i%5), metav1.PatchOptions{FieldManager: "careful"})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	two := oneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	for i := range 10 {
		s.source("hub", credential("hub.example", fmt.Sprint(i)))
		s.revised("Ready", []string{two, oneRule}[i%2])
	}
	writers.Wait()
	s.revised("Ready", two)
	for _, ns := range all {
		s.eventually("both parties' entries are there", func() error {
			got, err := s.listOf(ns, "default")
			slices.Sort(got)
			want := []string{s.name("ghcr"), s.name("reg"), "theirs-last"}
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("got %v, want %v, %v", got, want, err)
			}
			return nil
		})
		copied := s.wantCopy(ns, "reg", credential("hub.example", "9"))
		data, _, _ := unstructured.NestedMap(copied.Object, "data")
		if len(data) != 6 || copied.GetLabels()["theirs"] != fmt.Sprint(rounds-1) {
			t.Errorf("%s: what the other writer put into our copy was lost: %d keys, %v", ns, len(data), copied.GetLabels())
		}
	}
}

// toggle makes sure that the list has keep, and has or lacks flip, with a resourceVersion, as a careful writer would.
func (s *sandbox) toggle(ns, keep, flip string, present bool) {
	for {
		u, err := s.client.Resource(accounts).Namespace(ns).Get(context.Background(), "default", metav1.GetOptions{})
		if err != nil {
			s.t.Error(err)
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
		_, err = s.client.Resource(accounts).Namespace(ns).Update(context.Background(), u, metav1.UpdateOptions{FieldManager: "careful"})
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) {
			s.t.Error(err)
			return
		}
	}
}

func TestThreeRulesForOneAccountAreOneWrite(t *testing.T) {
	s := newSandbox(t)
	for _, name := range []string{"one", "two", "three"} {
		s.source(name, credential(name+".example", name))
	}
	ns := s.namespace("a")
	var writes atomic.Int32
	s.start(before(func(r *http.Request) {
		if isWrite(r, ns, "serviceaccounts", "default") {
			writes.Add(1)
		}
	}))
	rules := ""
	for _, name := range []string{"one", "two", "three"} {
		rules += fmt.Sprintf("\n- {name: %s, secrets: [{source: {name: %s}, name: PREFIX%s}], namespaces: {include: ['PREFIX*']}}", name, name, name)
	}
	s.revised("Ready", rules)
	s.wantList(ns, "default", "+one", "+two", "+three")
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes of the service account, want 1", n)
	}
}

func TestAnAPIServerThatGoesAwayIsWaitedFor(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	var away atomic.Bool
	r := s.start(func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if away.Load() {
					return nil, &netError{}
				}
				resp, err := next.RoundTrip(r)
				if err == nil && r.URL.Query().Get("watch") != "" {
					resp.Body = &cutBody{ReadCloser: resp.Body, cut: &away}
				}
				return resp, err
			})
		})
	})
	s.revised("Ready", oneRule)
	away.Store(true)
	s.source("hub", credential("hub.example", "two"))
	other := s.namespace("b")
	s.eventually("it is said", func() error {
		if len(r.lines("the API server cannot be reached")) == 0 {
			return errors.New("nothing in the log")
		}
		return nil
	})
	away.Store(false)
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantList(other, "default", "+reg")
	if n := len(r.lines("the API server cannot be reached")); n > 3 {
		t.Errorf("it was said %d times", n)
	}
}

type netError struct{}

func (*netError) Error() string   { return "connection refused" }
func (*netError) Timeout() bool   { return false }
func (*netError) Temporary() bool { return true }

// cutBody is a watch whose connection breaks when cut is set; the next event from the API server notices.
type cutBody struct {
	io.ReadCloser
	cut *atomic.Bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.cut.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestAnOwnerThatAppliesTheAccountWithoutAListKeepsOurs has the account's owner apply it without a list, as most charts do.
func TestAnOwnerThatAppliesTheAccountWithoutAListKeepsOurs(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule)
	for range 3 {
		_, err := s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "default", types.ApplyPatchType,
			[]byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","labels":{"app":"x"}}}`),
			metav1.PatchOptions{FieldManager: "helm"})
		must(t, err)
		s.wantList(ns, "default", "+reg")
	}
}

// TestTwoControllersAtOnceComeToRest covers an overlap, as when a new version starts before the old one has ended.
func TestTwoControllersAtOnceComeToRest(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	var all []string
	for i := range 8 {
		all = append(all, s.namespace(fmt.Sprintf("n%d", i)))
	}
	one, two := s.start(), s.start()
	s.revised("Ready", oneRule)
	s.source("hub", credential("hub.example", "two"))
	for _, ns := range all {
		s.wantCopy(ns, "reg", credential("hub.example", "two"))
		s.wantList(ns, "default", "+reg")
	}
	settled := s.get(accounts, all[0], "default").GetResourceVersion()
	s.revised("Ready", oneRule+"  force: true\n") // both pass over everything again
	if now := s.get(accounts, all[0], "default").GetResourceVersion(); now != settled {
		t.Error("they go on writing the same account")
	}
	for _, r := range []*running{one, two} {
		if bad := r.reported(); len(bad) > 0 {
			t.Errorf("one of them has a problem with the other:\n%s", strings.Join(bad, "\n"))
		}
	}
	s.revised("Ready", noRules)
	for _, ns := range all {
		s.wantList(ns, "default")
		s.wantNoCopy(ns, "reg")
	}
}

// A reflector retries a refused connection without a word, and sleeps between two tries whatever happens; stopping does
// not wait for that.
func TestAnAPIServerThatNeverAnswersIsSaid(t *testing.T) {
	s := newSandbox(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.Close()
	var mu sync.Mutex
	var tries []time.Time
	r := s.start(func(config *rest.Config) { config.Host = "https://" + closed.Addr().String() }, before(func(r *http.Request) {
		if r.URL.Path == "/api/v1/namespaces" {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Now())
		}
	}))
	s.eventually("it is said", func() error {
		if len(r.lines("the API server cannot be reached")) == 0 {
			return errors.New("nothing in the log")
		}
		return nil
	})
	var last time.Time
	s.eventually("the pause is a long one", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(tries) < 4 {
			return fmt.Errorf("%d tries", len(tries))
		}
		last = tries[len(tries)-1]
		return nil
	})
	r.stop()
	const pause = 8 * 800 * time.Millisecond // at least, after the fourth try: client-go begins with 0.8 s and doubles it
	if took := time.Since(last); took >= pause {
		t.Errorf("it ended %s after the last try: it waited for the pause", took)
	}
	if n := len(r.lines("the API server cannot be reached")); n > 3 {
		t.Errorf("it is said %d times", n)
	}
}
