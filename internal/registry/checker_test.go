package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const canary = "c4n4ry-p4ssw0rd-of-robot"

// fake is a registry that answers as a test has it, and its host.
func fake(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// credential has an entry for each host, with the same username and password.
func credential(password string, hosts ...string) cluster.Credential {
	var entries []string
	for _, host := range hosts {
		entries = append(entries, fmt.Sprintf(`%q:{"username":"robot","password":%q}`, host, password))
	}
	return cluster.NewCredential([]byte(`{"auths":{` + strings.Join(entries, ",") + `}}`))
}

// ask asks the hosts in clear.
func ask(t *testing.T, c cluster.Credential, hosts ...string) []Answer {
	t.Helper()
	return New(Options{PlainHTTP: hosts}).Ask(t.Context(), cluster.TypeDockerConfigJSON, c)
}

func TestARegistryWithAPassword(t *testing.T) {
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if username, password, _ := r.BasicAuth(); username != "robot" || password != canary {
			w.Header().Set("Www-Authenticate", `Basic realm="private"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong for robot"}]}`)
		}
	})
	for password, want := range map[string]Answer{
		canary:  {Host: host, Verdict: Accepted},
		"other": {Host: host, Verdict: Refused, Detail: "401 Unauthorized: UNAUTHORIZED: wrong for REDACTED"},
	} {
		if diff := cmp.Diff([]Answer{want}, ask(t, credential(password, host), host)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
