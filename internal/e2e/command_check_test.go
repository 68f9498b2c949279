package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// loudRegistry takes one password, and says back whatever it is sent.
func loudRegistry(t *testing.T, password string) (host string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, given, _ := r.BasicAuth()
		if username == "robot" && given == password {
			return
		}
		w.Header().Set("Www-Authenticate", `Basic realm="private"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":%q}]}`, "no entry for "+given+" "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

const twoSources = `
- name: hub
  secrets: [{source: {name: good}, name: PREFIXgood}, {source: {name: bad}, name: PREFIXbad}]
  namespaces: {include: ["PREFIX*"]}
`

// TestCheckAsksTheRegistriesOfTheSources asks with the policy of the cluster, with one in a file and for one copy, and what
// it may not read it says.
func TestCheckAsksTheRegistriesOfTheSources(t *testing.T) {
	s := newSandbox(t)
	host := loudRegistry(t, "right-"+harness.Canary)
	s.Source("good", api.Credential(host, "right-"+harness.Canary))
	s.Source("bad", api.Credential(host, "wrong-"+harness.Canary))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", twoSources)
	s.WantCopy(ns, "bad", api.Credential(host, "wrong-"+harness.Canary))
	reader := s.readerOf("good")

	check := func(status int, want string, args ...string) {
		t.Helper()
		got, out, errs := s.Command(append([]string{"check", "-kubeconfig", s.Kubeconfig, "-plain-http", host}, args...)...)
		if got != status || !strings.Contains(strings.Join(strings.Fields(out+errs), " "), want) {
			t.Errorf("%q: exit %d, want %d and %q\n%s%s", args, got, status, want, out, errs)
		}
		for _, form := range []string{harness.Canary, base64.StdEncoding.EncodeToString([]byte("robot:right-" + harness.Canary))[8:20],
			base64.StdEncoding.EncodeToString([]byte("robot:wrong-" + harness.Canary))[8:20]} {
			if strings.Contains(out+errs, form) {
				t.Errorf("%q leaks:\n%s%s", args, out, errs)
			}
		}
	}
	const refused = "Refused 401 Unauthorized: (not shown, since it repeats the credential)"
	check(1, "pullsecrets/bad "+host+" "+refused+" pullsecrets/good "+host+" Accepted refused: put a credential that can log in into pullsecrets/bad")
	check(1, `"verdict": "Refused"`, "-o", "json")
	file := s.PolicyFile(strings.Replace(twoSources, ", {source: {name: bad}, name: PREFIXbad}", "", 1))
	check(0, "pullsecrets/good "+host+" Accepted accepted: 1 login", "-f", file)
	check(0, "accepted: 1 login", "-f", file, "-as", reader)
	check(2, `pullsecrets/bad - NotAsked read the secret pullsecrets/bad: secrets "bad" is forbidden`, "-f", s.PolicyFile(twoSources), "-as", reader)
	check(2, "is forbidden", "-as", reader) // the policy
	check(1, ns+"/"+s.Name("bad")+" "+host+" "+refused, "-n", ns, "secret/"+s.Name("bad"))
	check(0, ns+"/"+s.Name("good")+" "+host+" Accepted", "-n", ns, "secret/"+s.Name("good"), "-image", host+"/team/app")
	check(2, "there is no secret "+ns+"/none", "-n", ns, "secret/none")
}

// readerOf makes a user who may get one source, and waits until the API server knows it.
func (s *sandbox) readerOf(source string) (user string) {
	s.T.Helper()
	user = s.Name("reader")
	for _, u := range harness.Objects(s.T, fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[1]s, namespace: %[2]s}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [%[3]s], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user, api.Home, source)) {
		s.Manifest(u)
	}
	s.Eventually("the user may get the source", func() error {
		_, err := s.Kubectl("", "auth", "can-i", "get", "secret/"+source, "-n", api.Home, "--as", user)
		return err
	})
	return user
}
