package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestAReplaceWhoseCreateFailsIsFinishedAfterARestart(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	theirs := api.Secret(ns, s.Name("reg"), "{}")
	theirs.Object["type"] = "Opaque"
	s.Create(api.Secrets, theirs)
	ctxDone := make(chan struct{})
	var stopOnce sync.Once
	r := s.Start(harness.Before(func(r *http.Request) {
		if r.Method == http.MethodPatch && harness.IsWrite(r, ns, "secrets", s.Name("reg")) {
			stopOnce.Do(func() { close(ctxDone) })
			<-r.Context().Done() // the process dies between the deletion and the creation
		}
	}))
	s.Policy(harness.Forced)
	<-ctxDone
	s.WantNoCopy(ns, "reg")
	r.Stop()
	s.Start()
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Ready")
}

func TestWhatTheAPIForbidsToUpdateIsReplaced(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*unstructured.Unstructured)
	}{
		{"its type differs", func(u *unstructured.Unstructured) {
			u.Object["type"] = "kubernetes.io/dockercfg"
			u.Object["data"] = map[string]any{".dockercfg": "eyJ4Ijp7fX0="}
		}},
		{"it is opaque", func(u *unstructured.Unstructured) { u.Object["type"] = "Opaque" }},
		{"it is immutable", func(u *unstructured.Unstructured) { u.Object["immutable"] = true }},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			theirs := api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x"))
			c.change(theirs)
			theirs = s.Create(api.Secrets, theirs)
			r := s.Start()
			s.Revised("Degraded", harness.OneRule)
			s.Revised("Ready", harness.Forced)
			if got := s.WantCopy(ns, "reg", api.Credential("hub.example", "one")); got.GetUID() == theirs.GetUID() {
				t.Error("how can it be the same object?")
			}
			if len(r.Lines("replacing what somebody else wrote")) != 1 {
				t.Error("no diff explains it")
			}
		})
	}
}

func TestACopyDeletedBeforeTheAnswerToItsCreationIsMadeAgain(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var once sync.Once
	s.Start(harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if r.Method == http.MethodPatch && harness.IsWrite(r, ns, "secrets", s.Name("reg")) {
			once.Do(func() {
				s.Delete(api.Secrets, ns, s.Name("reg"))
				time.Sleep(300 * time.Millisecond) // the event of the deletion overtakes the answer
			})
		}
		return resp, err
	}))
	s.Policy(harness.OneRule)
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
}

func TestAnImmutableCopyOfTheSameMeaningIsReplacedWhenItsMarksChange(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Merge(api.Secrets, ns, s.Name("reg"), `{"immutable":true}`)
	spaced := strings.ReplaceAll(api.Credential("hub.example", "one"), ":{", ": {\n  ")
	s.Source("hub", spaced)
	s.Revised("Ready", strings.Replace(harness.OneRule, "name: hub\n", "name: renamed\n", 1))
	s.WantCopy(ns, "reg", spaced)
}
