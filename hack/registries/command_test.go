package registries

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// program is the built pullsecrets.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "registries")
	if err == nil {
		program = filepath.Join(folder, "pullsecrets")
		build := exec.Command("go", "-C", "../..", "build", "-o", program, ".")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// check runs the command, and wants its exit status and nothing of the credential. HOST in what it prints is a registry's.
func check(t *testing.T, status int, environment []string, stdin, host string, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), program, append([]string{"check"}, args...)...)
	c.Env = append(append(os.Environ(), "KUBECONFIG=/does/not/exist", "PULLSECRETS_TIMEOUT=1m", "HTTP_PROXY=", "HTTPS_PROXY=", "NO_PROXY="), environment...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != status {
		t.Errorf("check %q: exit %d, want %d\n%s%s", args, got, status, &stdout, &stderr)
	}
	for _, form := range []string{password, base64.StdEncoding.EncodeToString([]byte(password))[:12], base64.StdEncoding.EncodeToString([]byte("robot:" + password))[8:24]} {
		if strings.Contains(stdout.String()+stderr.String(), form) {
			t.Errorf("check %q leaks:\n%s%s", args, &stdout, &stderr)
		}
	}
	if host != "" { // a port may have fewer digits
		return strings.ReplaceAll(stdout.String(), host, "HOST"), strings.ReplaceAll(stderr.String(), host, "HOST")
	}
	return stdout.String(), stderr.String()
}

func config(host, password string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("robot:"+password)))
}

// columns makes one space of several: a host may be as long as it likes.
func columns(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fmt.Fprintln(&b, strings.Join(strings.Fields(line), " "))
	}
	return b.String()
}

func wantText(t *testing.T, got, wanted string) {
	t.Helper()
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAFile asks about what people have in files.
func TestAFile(t *testing.T) {
	r := start(t, true, nil)
	r.push(t, "team/app", "1")
	secret := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: hub, namespace: team-a}\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: '%s'\n", config(r.host, password))
	older := strings.TrimSuffix(strings.TrimPrefix(config(r.host, password), `{"auths":`), "}")
	for name, c := range map[string]struct {
		text   string
		args   []string
		status int
		out    string
	}{
		"accepted":     {config(r.host, password), nil, 0, "standard input HOST Accepted\naccepted: 1 login\n"},
		"older form":   {older, nil, 0, "standard input HOST Accepted\naccepted: 1 login\n"},
		"a Secret":     {secret, nil, 0, "team-a/hub HOST Accepted\naccepted: 1 login\n"},
		"SOPS":         {secret + "sops: {version: 3.9.0}\n", nil, 2, "team-a/hub - NotAsked it is encrypted with SOPS: decrypt it, and give it by standard input\nnot asked: see what stands beside team-a/hub\n"},
		"refused":      {config(r.host, "wrong"), nil, 1, "standard input HOST Refused 401 Unauthorized: incorrect username or password\nrefused: put a credential that can log in into standard input\n"},
		"an image":     {config(r.host, password), []string{"-image", r.host + "/team/app:1"}, 0, "standard input HOST Accepted\nstandard input HOST/team/app:1 Accepted\naccepted: 1 login\n"},
		"a wrong one":  {config(r.host, password), []string{"-image", r.host + "/team/ap"}, 1, "standard input HOST Accepted\nstandard input HOST/team/ap:latest Refused 401 Unauthorized, which registries also answer where there is no such repository\nan image cannot be pulled: see that it is named right, and let the account read its repository\n"},
		"no entry":     {config(r.host, password), []string{"-image", "nginx"}, 1, "standard input HOST Accepted\nno entry is for docker.io/library/nginx:latest: it is pulled without a credential\nan image cannot be pulled: see that it is named right, and let the account read its repository\n"},
		"wildcard":     {config("*.example.com", password), nil, 2, "standard input *.example.com NotAsked it stands for several hosts: name an image of one of them\nnot asked: see what stands beside standard input\n"},
		"out of reach": {config("127.0.0.1:1", password), nil, 2, "standard input 127.0.0.1:1 Unreachable dial tcp 127.0.0.1:1: connect: connection refused\nno answer that counts: ask about standard input from where the registry can be reached, or later\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs := check(t, c.status, nil, c.text, r.host, append([]string{"-config", "-", "-plain-http", r.host}, c.args...)...)
			wantText(t, columns(out)+errs, c.out)
		})
	}
	_, errs := check(t, 2, nil, fmt.Sprintf(`{"auths":{"a.example":{"auth":"robot:%s"}}}`, password), "", "-config", "-")
	wantText(t, errs, "pullsecrets: -config standard input: auth of a.example is not base64, but plain text with a colon: it has to be base64 of username:password (BadAuth)\n")
	out, _ := check(t, 1, nil, config(r.host, "wrong"), r.host, "-config", "-", "-plain-http", r.host, "-o", "json", "-image", r.host+"/a", "-image", "b")
	wantText(t, out, `{
  "status": 1,
  "secrets": [
    {
      "secret": "standard input",
      "registries": [
        {
          "host": "HOST",
          "verdict": "Refused",
          "detail": "401 Unauthorized: incorrect username or password",
          "images": [
            {
              "image": "HOST/a:latest",
              "verdict": "Refused",
              "detail": "not asked: as its registry"
            }
          ]
        }
      ]
    }
  ],
  "uncovered": [
    "docker.io/library/b:latest"
  ]
}
`)
}

