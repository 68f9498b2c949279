package cli

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
)

// TestRegistriesAreAskedAsTheFlagsSay: over TLS with a private authority that is named, in clear where the host is named, and
// otherwise not at all.
func TestRegistriesAreAskedAsTheFlagsSay(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "right" {
			w.Header().Set("Www-Authenticate", `Basic realm="private"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	secure, plain := httptest.NewTLSServer(answer), httptest.NewServer(answer)
	defer secure.Close()
	defer plain.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	host := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	for _, c := range []struct {
		why, host, password string
		flags               registryFlags
		want                decide.Verdict
	}{
		{"it takes the credential", secure.URL, "right", registryFlags{caFile: authority}, decide.Accepted},
		{"it does not", secure.URL, "wrong", registryFlags{caFile: authority}, decide.Refused},
		{"nobody vouches for it", secure.URL, "right", registryFlags{}, decide.Unreachable},
		{"in clear, and named", plain.URL, "right", registryFlags{plainHTTP: "elsewhere, " + host(plain.URL)}, decide.Accepted},
		{"in clear, and not named", plain.URL, "right", registryFlags{}, decide.Unreachable},
	} {
		ask, err := c.flags.ask()
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t.Context(), &cluster.Source{
			Secret:     &cluster.Secret{Type: cluster.TypeDockerConfigJSON},
			Credential: cluster.NewCredential(fmt.Appendf(nil, `{"auths":{%q:{"username":"robot","password":%q}}}`, host(c.host), c.password)),
		})
		if len(got) != 1 || got[0].Verdict != c.want || got[0].Host != host(c.host) {
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}

func TestFlagsOfRegistriesThatAreWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, flags := range map[string]registryFlags{
		"no such file":           {caFile: empty + ".missing"},
		"no certificate in PEM":  {caFile: empty},
		"without a scheme":       {plainHTTP: "localhost:5000,http://hub.example"},
		`"hub.example/v2" is no`: {plainHTTP: "hub.example/v2"},
		"has an @ in it":         {plainHTTP: "me:pw@hub.example"},
	} {
		if _, err := flags.ask(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", flags, err, want)
		}
	}
}

// TestAnImageWithoutCertificatesTrustsThePublicOnes: ours holds the program alone.
func TestAnImageWithoutCertificatesTrustsThePublicOnes(t *testing.T) {
	if public := publicRoots(); public.Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
	if os.Getenv("SSL_CERT_FILE") == "/none" {
		if !roots(nil).Equal(publicRoots()) {
			t.Error("others are trusted")
		}
		return
	}
	t.Setenv("SSL_CERT_FILE", "/none")
	t.Setenv("SSL_CERT_DIR", "/none")
	if out, err := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
