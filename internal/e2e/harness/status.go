package harness

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// WantStatus waits until the policy ConfigMap says this status about the text that it holds.
func (s *Sandbox) WantStatus(status string, words ...string) {
	s.T.Helper()
	s.Eventually("the policy's status is "+status, func() error { return s.checkStatus(status, words...) })
}

// WantStatusNow does not wait.
func (s *Sandbox) WantStatusNow(status string, words ...string) {
	s.T.Helper()
	Must(s.T, s.checkStatus(status, words...))
}

func (s *Sandbox) checkStatus(status string, words ...string) error {
	u, err := s.Client.Resource(api.ConfigMaps).Namespace(api.Home).Get(s.Ctx, "pullsecrets-policy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	got := u.GetAnnotations()
	if got["pullsecrets/status"] != status || got["pullsecrets/observed-revision"] != got["pullsecrets/revision"] {
		return fmt.Errorf("annotations: %v", got)
	}
	for _, w := range words {
		if !strings.Contains(got["pullsecrets/message"], w) {
			return fmt.Errorf("message %q lacks %q", got["pullsecrets/message"], w)
		}
	}
	return nil
}

// WantStatusOf waits until status.json counts this many copies of a rule.
func (s *Sandbox) WantStatusOf(rule string, copies int) {
	s.T.Helper()
	s.Eventually("the status counts the copies", func() error {
		data, _ := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); !strings.Contains(text, fmt.Sprintf(`%q: %d`, rule, copies)) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

// WantNames waits until the status ConfigMap lists exactly these copy names as in use.
func (s *Sandbox) WantNames(want ...string) {
	s.T.Helper()
	for i := range want {
		want[i] = s.Name(strings.TrimPrefix(want[i], "+"))
	}
	s.Eventually("the names in use are right", func() error {
		u, err := s.Client.Resource(api.ConfigMaps).Namespace(api.Home).Get(s.Ctx, "pullsecrets-status", metav1.GetOptions{})
		if err != nil {
			return err
		}
		names, _ := u.Object["data"].(map[string]any)["names"].(string)
		if names != strings.Join(want, "\n") {
			return fmt.Errorf("names: %q, want %q", names, want)
		}
		return nil
	})
}

// EverythingWritten is what we wrote into the cluster for people to read.
func (s *Sandbox) EverythingWritten() string {
	s.T.Helper()
	var out strings.Builder
	list, err := s.Client.Resource(api.Events).List(s.Ctx, metav1.ListOptions{})
	Must(s.T, err)
	for _, e := range list.Items {
		text, _ := json.Marshal(e.Object)
		out.Write(append(text, '\n'))
	}
	status, _ := json.Marshal(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"])
	out.Write(append(status, '\n'))
	policy, _ := json.Marshal(s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").GetAnnotations())
	out.Write(append(policy, '\n'))
	return out.String()
}
