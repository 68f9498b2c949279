package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxLine is how long a line of the log may be; each controller that a test starts is held to it.
const maxLine = 16 << 10

// manyHosts returns the bytes of a .dockerconfigjson for thousands of registries.
func manyHosts(password string) string {
	auths := map[string]any{}
	for i := range 6000 {
		auths[fmt.Sprintf("registry-%05d.example:5000/team/%d", i, i)] = map[string]any{"username": "robot", "password": password}
	}
	text, _ := json.Marshal(map[string]any{"auths": auths})
	return string(text)
}

func TestADriftOfThousandsOfRegistriesIsALineThatIsCut(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", manyHosts("one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	_, err := s.client.Resource(secrets).Namespace(ns).Apply(s.ctx, s.name("reg"), secret(ns, s.name("reg"), manyHosts("other")),
		metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	must(t, err)
	s.wantCopy(ns, "reg", manyHosts("one"))
	lines := r.lines("replacing what somebody else wrote")
	if len(lines) != 1 || !regexp.MustCompile(`"and [0-9]{4} more lines"`).MatchString(lines[0]) || !strings.Contains(lines[0], "registry-00001") {
		t.Errorf("the log says %.500q", lines)
	}
}

func TestARefusedTextOfThousandsOfMistakesIsToldInBounds(t *testing.T) {
	s := newSandbox(t)
	r := s.start()
	text := strings.Builder{}
	for i := range 4000 {
		fmt.Fprintf(&text, "- {name: r%d, secrets: [{source: {nmae: hub}}]}\n", i)
	}
	s.revised("Invalid", text.String())
	if lines := r.lines("the policy was refused", " more\""); len(lines) != 1 {
		t.Errorf("the log says %.500q", r.lines("refused"))
	}
	if message := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()["pullsecrets/message"]; len(message) > 1024 {
		t.Errorf("the annotation has %d bytes", len(message))
	}
	s.eventually("an Event tells it", func() error {
		list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if message, _ := e.Object["message"].(string); e.Object["reason"] == "Invalid" && len(message) > 100 && len(message) <= 1024 {
				return nil
			}
		}
		return errors.New("there is none within 1024 bytes")
	})
}
