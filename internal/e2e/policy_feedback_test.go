package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestAStatusThatMayNotBeWrittenStopsNothingElse(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start(harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if harness.IsWrite(r, api.Home, "configmaps", "pullsecrets-status") {
			return harness.Forbidden(), nil
		}
		return next.RoundTrip(r)
	}))
	s.Revised("Ready", harness.OneRule)
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantCopy(s.Namespace("b"), "reg", api.Credential("hub.example", "two"))
	s.WantStatus("Ready")
}

func TestAStatusThatCannotBeWrittenIsToldOnThePolicy(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-status", `{"immutable":true}`)
	s.Revised("Degraded", harness.OneRule+"  force: true\n")
	s.WantStatus("Degraded", "the status ConfigMap cannot be written")
	s.Revised("Invalid", "  {}\n")
	s.Delete(api.ConfigMaps, api.Home, "pullsecrets-status")
	s.Revised("Ready", harness.OneRule)
}

// lastApplied is where kubectl apply keeps the text, as somebody else's annotation.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// fill has the annotations of the policy ConfigMap leave this many bytes, ours apart.
func (s *sandbox) fill(rules string, room int) {
	s.T.Helper()
	s.Policy(rules, lastApplied+"="+strings.Repeat("x", 256<<10-len(lastApplied)-room))
}

// verdictEvents counts the Events of the policy ConfigMap with this reason, as often as each was seen.
func (s *sandbox) verdictEvents(reason string) (n int64) {
	list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
	harness.Must(s.T, err)
	for _, e := range list.Items {
		if count, _ := e.Object["count"].(int64); e.Object["reason"] == reason {
			n += count
		}
	}
	return n
}

// TestAVerdictWithoutRoomOnTheConfigMapIsToldElsewhere has kubectl's own annotation fill what annotations may have.
func TestAVerdictWithoutRoomOnTheConfigMapIsToldElsewhere(t *testing.T) {
	for _, tt := range []struct {
		room int
		want string // the annotations that there are
	}{
		{250, "pullsecrets/message pullsecrets/observed pullsecrets/status"}, // a part of the message
		{100, "pullsecrets/observed pullsecrets/status"},
		{40, "pullsecrets/status"},
		{5, ""},
	} {
		t.Run(fmt.Sprintf("%d bytes", tt.room), func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			r := s.Start()
			s.Revised("Ready", harness.OneRule)
			s.Delete(api.ConfigMaps, api.Home, "pullsecrets-policy") // its annotations would leave no room to fill
			s.fill(strings.Replace(harness.OneRule, "source", strings.Repeat("source", 40), 1), tt.room)
			s.Eventually("an Event tells it", func() error {
				if s.verdictEvents("Invalid") == 0 {
					return errors.New("there is none")
				}
				return nil
			})
			s.Eventually("the annotations are "+tt.want, func() error {
				if got := s.feedback(); got != tt.want {
					return errors.New(got)
				}
				return nil
			})
			s.Source("hub", api.Credential("hub.example", "two")) // the last good policy stays in force; each change has the judge look again
			s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
			if n := s.verdictEvents("Invalid"); n != 1 {
				t.Errorf("%d Events", n)
			}
			if lines := r.Lines("have no room for the whole verdict", `"status":"Invalid"`, "--server-side"); len(lines) != 1 {
				t.Errorf("the log says it %d times: %.300q", len(lines), lines)
			}
		})
	}
}

// feedback lists the names of our annotations on the policy ConfigMap, in order.
func (s *sandbox) feedback() string {
	var names []string
	annotations := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()
	for _, name := range []string{"pullsecrets/message", "pullsecrets/observed", "pullsecrets/observed-revision", "pullsecrets/status"} {
		if _, ok := annotations[name]; ok {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// TestAnOlderVerdictDoesNotStay: the text grows, and there is no room for what is to be said of it.
func TestAnOlderVerdictDoesNotStay(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Start()
	s.fill(harness.OneRule, 600)
	s.WantStatus("Ready")
	ready := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()
	old := len("pullsecrets/status") + len("pullsecrets/observed") + len("pullsecrets/message") +
		len(ready["pullsecrets/status"]) + len(ready["pullsecrets/observed"]) + len(ready["pullsecrets/message"])
	s.fill("  {}\n", old) // exactly what the older verdict takes
	s.Eventually("the older verdict is replaced", func() error {
		got := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()
		if got["pullsecrets/status"] != "Invalid" || got["pullsecrets/observed"] == ready["pullsecrets/observed"] || got["pullsecrets/message"] == ready["pullsecrets/message"] {
			return fmt.Errorf("status %s, observed %s, message %s", got["pullsecrets/status"], got["pullsecrets/observed"], got["pullsecrets/message"])
		}
		return nil
	})
}
