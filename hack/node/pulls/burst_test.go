package pulls

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// In a new namespace, a pod may be created as soon as the cluster has made the account, so before the controller has
// given that its names. Then it never runs. With the admission component the API server gives the pod the names itself,
// so none comes too early.
func TestPodsAreCreatedAsSoonAsTheyCanBe(t *testing.T) {
	node(t)
	address := proxy(t)
	t.Run("without the admission component", func(t *testing.T) {
		install(t, beside)
		startController(t)
		eventually(t, "the policy is in force", inForce)
		early, others := burst(t, address, "alone", 8)
		t.Logf("%d of %d pods came too early", len(early), len(early)+len(others))
		for _, p := range others {
			p.runs()
		}
		for _, p := range early {
			p.isRefused()
			p.isExplained("before its service account had the name")
		}
	})
	t.Run("with it", func(t *testing.T) {
		install(t, withAdmission, "-admission")
		t.Cleanup(removeAdmission)
		startController(t, "-admission")
		namespace(t, "probe-admitted")
		eventually(t, "the API server gives an account its names, and so a pod", func() bool { return tried("probe-admitted") == names })
		allRun(t, address, "admitted")
	})
	t.Run("with a rule that attaches to pods", func(t *testing.T) {
		installForPods(t, "probe-attached")
		allRun(t, address, "attached")
	})
}

// allRun fails for each pod of a burst that does not come to run.
func allRun(t *testing.T, address, prefix string) {
	t.Helper()
	early, others := burst(t, address, prefix, 20)
	for _, p := range early {
		t.Errorf("%s came too early", p)
	}
	for _, p := range others {
		p.runs()
	}
}

func inForce() bool {
	return field(home, "configmap/pullsecrets-policy", `{.metadata.annotations.pullsecrets/status}`) == "Ready"
}

// burst makes namespaces, and in each a pod in the first moment in which the API server takes one. It tells those that
// lack the names from the others.
func burst(t *testing.T, address, prefix string, many int) (early, others []pod) {
	t.Helper()
	for i := range many {
		name := fmt.Sprintf("%s-%d", prefix, i)
		t.Cleanup(func() { _, _ = tryKubectl("", "delete", "namespace", name, "--wait=false") })
		if status, text := post(t, address+"/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name}}); status != http.StatusCreated {
			t.Fatalf("%d: %s", status, text)
		}
		p := pod{t: t, namespace: name, name: "web", images: images[:1]}
		if len(firstPod(p, address)) == 0 {
			early = append(early, p)
		} else {
			others = append(others, p)
		}
	}
	return early, others
}

// firstPod creates the pod, which the API server refuses as long as there is no account, and returns its pull secrets.
func firstPod(p pod, address string) []any {
	p.t.Helper()
	body := map[string]any{
		"metadata": map[string]any{"name": p.name},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "c0", "image": p.images[0]}}},
	}
	for {
		status, text := post(p.t, address+"/api/v1/namespaces/"+p.namespace+"/pods", body)
		var made struct {
			Spec struct{ ImagePullSecrets []any }
		}
		switch {
		case status == http.StatusCreated:
			if err := json.Unmarshal(text, &made); err != nil {
				p.t.Fatal(err)
			}
			return made.Spec.ImagePullSecrets
		case status != http.StatusForbidden && status != http.StatusInternalServerError:
			p.t.Fatalf("%d: %s", status, text)
		}
	}
}

// proxy is the API server without a password, which kubectl would be too slow for.
func proxy(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("kubectl", "proxy", "--port=8001")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	const address = "http://127.0.0.1:8001"
	eventually(t, "the proxy listens", func() bool {
		answer, err := http.Get(address + "/version")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	return address
}

func post(t *testing.T, url string, body any) (int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(url, "application/json", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, said
}
