package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

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
	s.Source("hub", manyHosts("one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	_, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, s.Name("reg"), api.Secret(ns, s.Name("reg"), manyHosts("other")),
		metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	harness.Must(t, err)
	s.WantCopy(ns, "reg", manyHosts("one"))
	lines := r.Lines("replacing what somebody else wrote")
	if len(lines) != 1 || !regexp.MustCompile(`"and [0-9]{4} more lines"`).MatchString(lines[0]) || !strings.Contains(lines[0], "registry-00001") {
		t.Errorf("the log says %.500q", lines)
	}
}

func TestARefusedTextOfThousandsOfMistakesIsToldInBounds(t *testing.T) {
	s := newSandbox(t)
	r := s.Start()
	text := strings.Builder{}
	for i := range 4000 {
		fmt.Fprintf(&text, "- {name: r%d, secrets: [{source: {nmae: hub}}]}\n", i)
	}
	s.Revised("Invalid", text.String())
	if lines := r.Lines("the policy was refused", " more\""); len(lines) != 1 {
		t.Errorf("the log says %.500q", r.Lines("refused"))
	}
	if message := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations()["pullsecrets/message"]; len(message) > 1024 {
		t.Errorf("the annotation has %d bytes", len(message))
	}
	s.Eventually("an Event tells it", func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
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
