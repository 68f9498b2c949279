package registry

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

var quiet = log.New(io.Discard, "", 0)

// TestWhatRepeatsTheCredentialIsNotTold has registries say the credential in every place that is told on.
func TestWhatRepeatsTheCredentialIsNotTold(t *testing.T) {
	both := "robot:" + canary
	config := string(credential(canary, "x").Reveal())
	for name, echo := range map[string]string{
		"the password":               canary,
		"in capitals":                strings.ToUpper(canary),
		"a part of it":               canary[3:14],
		"cut by white space":         canary[:12] + "\n" + canary[12:],
		"base64 of it":               base64.StdEncoding.EncodeToString([]byte(canary)),
		"base64 of both":             base64.StdEncoding.EncodeToString([]byte(both)),
		"base64 for URLs":            base64.URLEncoding.EncodeToString([]byte(both)),
		"base64 of all":              base64.StdEncoding.EncodeToString([]byte(config)),
		"base64 of more, one byte":   base64.StdEncoding.EncodeToString([]byte("-" + config)),
		"base64 of more, two bytes":  base64.StdEncoding.EncodeToString([]byte("--" + config)),
		"percent":                    url.QueryEscape(canary),
		"hexadecimal":                hex.EncodeToString([]byte(canary)),
		"after a long introduction":  strings.Repeat("very ", 36) + canary,
		"the header":                 "Basic " + base64.StdEncoding.EncodeToString([]byte(both)),
		"the token that it gave out": "t0k3n-that-was-given",
	} {
		t.Run(name, func(t *testing.T) {
			body := fmt.Sprintf(`{"errors":[{"code":%q,"message":%q,"detail":%q}],"token":""}`, echo, echo, echo)
			given := tokens(t, answering(200, asJSON, `{"token":"t0k3n-that-was-given"}`), answering(403, asJSON, body))
			servers := []*server{
				given,
				start(t, challenged(answering(401, asJSON, body), basic)),
				start(t, challenged(answering(503, asJSON, body), basic)),
				start(t, challenged(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", "http://"+echo+".example/")
					w.WriteHeader(302)
				}, basic)),
				start(t, challenged(func(w http.ResponseWriter, _ *http.Request) {
					connection, _, _ := w.(http.Hijacker).Hijack()
					fmt.Fprintf(connection, "%s\r\n\r\n", echo)
					_ = connection.Close()
				}, basic)),
				start(t, answering(401, asJSON, body)),
				start(t, challenged(nil, fmt.Sprintf("Bearer realm=%q", "http://"+echo+".example/token"))),
				tokens(t, answering(401, asJSON, body), nil),
				tokens(t, answering(500, asJSON, body), nil),
			}
			if name == "the token that it gave out" { // to the others it is a word as any other
				servers = servers[:1]
			}
			for _, s := range servers {
				got := strings.ToLower(fmt.Sprintf("%+v", askOne(t, Options{PlainHTTP: []string{s.host}}, s.host, s.host+"/team/app")))
				for _, part := range []string{echo, canary[4:14]} {
					if strings.Contains(got, strings.ToLower(part)) {
						t.Errorf("told %s", got)
					}
				}
			}
		})
	}
}

// TestTheFormsOfACredential has credentials come back as texts, pages and logs write them.
func TestTheFormsOfACredential(t *testing.T) {
	const token = "glpat-x7Yz-1234567890"
	for name, c := range map[string]struct{ username, password, text, left string }{
		"a line's end that the registry trims": {"robot", "hunter2\n", "no such user: robot/hunter2", ""},
		"spaces that are made one":             {"robot", "a  b1c2d", "wrong: a b1c2d", ""},
		"spaces that are left out":             {"robot", "a  b1c2d", "wrong: ab1c2d", ""},
		"escaped for a page":                   {"robot", "a<b&c>d", "wrong: a&lt;b&amp;c&gt;d", ""},
		"escaped by numbers":                   {"robot", "a<b&c>d", "wrong: a&#60;b&#x26;c&#62;d", ""},
		"a tab":                                {"robot", "hunter2\thunter2", "wrong: hunter2\thunter2", ""},
		"a tab as a log writes it":             {"robot", "hunter2\thunter2", `wrong: "hunter2\thunter2"`, ""},
		"cut by what has no width":             {"robot", "hunter2", "wrong: hun\u200bter2", ""},
		"cut by what has no width, escaped":    {"robot", "hunter2", "wrong: hun&#8203;ter2", ""},
		"a token for a username":               {token, "x-oauth-basic", "no user " + token, "no user REDACTED"},
		"a part of it":                         {token, "x-oauth-basic", "no user " + token[:12] + "...", ""},
		"a username for an address":            {"acme+puller", "hunter2", "no user acme%2Bpuller", "no user REDACTED"},
		"a username for a page":                {"acme<puller>", "hunter2", "no user acme&lt;puller&gt;", ""},
		"a username that the host has too":     {"registry-robot", "hunter2", "lookup registry.example.com: no such host", "lookup registry.example.com: no such host"},
		"a short one":                          {"robot", "hunter2", "no user Robot", "no user REDACTED"},
		"nothing of it":                        {"oauth2accesstoken", "hunter2", "give an access token", "give an access token"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &exchange{host: "registry.example.com", witness: &witness{}, login: cluster.Login{
				Username: cluster.NewCredential([]byte(c.username)), Password: cluster.NewCredential([]byte(c.password)),
			}}
			if c.left == "" {
				c.left = "(not shown, since it repeats the credential)"
			}
			if got := e.quote(c.text); got != c.left {
				t.Errorf("%q is told as %q, want %q", c.text, got, c.left)
			}
		})
	}
}

// FuzzWhatIsQuoted wants one short line with nothing of the credential, whatever is said.
func FuzzWhatIsQuoted(f *testing.F) {
	f.Add("robot", "s3cret-of-robot", "denied for robot: s3cret-of-robot\x1b[31m")
	f.Add("a", "b", "abc")
	f.Add("İ", "passwordİ", "İİ passwordi̇")
	f.Add("", "\xff\xfe", "\xff\xfe and more")
	f.Fuzz(func(t *testing.T, username, password, text string) {
		e := &exchange{witness: &witness{}, login: cluster.Login{
			Username: cluster.NewCredential([]byte(username)), Password: cluster.NewCredential([]byte(password)),
		}}
		got := e.quote(text)
		if utf8.RuneCountInString(got) > maxWords+1 || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is long, or no text", got)
		}
		own := "(not shown, since it repeats the credential) REDACTED …"
		if password != "" && strings.Contains(got, password) && !strings.Contains(own, password) {
			t.Errorf("%q holds the password %q", got, password)
		}
	})
}

// FuzzChallenges wants no answer, and no panic, of challenges that nobody can read; one that is left of several is one of
// them.
func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://a.example/token"`, "Basic")
	f.Add("Negotiate", ` bearer `)
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{"Www-Authenticate": {a, b}}
		preferBearer(h)
		got := h["Www-Authenticate"]
		if len(got) == 2 && (got[0] != a || got[1] != b) || len(got) == 1 && got[0] != strings.TrimSpace(a) && got[0] != strings.TrimSpace(b) || len(got) == 0 {
			t.Errorf("%q of %q and %q", got, a, b)
		}
	})
}
