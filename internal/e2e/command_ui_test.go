package e2e

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// served is pullsecrets ui as it runs.
type served struct {
	s  *sandbox
	p  *harness.Program
	at string
}

func (s *sandbox) ui(kubeconfig string) *served {
	s.T.Helper()
	u := &served{s: s, p: s.Program("ui", "-kubeconfig", kubeconfig, "-namespace", api.Home)}
	s.Eventually("the address is printed", func() error {
		u.at, _, _ = strings.Cut(u.p.Out.String(), "\n")
		if !strings.HasPrefix(u.at, "http://127.0.0.1:") {
			return fmt.Errorf("%q %s", u.at, u.p.Errors)
		}
		return nil
	})
	return u
}

func (u *served) get(query string) string {
	u.s.T.Helper()
	answer, err := http.Get(u.at + query)
	harness.Must(u.s.T, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	harness.Must(u.s.T, err)
	if answer.StatusCode != http.StatusOK {
		u.s.T.Fatalf("%s: %s\n%s", query, answer.Status, text)
	}
	return string(text)
}

// wants waits until the page of a query has these texts, and has not those.
func (u *served) wants(query string, want []string, absent ...string) {
	u.s.T.Helper()
	u.s.Eventually(fmt.Sprintf("%s tells %q and not %q", query, want, absent), func() error {
		text := u.get(query)
		for _, w := range want {
			if !strings.Contains(text, w) {
				return fmt.Errorf("it lacks %q:\n%s", w, text[strings.Index(text, "<header"):strings.Index(text, "<footer")])
			}
		}
		for _, w := range absent {
			if strings.Contains(text, w) {
				return fmt.Errorf("it has %q", w)
			}
		}
		return nil
	})
}

// TestUITellsWhatAPersonMayKnow to people with the rights that a cluster has for its users: with the component viewer, with no more
// than get on the two ConfigMaps, with nothing, and as rights come and go.
func TestUITellsWhatAPersonMayKnow(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	ns, foreign := s.Namespace("team"), s.Namespace("foreign")
	s.Create(api.Secrets, api.Secret(foreign, s.Name("reg"), api.Credential("theirs.example", harness.Canary)))
	s.Start()
	s.Policy(harness.OneRule, "pullsecrets/revision=r-ui")
	s.WantList(ns, "default", "+reg")
	for _, account := range []string{"viewer", "getter", "nobody"} {
		s.member(ns, account, "system:aggregate-to-view")
	}
	s.viewer(ns, "viewer")
	getter := api.Object("rbac.authorization.k8s.io/v1", "Role", api.Home, "getter")
	getter.Object["rules"] = []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"},
		"resourceNames": []any{"pullsecrets-policy", "pullsecrets-status"}, "verbs": []any{"get"}}}
	s.Manifest(getter)
	s.Manifest(binding(api.Home, "getter", "Role", "getter", ns, "getter"))
	as := func(account string) string {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		harness.Must(t, os.WriteFile(file, []byte(s.kubeconfigOf(ns, account)), 0o600))
		return file
	}
	const notListed = "which namespaces there are is not known"

	all := s.ui(s.Kubeconfig)
	all.wants("", []string{"ForeignSecret", "<code>" + foreign + "</code>", "<code>" + ns + "</code>", "r-ui", "hub.example"}, "Not known")
	viewer := s.ui(as("viewer"))
	viewer.wants("", []string{"ForeignSecret", "<code>" + foreign + "</code>", notListed, "you may not read it"}, "<code>"+ns+"</code>", "read every five seconds")
	viewer.wants("?q="+ns, []string{"rule hub: selects it", "there; pullsecrets added it"})
	get := s.ui(as("getter"))
	get.wants("", []string{"ForeignSecret", "<code>" + foreign + "</code>", notListed, "read every five seconds"})
	nobody := s.ui(as("nobody"))
	nobody.wants("", []string{"what came of the policy is not known", "you may not read it"}, "ForeignSecret", "rule hub")
	nobody.wants("?q="+ns, []string{"you may not read the status ConfigMap", "kustomize/components/viewer"})
	nobody.wants("?q=other", []string{"you may not"})

	// The problem goes, and all who may know are told.
	s.Delete(api.Secrets, foreign, s.Name("reg"))
	for _, u := range []*served{all, viewer, get} {
		u.wants("", []string{"In force", "<code>hub</code>"}, "ForeignSecret")
	}
	// A person who is given rights is shown more, and need not begin anew.
	s.Manifest(binding(api.Home, "later", "Role", "getter", ns, "nobody"))
	nobody.wants("", []string{"<code>hub</code>", "r-ui"}, "what came of the policy is not known")

	for _, u := range []*served{all, viewer, get, nobody} {
		for _, query := range []string{"", "fragment", "?q=" + ns, "?q=" + foreign, "?q=" + ns + "&of=sa/default", "?q=" + foreign + "&of=pod/none"} {
			text := u.get(query)
			for what, form := range map[string]string{"raw": harness.Canary, "base64": base64.StdEncoding.EncodeToString([]byte(harness.Canary))[:12],
				"with its user": base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))[:18], "a token": "eyJhbGciOi"} {
				if strings.Contains(text+u.p.Out.String()+u.p.Errors.String(), form) {
					t.Errorf("%s holds a credential, %s", query, what)
				}
			}
		}
	}
}

// TestUIEndsWhenItIsInterrupted also while a page listens, which is told of changes until then.
func TestUIEndsWhenItIsInterrupted(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	ns := s.Namespace("a")
	s.Start()
	s.Policy(harness.OneRule)
	u := s.ui(s.Kubeconfig)
	u.wants("", []string{"<code>" + ns + "</code>", "In force"})
	answer, err := http.Get(u.at + "events")
	harness.Must(t, err)
	defer answer.Body.Close()
	said := make(chan string, 100)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				said <- text
			}
		}
	}()
	b := s.Namespace("b")
	s.Create(api.Secrets, api.Secret(b, "theirs", api.Credential("theirs.example", harness.Canary)))
	s.Eventually("the page is told", func() error {
		select {
		case text := <-said:
			if strings.Contains(text, harness.Canary) {
				t.Error("an event holds a credential")
			}
			return nil
		default:
			return errors.New("not yet")
		}
	})
	u.wants("", []string{"<code>" + b + "</code>"})
	u.p.Stop()
	if u.p.Status != 0 {
		t.Errorf("it ends with %d: %s", u.p.Status, u.p.Errors)
	}
	for range said { // until the connection is closed
	}
}
