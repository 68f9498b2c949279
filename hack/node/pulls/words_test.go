package pulls

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nodeAddress is the node's. The registries of the node are on 127.0.0.1, which containerd asks without TLS.
const nodeAddress = "10.123.0.1"

// docs/troubleshooting.md begins with what a kubelet says. It really says that, and explain repeats it.
func TestWhatAKubeletSaysIsInTheDocs(t *testing.T) {
	node(t)
	text, err := os.ReadFile(filepath.Join(repository, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	install(t, beside)
	const in = "without-words"
	namespace(t, in)
	pullSecret(t, in, "wrong", `{"auths":{"127.0.0.1:5001":{"auth":"cm9ib3Q6d3Jvbmc="}}}`)
	pullSecret(t, in, "right", string(credential(t, "registry1")))
	pullSecret(t, in, "broken", `{"auths":{"127.0.0.1:5001":{"auth":"not base64"}}}`)
	busy := httptest.NewServer(http.HandlerFunc(tooMany))
	t.Cleanup(busy.Close)

	for _, c := range []struct {
		name, image string
		secrets     []string
		pull        string
		says        string
	}{
		{name: "none", image: images[0], says: "401 Unauthorized"},
		{name: "refused", image: images[0], secrets: []string{"wrong"}, says: "401 Unauthorized"},
		{name: "missing", image: images[0], secrets: []string{"absent"}, says: "Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."},
		{name: "unreadable", image: images[0], secrets: []string{"broken"}, says: "illegal base64 data"},
		{name: "unknown", image: "127.0.0.1:5001/private/other:1", secrets: []string{"right"}, says: "not found"},
		{name: "limited", image: busy.Listener.Addr().String() + "/library/busy:1", says: "429 Too Many Requests"},
		{name: "untrusted", image: untrusted(t) + "/app:1", says: "x509: "},
		{name: "down", image: "127.0.0.1:9/app:1", says: "connection refused"},
		{name: "misspelt", image: "127.0.0.1:5001/Private/one:1", says: "InvalidImageName"},
		{name: "never", image: "127.0.0.1:5001/private/never:1", pull: "Never", says: "ErrImageNeverPull"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pod{t: t, namespace: in, name: c.name, images: []string{c.image}, names: c.secrets, pull: c.pull}
			p.create()
			eventually(t, "explain repeats "+c.says, func() bool {
				out, err := run(program, "explain", in, "pod/"+c.name)
				return err == nil && strings.Contains(out, "the kubelet") && strings.Contains(out, c.says)
			})
			if !strings.Contains(string(text), c.says) && !strings.Contains(string(text), strings.Replace(c.says, "absent", "regcred", 1)) {
				t.Errorf("docs/troubleshooting.md does not say %q", c.says)
			}
			out, _ := run(program, "explain", in, "pod/"+c.name)
			t.Log(out)
		})
	}
}

// untrusted is the address of a registry with a certificate that nobody knows.
func untrusted(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", nodeAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{ErrorLog: log.New(io.Discard, "", 0)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return listener.Addr().String()
}

// tooMany answers as Docker Hub does above its limit.
func tooMany(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}`)
}

func pullSecret(t *testing.T, namespace, name, content string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", namespace, "create", "secret", "generic", name, "--type=kubernetes.io/dockerconfigjson", "--from-file=.dockerconfigjson="+file)
}
