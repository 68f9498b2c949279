package cli

import (
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// config is what a command makes of flags.
func config(args ...string) (*rest.Config, error) {
	f := &clusterFlags{}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return f.config()
}

// kubeconfigFor has two clusters, which are two paths of a server, and a user for each way to sign in.
func kubeconfigFor(t *testing.T, server string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	idToken := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp": 99999999999}`)) + ".x"
	writeFile(t, "plugin.sh", []byte("#!/bin/sh\necho '"+
		`{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-plugin"}}`+"'\n"))
	writeFile(t, "kubeconfig", fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: staging
clusters:
- {name: one, cluster: {server: "%[1]s/one", insecure-skip-tls-verify: true}}
- {name: two, cluster: {server: "%[1]s/two", insecure-skip-tls-verify: true}}
users:
- {name: token, user: {token: static}}
- {name: oidc, user: {auth-provider: {name: oidc, config: {idp-issuer-url: "https://dex.acme.example", client-id: kube, id-token: %[2]s}}}}
- {name: plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [plugin.sh], interactiveMode: Never}}}
- {name: other, user: {token: static, as: somebody, as-groups: [some]}}
contexts:
- {name: staging, context: {cluster: one, user: token, namespace: team-a}}
- {name: production, context: {cluster: two, user: oidc}}
`, server, idToken))
	return "kubeconfig"
}

// TestACommandAsksWhomKubectlWouldAsk looks at the request: to which cluster it goes, and as whom.
func TestACommandAsksWhomKubectlWouldAsk(t *testing.T) {
	var asked string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".") // a made-up token has no second part
		asked = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.URL.Path, token, r.Header.Get("Impersonate-User"),
			strings.Join(r.Header.Values("Impersonate-Group"), "+")))
	}))
	defer server.Close()
	kubeconfig := kubeconfigFor(t, server.URL)
	for _, tt := range []struct {
		why  string
		args []string
		want string
	}{
		{"the current context", nil, "/one static"},
		{"another context, which signs in with OpenID Connect", []string{"-context", "production"}, "/two e30"},
		{"the context's user at another cluster", []string{"-cluster", "two"}, "/two static"},
		{"another user, which a plugin signs in", []string{"--user=plugin"}, "/one from-plugin"},
		{"all of them", []string{"-context", "production", "-cluster", "one", "-user", "token"}, "/one static"},
		{"impersonation", []string{"-as", "system:serviceaccount:a:b"}, "/one static system:serviceaccount:a:b"},
		{"with groups", []string{"-as", "jane", "-as-group", "dev,ops", "-as-group", "all"}, "/one static jane dev,ops+all"},
		{"the kubeconfig's own impersonation", []string{"-user", "other"}, "/one static somebody some"},
		{"one person's groups are not another's", []string{"-user", "other", "-as", "jane"}, "/one static jane"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			asked = "nobody"
			c, err := config(append([]string{"-kubeconfig", kubeconfig}, tt.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			client, err := rest.HTTPClientFor(c)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Get(c.Host)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if diff := cmp.Diff(tt.want, asked); diff != "" {
				t.Errorf("(-want +asked):\n%s", diff)
			}
		})
	}
}

// TestAPodImpersonatesToo: clientcmd passes -as over where there is no kubeconfig.
func TestAPodImpersonatesToo(t *testing.T) {
	f := &clusterFlags{as: "jane", asGroups: []string{"dev"}}
	c, err := f.ours(&rest.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rest.ImpersonationConfig{UserName: "jane", Groups: []string{"dev"}}, c.Impersonate); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExplainAsksAboutTheNamespaceThatWasNamed(t *testing.T) {
	kubeconfig := kubeconfigFor(t, "https://localhost")
	for _, tt := range []struct {
		typed                   string // after explain
		namespace, target, fail string
	}{
		{"team-b", "team-b", "", ""},
		{"team-b pod/web", "team-b", "pod/web", ""},
		{"-n team-b pod/web", "team-b", "pod/web", ""},
		{"pod/web -n team-b", "team-b", "pod/web", ""},
		{"-n team-b", "team-b", "", ""},
		{"-n team-b team-b sa/ci", "team-b", "serviceaccount/ci", ""},
		{"pod/web", "team-a", "pod/web", ""},
		{"", "team-a", "", ""},
		{"-context production", "default", "", ""},
		{"-namespace elsewhere", "team-a", "", ""},
		{"-n team-b team-c", "", "", "name one namespace"},
		{"-n No", "", "", `"No" is not the name of a namespace`},
		{"team-b pod/web pod/db", "", "", "explain -n team-a deployment/web"},
		{"team-b -", "", "", `"-": one of pod`},
		{"pod web", "", "", `"web": one of pod, serviceaccount, deployment`},
	} {
		t.Run(tt.typed, func(t *testing.T) {
			f := &explainFlags{}
			fs := newFlagSet("explain", t.Output())
			f.register(fs)
			args, err := interspersed(fs, append([]string{"-kubeconfig", kubeconfig}, strings.Fields(tt.typed)...))
			if err != nil {
				t.Fatal(err)
			}
			namespace, target, err := f.target(args)
			if tt.fail != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Fatalf("said %v, want %q in it", err, tt.fail)
				}
				return
			}
			if err != nil || namespace != tt.namespace || target.String() != tt.target {
				t.Errorf("namespace %q, target %q, %v; want %q, %q", namespace, target, err, tt.namespace, tt.target)
			}
		})
	}
}

// TestASignInThatFailsIsToldOnce: each request in vain may ask a person for a password.
func TestASignInThatFailsIsToldOnce(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	kubeconfig := kubeconfigFor(t, server.URL)
	writeFile(t, "policy.yaml", []byte("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: a\n  secrets: [{source: {name: s}}]\n"))
	for _, command := range []string{"plan -f policy.yaml", "explain team-a", "explain -f policy.yaml team-a"} {
		asked = 0
		said := typedAt(t, command+" -kubeconfig "+kubeconfig)
		if asked != 1 || strings.Count(said, "provide credentials") != 1 {
			t.Errorf("%s asked %d times and said\n%s", command, asked, said)
		}
		server.CloseClientConnections()
	}
	server.Close()
	for _, command := range []string{"plan -f policy.yaml", "explain team-a"} {
		if said := typedAt(t, command+" -kubeconfig "+kubeconfig); strings.Count(said, "connection refused") != 1 {
			t.Errorf("without a server, %s said\n%s", command, said)
		}
	}
}
