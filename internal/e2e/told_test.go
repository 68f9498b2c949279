package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestExplainSaysWhatTheStatusKnows has a namespace whose copies are denied, and one whose account somebody insists on.
// explain says so, live and from a dump.
func TestExplainSaysWhatTheStatusKnows(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example:5000", "one"))
	fine, denied := s.namespace("fine"), s.namespace("denied", "deny="+s.name("x"))
	s.denyAndEcho(denied)
	quota := s.namespace("quota")
	limit := object("v1", "ResourceQuota", quota, "none")
	limit.Object["spec"] = map[string]any{"hard": map[string]any{"secrets": "0"}}
	quotas := secrets.GroupVersion().WithResource("resourcequotas")
	limit = s.create(quotas, limit)
	limit.Object["status"] = map[string]any{"hard": map[string]any{"secrets": "0"}, "used": map[string]any{"secrets": "0"}} // as its controller does
	_, err := s.client.Resource(quotas).Namespace(quota).UpdateStatus(s.ctx, limit, metav1.UpdateOptions{})
	must(t, err)
	s.start()
	s.revised("Degraded", oneRule)
	s.wantStatus("Degraded", "denied by ValidatingAdmissionPolicy", "exceeded quota")
	s.wantList(fine, "default", "+reg")
	s.eventually("the status tells of both", func() error {
		text := fmt.Sprint(s.get(configMaps, home, "pullsecrets-status").Object["data"])
		if !strings.Contains(text, "exceeded quota") || !strings.Contains(text, denied) {
			return fmt.Errorf("it tells %s", text)
		}
		return nil
	})
	s.pod(fine, "web", "default")
	dump, err := s.kubectl("", "get", "ns,sa,secrets,cm,pods", "-A", "-o", "yaml", "--show-managed-fields")
	must(t, err)
	file := filepath.Join(t.TempDir(), "dump.yaml")
	must(t, os.WriteFile(file, []byte(dump), 0o600))
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{denied}, []string{
			"Missing: the controller cannot create it: ", "denied by ValidatingAdmissionPolicy '" + s.name("deny") + "' (WriteFailed)",
			s.name("reg") + " (rule hub): there; pullsecrets added it",
		}},
		{[]string{quota}, []string{"exceeded quota: none (WriteFailed)"}},
		{[]string{fine, "pod/web"}, []string{"container c, image hub.example/x: no pull secret of the pod has an entry for hub.example; it is pulled without a credential"}},
	} {
		for name, args := range map[string][]string{
			"live": {"-kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG")}, "from a dump": {"-dump", file},
		} {
			status, text, errs := s.command(append(append([]string{"explain"}, args...), c.args...)...)
			if status != 0 {
				t.Errorf("%s, %v: status %d\n%s", name, c.args, status, errs)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%s, %v: lacks %q\n%s", name, c.args, w, text)
				}
			}
			if strings.Contains(text, "is about to") {
				t.Errorf("%s, %v: it is not about to\n%s", name, c.args, text)
			}
		}
	}
	must(t, s.client.Resource(pods).Namespace(fine).DeleteCollection(s.ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}, metav1.ListOptions{}))
}
