package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// standIn is a registry that takes some passwords.
type standIn struct {
	host string

	mu        sync.Mutex
	passwords map[string]bool
	away      bool
	asked     map[string]int // by password
}

// newStandIn has a registry take these passwords, and the sandbox's controllers ask it.
func (s *sandbox) newStandIn(passwords ...string) *standIn {
	r := &standIn{asked: map[string]int{}}
	r.takes(passwords...)
	server := httptest.NewServer(r)
	s.T.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	checker := registry.New(registry.Options{PlainHTTP: []string{r.host}})
	s.Ask = verify.Registries(func() *registry.Checker { return checker })
	s.Patience = decide.Times{Window: time.Hour, Interval: 1000 * time.Hour, Gap: 100 * time.Millisecond}
	return r
}

// takes has it take these passwords and no others.
func (r *standIn) takes(passwords ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passwords = map[string]bool{}
	for _, password := range passwords {
		r.passwords[password] = true
	}
}

// goes has it answer nobody, or again.
func (r *standIn) goes(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// times is how often it was asked about a password.
func (r *standIn) times(password string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[password]
}

// wantAsked waits until it was asked about a password that often.
func (r *standIn) wantAsked(s *sandbox, password string, times int) {
	s.T.Helper()
	s.Eventually("the registry is asked about "+password, func() error {
		if n := r.times(password); n < times {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
}

func (r *standIn) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, password, given := req.BasicAuth()
	r.mu.Lock()
	defer r.mu.Unlock()
	if given {
		r.asked[password]++
	}
	switch {
	case r.away && given: // or it would not be known about which password it was asked
		w.WriteHeader(http.StatusServiceUnavailable)
	case !r.passwords[password]:
		w.Header().Set("Www-Authenticate", `Basic realm="stand-in"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"incorrect password"}]}`)
	}
}

// credential is one for it.
func (r *standIn) credential(password string) string { return api.Credential(r.host, password) }

// verified is harness.OneRule with verify, beside a rule whose source nobody is asked about.
const verified = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg, verify: true}]
  namespaces: {include: ["PREFIX*"]}
- name: free
  secrets: [{source: {name: free}, name: PREFIXfree}]
  namespaces: {include: ["PREFIX*"]}
`

// unverified is the same without verify.
var unverified = strings.ReplaceAll(verified, ", verify: true", "")

func newVerifySandbox(t *testing.T, passwords ...string) (*sandbox, *standIn) {
	t.Helper()
	s := newSandbox(t)
	r := s.newStandIn(passwords...)
	s.Source("free", api.Credential("free.example", "free"))
	return s, r
}

// newcomer is a new namespace that was worked on: it has the copy whose source nobody is asked about.
func (s *sandbox) newcomer(short string) string {
	s.T.Helper()
	ns := s.Namespace(short)
	s.WantCopy(ns, "free", api.Credential("free.example", "free"))
	return ns
}

// wantUnverified waits until the status says of the source that it is copied without being verified, or does not say it.
func (s *sandbox) wantUnverified(want bool) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("SourceUnverified is said: %t", want), func() error {
		data, _ := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); strings.Contains(text, `"reason": "SourceUnverified"`) != want {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}