// dumpOf is a cluster with these credentials, an Opaque secret named other, and a policy with these sources.
func dumpOf(secrets map[string]string, sources string) string {
	object := func(kind, name, more string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: %s\nmetadata: {name: %s, namespace: pullsecrets, managedFields: [{manager: test}]%s", kind, name, more)
	}
	dump := object("Namespace", "pullsecrets", "}\n") + object("ServiceAccount", "default", "}\n") + object("Secret", "other", "}\ntype: Opaque\n")
	for name, config := range secrets {
		dump += object("Secret", name, fmt.Sprintf("}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: %s}\n", base64.StdEncoding.EncodeToString([]byte(config))))
	}
	return dump + object("ConfigMap", "pullsecrets-policy", fmt.Sprintf(`}
data:
  policy.yaml: |
    apiVersion: pullsecrets/v1alpha1
    kind: Policy
    rules:
    - name: all
      secrets: [%s]
`, sources))
}

// TestThePolicysSources asks about those in a dump, of which one is good, one is not, and others cannot be asked about.
func TestThePolicysSources(t *testing.T) {
	r := start(t, false, nil)
	dump := dumpOf(map[string]string{"good": config(r.host, password), "bad": config(r.host, "wrong")},
		"{source: {name: good}}, {source: {name: bad}}, {source: {name: other}}, {source: {name: missing}}")
	file := filepath.Join(t.TempDir(), "dump.yaml")
	must(t, os.WriteFile(file, []byte(dump), 0o600))
	out, errs := check(t, 1, nil, "", r.host, "-dump", file, "-plain-http", r.host)
	wantText(t, columns(out)+errs, `pullsecrets/bad HOST Refused 401 Unauthorized: UNAUTHORIZED: authentication required
pullsecrets/good HOST Accepted
pullsecrets/missing - NotAsked there is no such secret
pullsecrets/other - NotAsked its type is neither kubernetes.io/dockerconfigjson nor kubernetes.io/dockercfg: make it anew with one of them, a type cannot be changed (WrongType)
refused: put a credential that can log in into pullsecrets/bad; not asked: see what stands beside pullsecrets/missing, pullsecrets/other
`)
	out, errs = check(t, 0, nil, "", r.host, "-dump", file, "-plain-http", r.host, "secret/good", "-n", "pullsecrets")
	wantText(t, columns(out)+errs, "pullsecrets/good HOST Accepted\naccepted: 1 login\n")
	_, errs = check(t, 2, nil, "", "", "-dump", file, "-n", "team-a", "secret/good")
	wantText(t, errs, "pullsecrets: there is no secret team-a/good\n")
	policy := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: [{name: one, secrets: [{source: {name: good}}]}]\n"
	out, errs = check(t, 0, nil, policy, r.host, "-dump", file, "-plain-http", r.host, "-f", "-")
	wantText(t, columns(out)+errs, "pullsecrets/good HOST Accepted\naccepted: 1 login\n")
}

// TestTLSAndAProxy has a registry with a private authority's certificate, which is found through a proxy alone.
func TestTLSAndAProxy(t *testing.T) {
	for _, withTokens := range []bool{false, true} {
		t.Run(fmt.Sprint("tokens ", withTokens), func(t *testing.T) { throughAProxy(t, withTokens) })
	}
}

func throughAProxy(t *testing.T, withTokens bool) {
	authority, certificate := certify(t, "registry.example")
	r := start(t, withTokens, &certificate)
	proxy := startProxy(t, map[string]string{"registry.example:443": r.host})
	environment := []string{"HTTPS_PROXY=http://" + proxy.host}
	text := config("registry.example", password)
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, authority, 0o600))

	out, _ := check(t, 0, environment, text, "", "-config", "-", "-ca-file", file)
	wantText(t, columns(out), "standard input registry.example Accepted\naccepted: 1 login\n")
	if got := proxy.connections(); len(got) == 0 || got[0] != "registry.example:443" {
		t.Errorf("the proxy was asked for %q", got)
	}
	before := len(r.requests())
	out, _ = check(t, 2, environment, text, "", "-config", "-")
	if !strings.Contains(out, "registry.example  Unreachable  tls: failed to verify certificate: x509: certificate signed by unknown authority") {
		t.Error(out)
	}
	if after := r.requests(); len(after) != before {
		t.Errorf("it was asked %q without trust", after[before:])
	}
	_, errs := check(t, 2, nil, text, "", "-config", "-", "-ca-file", os.DevNull)
	wantText(t, errs, "pullsecrets: -ca-file /dev/null: it holds no certificate in PEM\n")
	out, _ = check(t, 2, append(environment, "NO_PROXY=registry.example"), text, "", "-config", "-", "-ca-file", file)
	if !strings.Contains(out, "Unreachable  dial tcp: lookup registry.example") {
		t.Error(out)
	}
}

// certify makes an authority, as PEM, and a certificate of it for hosts.
func certify(t *testing.T, hosts ...string) (authority []byte, certificate tls.Certificate) {
	t.Helper()
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		if signer == nil {
			signer = key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		must(t, err)
		return der, key
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, rootKey := make(root, root, nil)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: hosts, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, key := make(leaf, root, rootKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// proxy leads a CONNECT for a name, with its port, to an address. Others it does not know.
type proxy struct {
	host    string
	targets map[string]string

	mu    sync.Mutex
	asked []string
}

func startProxy(t *testing.T, targets map[string]string) *proxy {
	t.Helper()
	listener := listen(t, nil)
	p := &proxy{host: listener.Addr().String(), targets: targets}
	serve(t, listener, p)
	return p
}

func (p *proxy) connections() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
		http.Error(w, "CONNECT alone, and nothing of what goes through", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Host)
	p.mu.Unlock()
	to, err := net.Dial("tcp", p.targets[r.Host])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, from) }()
	_, _ = io.Copy(from, to)
}
