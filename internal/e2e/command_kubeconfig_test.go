package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestACommandTakesTheContextAndTheUserThatAreNamed gives each command that talks to a cluster a kubeconfig whose
// current context leads nowhere.
func TestACommandTakesTheContextAndTheUserThatAreNamed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	r.Stop()

	config, err := clientcmd.LoadFromFile(s.Kubeconfig)
	harness.Must(t, err)
	here := config.Contexts[config.CurrentContext]
	config.Contexts["here"] = &clientcmdapi.Context{Cluster: here.Cluster, AuthInfo: here.AuthInfo, Namespace: ns}
	config.Clusters["nowhere"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	config.Contexts["nowhere"] = &clientcmdapi.Context{Cluster: "nowhere", AuthInfo: here.AuthInfo}
	config.CurrentContext = "nowhere"
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	harness.Must(t, clientcmd.WriteToFile(*config, kubeconfig))
	file := s.PolicyFile(harness.OneRule)

	for _, command := range [][]string{
		{"plan"}, {"explain"}, {"rbac", "-f", file, "-from-status"}, {"purge", "-yes"}, // purge last
	} {
		run := func(flags ...string) (int, string) {
			status, out, errs := s.Command(append(append(command, "-kubeconfig", kubeconfig, "-namespace", api.Home), flags...)...)
			return status, out + errs
		}
		if status, said := run(); status == 0 || !strings.Contains(said, "127.0.0.1:1") {
			t.Errorf("%s asked another cluster than the current context's: %d, %s", command[0], status, said)
		}
		if status, said := run("-context", "here", "-as", "nobody"); status == 0 || !strings.Contains(said, `User "nobody" cannot`) && !strings.Contains(said, "may not be read") {
			t.Errorf("%s as nobody: %d, %s", command[0], status, said)
		}
		if status, said := run("-context", "here", "-as", "nobody", "-as-group", "some", "-as-group", "system:masters"); status != 0 {
			t.Errorf("%s as an administrator: %d, %s", command[0], status, said)
		} else if command[0] == "explain" && !strings.Contains(said, ns) {
			t.Errorf("explain is not about the namespace of the context:\n%s", said)
		}
	}
	s.WantNoCopy(ns, "reg")
	p := s.Program("-runonce", "-kubeconfig", kubeconfig, "-namespace", api.Home, "-context", "here", "-user", here.AuthInfo, "-as", "nobody", "-as-group", "system:masters")
	<-p.Ended
	if p.Status != 0 {
		t.Errorf("run as an administrator ended with %d: %s", p.Status, p.Errors)
	}
	s.WantList(ns, "default", "+reg")
}
