package registries

import (
	"fmt"
	"io"
	"log"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

var quiet = log.New(io.Discard, "", 0)

// ask asks a registry without TLS.
func ask(t *testing.T, host, username, password string, images ...string) registry.Answer {
	t.Helper()
	config := fmt.Appendf(nil, `{"auths":{%q:{"username":%q,"password":%q}}}`, host, username, password)
	answers := registry.New(registry.Options{PlainHTTP: []string{host}}).
		Ask(t.Context(), cluster.TypeDockerConfigJSON, cluster.NewCredential(config), images...)
	if len(answers) != 1 {
		t.Fatalf("%+v", answers)
	}
	return answers[0]
}

func want(t *testing.T, got registry.Answer, verdict registry.Verdict, detail string) {
	t.Helper()
	if got.Verdict != verdict || got.Detail != detail {
		t.Errorf("%s: %q, want %s: %q", got.Verdict, got.Detail, verdict, detail)
	}
}

// words are what the registry, or its token server, says of a wrong password.
var words = map[bool]string{
	false: "401 Unauthorized: UNAUTHORIZED: authentication required",
	true:  "401 Unauthorized: incorrect username or password",
}

// TestPasswords asks with a right one, with wrong ones, and with one that is revoked.
func TestPasswords(t *testing.T) {
	for withTokens, refusal := range words {
		t.Run(fmt.Sprint("tokens ", withTokens), func(t *testing.T) {
			r := start(t, withTokens, nil)
			want(t, ask(t, r.host, "robot", password), registry.Accepted, "")
			want(t, ask(t, r.host, "robot", "wrong"), registry.Refused, refusal)
			want(t, ask(t, r.host, "nobody", password), registry.Refused, refusal)
			r.users.set(t, "robot", "the next one")
			want(t, ask(t, r.host, "robot", password), registry.Refused, refusal)
			want(t, ask(t, r.host, "robot", "the next one"), registry.Accepted, "")
		})
	}
}

// TestTheExchange holds the requests that a registry sees: none that writes, and the password for the login alone.
func TestTheExchange(t *testing.T) {
	passwords, tokens := start(t, false, nil), start(t, true, nil)
	passwords.push(t, "team/app", "1")
	tokens.push(t, "team/app", "1")
	for r, wanted := range map[*realRegistry][]string{
		passwords: {"GET /v2/", "GET /v2/ Basic", "HEAD /v2/team/app/manifests/1", "HEAD /v2/team/app/manifests/1 Basic"},
		tokens: {"GET /v2/", "GET /token Basic", "GET /v2/ Bearer",
			"HEAD /v2/team/app/manifests/1", "GET /token Basic", "HEAD /v2/team/app/manifests/1 Bearer"},
	} {
		before := len(r.requests())
		ask(t, r.host, "robot", password, r.host+"/team/app:1")
		if diff := cmp.Diff(wanted, r.requests()[before:]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestImages asks for images that are there, that are not, and that are not for everybody.
func TestImages(t *testing.T) {
	r := start(t, true, nil)
	r.push(t, "team/app", "1")
	r.push(t, "team/closed", "1")
	app, closed := r.host+"/team/app", r.host+"/team/closed"
	const refused = "401 Unauthorized, which registries also answer where there is no such repository"
	for username, wanted := range map[string][]registry.Image{
		"robot": {
			{Name: app + ":1", Verdict: registry.Accepted},
			{Name: app + ":2", Verdict: registry.NotFound, Detail: "its repository may be pulled from, and has no 2"},
			{Name: closed + ":1", Verdict: registry.Refused, Detail: refused},
			{Name: r.host + "/team/none:1", Verdict: registry.Refused, Detail: refused},
		},
		"pusher": {
			{Name: app + ":1", Verdict: registry.Accepted},
			{Name: app + ":2", Verdict: registry.NotFound, Detail: "its repository may be pulled from, and has no 2"},
			{Name: closed + ":1", Verdict: registry.Accepted},
			{Name: r.host + "/team/none:1", Verdict: registry.Refused, Detail: refused},
		},
	} {
		got := ask(t, r.host, username, password, app+":1", app+":2", closed+":1", r.host+"/team/none:1")
		want(t, got, registry.Accepted, "")
		if diff := cmp.Diff(wanted, got.Images); diff != "" {
			t.Errorf("%s (-want +got):\n%s", username, diff)
		}
	}
	open := start(t, false, nil) // who has a password may pull everything
	got := ask(t, open.host, "robot", password, open.host+"/team/none:1")
	if diff := cmp.Diff([]registry.Image{{Name: open.host + "/team/none:1", Verdict: registry.NotFound,
		Detail: "404 Not Found: it is not there, or not for this credential"}}, got.Images); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
