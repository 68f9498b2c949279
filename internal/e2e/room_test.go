package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lastApplied is where kubectl apply keeps the text, as somebody else's annotation.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// fill has the annotations of the policy ConfigMap leave this many bytes, ours apart.
func (s *sandbox) fill(rules string, room int) {
	s.t.Helper()
	cm := object("v1", "ConfigMap", home, "pullsecrets-policy")
	cm.Object["data"] = map[string]any{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.expand(rules)}
	cm.SetAnnotations(map[string]string{lastApplied: strings.Repeat("x", 256<<10-len(lastApplied)-room)})
	_, err := s.client.Resource(configMaps).Namespace(home).Apply(s.ctx, cm.GetName(), cm, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	must(s.t, err)
}

// verdictEvents counts the Events of the policy ConfigMap with this reason, as often as each was seen.
func (s *sandbox) verdictEvents(reason string) (n int64) {
	list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{})
	must(s.t, err)
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
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			r := s.start()
			s.revised("Ready", oneRule)
			s.delete(configMaps, home, "pullsecrets-policy") // its annotations would leave no room to fill
			s.fill(strings.Replace(oneRule, "source", strings.Repeat("source", 40), 1), tt.room)
			s.eventually("an Event tells it", func() error {
				if s.verdictEvents("Invalid") == 0 {
					return errors.New("there is none")
				}
				return nil
			})
			s.eventually("the annotations are "+tt.want, func() error {
				if got := s.feedback(); got != tt.want {
					return errors.New(got)
				}
				return nil
			})
			s.source("hub", credential("hub.example", "two")) // the last good policy stays in force; each change has the judge look again
			s.wantCopy(ns, "reg", credential("hub.example", "two"))
			if n := s.verdictEvents("Invalid"); n != 1 {
				t.Errorf("%d Events", n)
			}
			if lines := r.lines("have no room for the whole verdict", `"status":"Invalid"`, "--server-side"); len(lines) != 1 {
				t.Errorf("the log says it %d times: %.300q", len(lines), lines)
			}
		})
	}
}

// feedback lists the names of our annotations on the policy ConfigMap, in order.
func (s *sandbox) feedback() string {
	var names []string
	annotations := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()
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
	s.source("hub", credential("hub.example", "one"))
	s.start()
	s.fill(oneRule, 600)
	s.wantStatus("Ready")
	ready := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()
	old := len("pullsecrets/status") + len("pullsecrets/observed") + len("pullsecrets/message") +
		len(ready["pullsecrets/status"]) + len(ready["pullsecrets/observed"]) + len(ready["pullsecrets/message"])
	s.fill("  {}\n", old) // exactly what the older verdict takes
	s.eventually("the older verdict is replaced", func() error {
		got := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()
		if got["pullsecrets/status"] != "Invalid" || got["pullsecrets/observed"] == ready["pullsecrets/observed"] || got["pullsecrets/message"] == ready["pullsecrets/message"] {
			return fmt.Errorf("status %s, observed %s, message %s", got["pullsecrets/status"], got["pullsecrets/observed"], got["pullsecrets/message"])
		}
		return nil
	})
}
