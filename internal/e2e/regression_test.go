package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// around lets a test answer a request of the controller itself, or do something before the answer goes on.
func around(f func(r *http.Request, next http.RoundTripper) (*http.Response, error)) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) { return f(r, next) })
		})
	}
}

func forbidden() *http.Response { return status(http.StatusForbidden, "Forbidden") }

// status is the API server's answer to a request that it refuses.
func status(code int, reason string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"no"}`, reason, code)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": []string{"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

func TestACopyDeletedBeforeTheAnswerToItsCreationIsMadeAgain(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	var once sync.Once
	s.start(around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if r.Method == http.MethodPatch && isWrite(r, ns, "secrets", s.name("reg")) {
			once.Do(func() {
				s.delete(secrets, ns, s.name("reg"))
				time.Sleep(300 * time.Millisecond) // the event of the deletion overtakes the answer
			})
		}
		return resp, err
	}))
	s.policy(oneRule)
	s.wantList(ns, "default", "+reg")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
}

func TestAStatusThatMayNotBeWrittenStopsNothingElse(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start(around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if isWrite(r, home, "configmaps", "pullsecrets-status") {
			return forbidden(), nil
		}
		return next.RoundTrip(r)
	}))
	s.revised("Ready", oneRule)
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantCopy(s.namespace("b"), "reg", credential("hub.example", "two"))
	s.wantStatus("Ready")
}

func TestAStatusThatCannotBeWrittenIsToldOnThePolicy(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.start()
	s.revised("Ready", oneRule)
	s.merge(configMaps, home, "pullsecrets-status", `{"immutable":true}`)
	s.revised("Degraded", oneRule+"  force: true\n")
	s.wantStatus("Degraded", "the status ConfigMap cannot be written")
	s.revised("Invalid", "  {}\n")
	s.delete(configMaps, home, "pullsecrets-status")
	s.revised("Ready", oneRule)
}

func TestAConfirmationIsUsedUp(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	all := s.fourteen()
	label := func(value string) {
		for _, ns := range all {
			s.merge(namespaces, "", ns, fmt.Sprintf(`{"metadata":{"labels":{"pull":%s}}}`, value))
		}
	}
	r := s.start()
	s.revised("Ready", onlyLabelled)
	label("null")
	s.wantStatus("Degraded", "PruneHeld")
	s.confirm()
	s.wantStatus("Ready")
	s.wantAll(all, false)
	label(`"yes"`)
	for _, ns := range all {
		s.wantList(ns, "default", "+reg")
		s.wantCopy(ns, "reg", credential("hub.example", "one"))
	}
	s.eventually("that it was used up is saved", func() error {
		data, _ := s.get(configMaps, home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); !strings.Contains(text, `"confirmed"`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	r.stop()
	s.start()
	s.wantList(s.namespace("proof", "pull=yes"), "default", "+reg") // the new one is at work
	label("null")
	s.wantStatus("Degraded", "PruneHeld")
	s.merge(configMaps, home, "pullsecrets-policy", `{"metadata":{"annotations":{"pullsecrets/confirm-prune":null}}}`)
	s.wantStatus("Degraded", "PruneHeld")
	time.Sleep(200 * time.Millisecond) // the removal has to be seen before the next
	s.confirm()
	s.wantStatus("Ready")
	s.wantAll(all, false)
}

func TestEveryKindOfFightBacksOff(t *testing.T) {
	for _, c := range []struct {
		why, rules string
		undo       func(s *sandbox, ns string)
		resource   string
		name       string
	}{
		{"an operator replaces the account, our ledger with it", oneRule, func(s *sandbox, ns string) {
			u := s.get(accounts, ns, "default")
			u.SetAnnotations(nil)
			u.Object["imagePullSecrets"] = []any{map[string]any{"name": "operator"}}
			_, _ = s.client.Resource(accounts).Namespace(ns).Update(s.ctx, u, metav1.UpdateOptions{FieldManager: "operator"})
		}, "serviceaccounts", "default"},
		{"somebody deletes our copy and makes his own", forced, func(s *sandbox, ns string) {
			_ = s.client.Resource(secrets).Namespace(ns).Delete(s.ctx, s.name("reg"), metav1.DeleteOptions{})
			_, _ = s.client.Resource(secrets).Namespace(ns).Create(s.ctx, secret(ns, s.name("reg"), credential("theirs.example", "x")), metav1.CreateOptions{FieldManager: "operator"})
		}, "secrets", "reg"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			var writes atomic.Int32
			name := c.name
			if c.resource == "secrets" {
				name = s.name(name)
			}
			s.start(counting(&writes, ns, c.resource, name)) // one that comes too late is refused, and changes nothing
			s.revised("Ready", c.rules)
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				c.undo(s, ns)
			}
			if n := writes.Load(); n < 3 || n > 12 { // the first repairs are made at once
				t.Errorf("%d writes in 3 s", n)
			}
			s.wantStatus("Degraded", "Contested")
			for range 20 { // also while the last repair stands
				s.wantStatusNow("Degraded", "Contested")
				c.undo(s, ns)
				time.Sleep(50 * time.Millisecond)
			}
			s.wantStatus("Ready") // once nobody undoes it
		})
	}
}

func TestTwoControllersThatDisagreeDoNotRewriteTheStatusForEver(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.namespace("a")
	var good, blind atomic.Int32
	count := func(writes *atomic.Int32) func(*http.Request) {
		return func(r *http.Request) {
			if isWrite(r, home, "configmaps", "pullsecrets-policy") {
				writes.Add(1)
			}
		}
	}
	s.start(before(count(&good)))
	s.start(before(count(&blind)), around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/namespaces/"+home+"/secrets") {
			return forbidden(), nil
		}
		return next.RoundTrip(r)
	}))
	s.policy(oneRule)
	s.eventually("both insist", func() error {
		if g, b := good.Load(), blind.Load(); g < 2 || b < 2 {
			return fmt.Errorf("%d and %d writes", g, b)
		}
		return nil
	})
	time.Sleep(4 * time.Second) // in which as many as the API server takes would be hundreds
	if n := good.Load() + blind.Load(); n > 20 {
		t.Errorf("%d writes of the annotations in 4 s", n)
	}
}

func TestARecreatedNamespaceIsNoFight(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	r := s.start()
	s.revised("Ready", oneRule)
	for range 5 {
		ns := s.namespace("again")
		s.wantCopy(ns, "reg", credential("hub.example", "one"))
		must(t, s.client.Resource(namespaces).Delete(s.ctx, ns, metav1.DeleteOptions{}))
		s.eventually("it is gone", func() error {
			if left := s.ownNamespaces(); len(left) > 0 {
				return fmt.Errorf("%v", left)
			}
			return nil
		})
	}
	if lines := r.lines("was undone and repaired"); len(lines) > 0 {
		t.Errorf("it counts as a fight: %s", lines[0])
	}
}

func TestNotBeingAllowedToListIsNotReady(t *testing.T) {
	for _, resource := range []string{"namespaces", "serviceaccounts"} {
		t.Run(resource, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			s.namespace("a")
			s.start(around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if r.URL.Path == "/api/v1/"+resource {
					return forbidden(), nil
				}
				return next.RoundTrip(r)
			}))
			s.policy(oneRule)
			s.wantStatus("Degraded", "may not be listed and watched")
		})
	}
}

func TestAnImmutableCopyOfTheSameMeaningIsReplacedWhenItsMarksChange(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.start()
	s.revised("Ready", oneRule)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.merge(secrets, ns, s.name("reg"), `{"immutable":true}`)
	spaced := strings.ReplaceAll(credential("hub.example", "one"), ":{", ": {\n  ")
	s.source("hub", spaced)
	s.revised("Ready", strings.Replace(oneRule, "name: hub\n", "name: renamed\n", 1))
	s.wantCopy(ns, "reg", spaced)
}

// As many namespaces as there are workers, whose writes hang for long, delay no other.
func TestHangingNamespacesDelayNoOther(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	for i := range 20 {
		s.namespace(fmt.Sprintf("hang%02d", i))
	}
	release := make(chan struct{})
	var hanging atomic.Int32
	s.start(before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, s.name("hang")) {
			hanging.Add(1)
			<-release
		}
	}))
	s.policy(oneRule)
	s.eventually("all workers hang", func() error {
		if n := hanging.Load(); n < 8 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	s.wantCopy(s.namespace("good"), "reg", credential("hub.example", "one"))
	close(release)
	for i := range 20 {
		s.wantCopy(s.name(fmt.Sprintf("hang%02d", i)), "reg", credential("hub.example", "one"))
	}
}
