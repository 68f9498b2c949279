package pulls

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patient is how long a condition may take before it counts as never. A kubelet tries again after 10, 20 and 40 seconds.
const patient = 2 * time.Minute

// repository is where the tests find the product.
const repository = "../../.."

// node is the folder of the node that the tests are run beside.
func node(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PULLSECRETS_NODE")
	if dir == "" {
		t.Skip("needs a node: run make node-test")
	}
	return dir
}

// kubectl runs it as the administrator and returns what it says.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryKubectl("", args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// apply is kubectl apply of a text.
func apply(t *testing.T, text string) {
	t.Helper()
	if out, err := tryKubectl(text, "apply", "-f", "-"); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
}

func tryKubectl(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

// field is a part of an object; empty when the object is not there.
func field(namespace, object, path string) string {
	out, err := tryKubectl("", "-n", namespace, "get", object, "-o", "jsonpath="+path)
	if err != nil {
		return ""
	}
	return out
}

// eventually waits for a condition. Nothing else waits for a time.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if condition() {
			return
		}
	}
	events, _ := tryKubectl("", "get", "events", "-A", "--sort-by=.lastTimestamp")
	lines := strings.Split(events, "\n")
	t.Fatalf("not within %s: %s\nthe last events:\n%s", patient, what, strings.Join(lines[max(0, len(lines)-25):], "\n"))
}

// namespace makes one, and waits for the account that its pods run under. The test's end removes it.
func namespace(t *testing.T, name string) {
	t.Helper()
	kubectl(t, "create", "namespace", name)
	t.Cleanup(func() { _, _ = tryKubectl("", "delete", "namespace", name, "--wait=false") })
	eventually(t, "the account of "+name, func() bool { return field(name, "serviceaccount/default", "{.metadata.name}") != "" })
}

// source puts a credential into the controller's namespace, or another one into the place of it.
func source(t *testing.T, name string, credential []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(file, credential, 0o600); err != nil {
		t.Fatal(err)
	}
	apply(t, kubectl(t, "-n", home, "create", "secret", "generic", name, "--type=kubernetes.io/dockerconfigjson",
		"--from-file=.dockerconfigjson="+file, "--dry-run=client", "-o", "yaml"))
}
