package e2e

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// corporate replaces the list, as a tool does that merges an atomic list by its own.
const corporate = `{"op": "add", "path": "/imagePullSecrets", "value": [{"name": "corp"}]}`

// paced is how many writes there may be since a moment: a try after 1 s, 2 s, 4 s and so on, and three between two of them.
func paced(since time.Time) int32 {
	return 4 * int32(1+math.Ceil(math.Log2(1+time.Since(since).Seconds())))
}

func TestAListThatAdmissionReplacesIsToldAndTriedSlowly(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, other := s.Namespace("a", "mutate="+s.Name("yes")), s.Namespace("b")
	end := s.mutate(api.Accounts, corporate)
	var writes atomic.Int32
	began := time.Now()
	r := s.Start(harness.Counting(&writes, ns, "serviceaccounts", "default"))
	rules := strings.Replace(harness.OneRule, `"PREFIX*"`, "PREFIXa, PREFIXb", 1)
	s.Revised("Degraded", rules)
	s.WantStatus("Degraded", "Altered", "names missing from imagePullSecrets: "+s.Name("reg"), "a mutating admission policy or webhook")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "corp")
	r.WantMetrics(`pullsecrets_problems{kind="ServiceAccount",reason="Altered"} 1`, `pullsecrets_write_errors_total{kind="ServiceAccount",reason="Altered"} `)
	if lines := r.Lines("references written", ns); len(lines) > 0 {
		t.Errorf("it is told as a success: %s", lines[0])
	}
	for range 30 { // somebody writes the object again and again
		s.Merge(api.Accounts, ns, "default", fmt.Sprintf(`{"metadata":{"labels":{"at":"%d"}}}`, time.Now().UnixNano()))
	}
	// The source changes, which decides the namespace again.
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantStatusNow("Degraded", "Altered")
	if n := writes.Load(); n > paced(began) {
		t.Errorf("%d writes of a list that is altered each time", n)
	}
	if n := len(r.Lines(`"level":"warn"`, "names missing", ns)); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	end()
	s.WantList(ns, "default", "corp", "+reg")
	s.WantStatus("Ready")
	s.wantNoFight(r)
}

func TestWhatAdmissionMakesOfAWrite(t *testing.T) {
	for _, c := range []struct {
		why      string
		resource schema.GroupVersionResource
		patch    string
		status   string
		words    []string
	}{
		{"it strips the ledger", api.Accounts, `{"op": "remove", "path": "/metadata/annotations/pullsecrets~1added"}`,
			"Degraded", []string{"names missing from the annotation pullsecrets/added"}},
		{"it adds a name before ours", api.Accounts, `{"op": "add", "path": "/imagePullSecrets/0", "value": {"name": "corp"}}`, "Ready", nil},
		{"it strips our label", api.Secrets, `{"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1managed-by"}`,
			"Degraded", []string{"label app.kubernetes.io/managed-by: removed"}},
		{"it strips a mark", api.Secrets, `{"op": "remove", "path": "/metadata/annotations/pullsecrets~1source"}`,
			"Degraded", []string{"annotation pullsecrets/source: removed"}},
		{"it changes the data", api.Secrets, `{"op": "add", "path": "/data/.dockerconfigjson", "value": "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6IngiLCJwYXNzd29yZCI6InkifX19"}`,
			"Degraded", []string{"registry hub.example: password changed"}},
		{"it changes the type", api.Secrets, `{"op": "add", "path": "/type", "value": "Opaque"}`,
			"Degraded", []string{`type: "kubernetes.io/dockerconfigjson" becomes "Opaque"`}},
		{"it adds a label", api.Secrets, `{"op": "add", "path": "/metadata/labels/team", "value": "a"}`, "Ready", nil},
		{"it adds a finalizer", api.Secrets, `{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/hold"]}`, "Ready", nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a", "mutate="+s.Name("yes"))
			end := s.mutate(c.resource, c.patch)
			t.Cleanup(func() { s.release(ns) })
			var writes atomic.Int32
			name := "default"
			if c.resource == api.Secrets {
				name = s.Name("reg")
			}
			began := time.Now()
			r := s.Start(harness.Counting(&writes, ns, c.resource.Resource, name))
			s.Revised(c.status, strings.Replace(harness.OneRule, `"PREFIX*"`, "PREFIXa", 1))
			s.WantStatus(c.status, c.words...)
			if c.status == "Degraded" {
				s.WantStatusNow("Degraded", "Altered")
			}
			s.Source("other", api.Credential("other.example", "one"))
			s.wantQuiet(r)
			s.WantStatusNow(c.status, c.words...)
			if n := writes.Load(); n > paced(began) {
				t.Errorf("%d writes", n)
			}
			s.wantNoFight(r)
			if end(); c.resource == api.Secrets {
				s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
				s.WantStatus("Ready")
			}
		})
	}
}

// wantQuiet waits until the controller has decided each namespace again, because of one that is new.
func (s *sandbox) wantQuiet(r *harness.Running) {
	s.T.Helper()
	before := len(r.Lines(`"message":"decided"`))
	s.Namespace("more")
	s.Eventually("the controller decided again", func() error {
		if len(r.Lines(`"message":"decided"`)) == before {
			return errors.New("not yet")
		}
		return nil
	})
}
