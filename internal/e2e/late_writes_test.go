package e2e

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// late is a controller whose write of one copy is held up, as by a process that was stopped in the middle of it.
type late struct {
	*harness.Running
	held    chan struct{} // the write is about to be sent
	release func()
}

// startLate holds up the first write of a secret after arm is called.
func (s *sandbox) startLate(ns, short string) (l *late, arm func()) {
	s.T.Helper()
	armed, goOn := make(chan struct{}), make(chan struct{})
	l = &late{held: make(chan struct{})}
	var first sync.Once
	l.release = sync.OnceFunc(func() { close(goOn) })
	l.Running = s.Start(harness.Before(func(r *http.Request) {
		select {
		case <-armed:
		default:
			return
		}
		if harness.IsWrite(r, ns, "secrets", s.Name(short)) {
			first.Do(func() {
				close(l.held)
				<-goOn
			})
		}
	}))
	s.T.Cleanup(l.release)
	return l, func() { close(armed) }
}

// refused waits until the API server refused what a late controller wrote.
func (l *late) refused() {
	l.Sandbox.T.Helper()
	l.Sandbox.Eventually("the late write is refused", func() error {
		if len(l.Lines("it changed in between")) == 0 {
			return errors.New("nothing of it in the log")
		}
		return nil
	})
}

// TestALateWriteOfAnOlderCredentialIsRefused holds that a write that was decided on before a rotation does not put the
// older credential over the newer one that another controller wrote in between: both have our field manager, so the
// API server sees no conflict of owners.
func TestALateWriteOfAnOlderCredentialIsRefused(t *testing.T) {
	one, two, three := api.Credential("hub.example", "one"), api.Credential("hub.example", "two"), api.Credential("hub.example", "three")
	for _, c := range []struct {
		why, before, late, after string
	}{
		{"of a copy that was there", one, two, three},
		{"of a copy that was not", "", one, two},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			ns := s.Namespace("a")
			if c.before != "" {
				s.Source("hub", c.before)
			}
			old, arm := s.startLate(ns, "reg")
			s.Policy(harness.OneRule)
			if c.before != "" {
				s.WantCopy(ns, "reg", c.before)
			}
			arm()
			s.Source("hub", c.late)
			<-old.held
			s.Source("hub", c.after)
			s.Start()
			written := s.WantCopy(ns, "reg", c.after).GetResourceVersion()
			contents := s.contents(ns, "reg", written)
			old.release()
			old.refused()
			if got := contents(); slices.ContainsFunc(got, func(content string) bool { return content != c.after }) {
				t.Errorf("the older credential came back for a while: %d versions", len(got))
			}
		})
	}
}

// contents follows the contents that a copy has from a version on, until the function that it returns is called.
func (s *sandbox) contents(ns, short, from string) func() []string {
	s.T.Helper()
	watch, err := s.Client.Resource(api.Secrets).Namespace(ns).Watch(s.Ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + s.Name(short), ResourceVersion: from,
	})
	harness.Must(s.T, err)
	return func() (seen []string) {
		s.T.Helper()
		s.Merge(api.Secrets, ns, s.Name(short), `{"metadata":{"labels":{"end":"here"}}}`)
		defer watch.Stop()
		for patience := time.After(harness.Patient); ; {
			select {
			case e := <-watch.ResultChan():
				u, ok := e.Object.(*unstructured.Unstructured)
				if !ok {
					s.T.Fatalf("the watch ended with %T", e.Object)
				}
				seen = append(seen, api.Content(u))
				if u.GetLabels()["end"] != "" {
					return seen
				}
			case <-patience:
				s.T.Fatal("the watch shows no end")
			}
		}
	}
}

// TestALateStatusForgetsNoName holds that a status that was decided on before another controller put a name in use
// does not take that name out of the status.
func TestALateStatusForgetsNoName(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Namespace("a")
	held, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	release := sync.OnceFunc(func() { close(goOn) })
	old := s.Start(harness.Before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/configmaps/pullsecrets-status") {
			first.Do(func() {
				close(held)
				<-goOn
			})
		}
	}))
	t.Cleanup(release)
	s.Policy(harness.OneRule)
	<-held
	s.Start()
	s.Revised("Ready", strings.ReplaceAll(harness.OneRule, "PREFIXreg", "PREFIXother"))
	s.WantNames("other")
	release()
	s.Eventually("the late status is refused and what is in use is saved beside", func() error {
		names := parse(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status"))
		if !slices.Contains(names, s.Name("other")) {
			t.Errorf("the name in use was forgotten: %v", names)
		}
		if len(old.Lines("the policy was accepted")) < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	s.WantNames("other")
}

func parse(status *unstructured.Unstructured) []string {
	names, _, _ := unstructured.NestedString(status.Object, "data", "names")
	return strings.Fields(names)
}
