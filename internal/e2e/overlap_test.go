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
)

// late is a controller whose write of one copy is held up, as by a process that was stopped in the middle of it.
type late struct {
	*running
	held    chan struct{} // the write is about to be sent
	release func()
}

// startLate holds up the first write of a secret after arm is called.
func (s *sandbox) startLate(ns, short string) (l *late, arm func()) {
	s.t.Helper()
	armed, goOn := make(chan struct{}), make(chan struct{})
	l = &late{held: make(chan struct{})}
	var first sync.Once
	l.release = sync.OnceFunc(func() { close(goOn) })
	l.running = s.start(before(func(r *http.Request) {
		select {
		case <-armed:
		default:
			return
		}
		if isWrite(r, ns, "secrets", s.name(short)) {
			first.Do(func() {
				close(l.held)
				<-goOn
			})
		}
	}))
	s.t.Cleanup(l.release)
	return l, func() { close(armed) }
}

// refused waits until the API server refused what a late controller wrote.
func (l *late) refused() {
	l.s.t.Helper()
	l.s.eventually("the late write is refused", func() error {
		if len(l.lines("it changed in between")) == 0 {
			return errors.New("nothing of it in the log")
		}
		return nil
	})
}

// TestALateWriteOfAnOlderCredentialIsRefused holds that a write that was decided on before a rotation does not put the
// older credential over the newer one that another controller wrote in between: both have our field manager, so the
// API server sees no conflict of owners.
func TestALateWriteOfAnOlderCredentialIsRefused(t *testing.T) {
	one, two, three := credential("hub.example", "one"), credential("hub.example", "two"), credential("hub.example", "three")
	for _, c := range []struct {
		why, before, late, after string
	}{
		{"of a copy that was there", one, two, three},
		{"of a copy that was not", "", one, two},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newSandbox(t)
			ns := s.namespace("a")
			if c.before != "" {
				s.source("hub", c.before)
			}
			old, arm := s.startLate(ns, "reg")
			s.policy(oneRule)
			if c.before != "" {
				s.wantCopy(ns, "reg", c.before)
			}
			arm()
			s.source("hub", c.late)
			<-old.held
			s.source("hub", c.after)
			s.start()
			written := s.wantCopy(ns, "reg", c.after).GetResourceVersion()
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
	s.t.Helper()
	watch, err := s.client.Resource(secrets).Namespace(ns).Watch(s.ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + s.name(short), ResourceVersion: from,
	})
	must(s.t, err)
	return func() (seen []string) {
		s.t.Helper()
		s.merge(secrets, ns, s.name(short), `{"metadata":{"labels":{"end":"here"}}}`)
		defer watch.Stop()
		for patience := time.After(patient); ; {
			select {
			case e := <-watch.ResultChan():
				u, ok := e.Object.(*unstructured.Unstructured)
				if !ok {
					s.t.Fatalf("the watch ended with %T", e.Object)
				}
				seen = append(seen, contentOf(u))
				if u.GetLabels()["end"] != "" {
					return seen
				}
			case <-patience:
				s.t.Fatal("the watch shows no end")
			}
		}
	}
}

// TestALateStatusForgetsNoName holds that a status that was decided on before another controller put a name in use
// does not take that name out of the status.
func TestALateStatusForgetsNoName(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.namespace("a")
	held, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	release := sync.OnceFunc(func() { close(goOn) })
	old := s.start(before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/configmaps/pullsecrets-status") {
			first.Do(func() {
				close(held)
				<-goOn
			})
		}
	}))
	t.Cleanup(release)
	s.policy(oneRule)
	<-held
	s.start()
	s.revised("Ready", strings.ReplaceAll(oneRule, "PREFIXreg", "PREFIXother"))
	s.wantNames("other")
	release()
	s.eventually("the late status is refused and what is in use is saved beside", func() error {
		names := parse(s.get(configMaps, home, "pullsecrets-status"))
		if !slices.Contains(names, s.name("other")) {
			t.Errorf("the name in use was forgotten: %v", names)
		}
		if len(old.lines("the policy was accepted")) < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	s.wantNames("other")
}

func parse(status *unstructured.Unstructured) []string {
	names, _, _ := unstructured.NestedString(status.Object, "data", "names")
	return strings.Fields(names)
}
