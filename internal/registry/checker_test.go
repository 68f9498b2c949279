package registry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const canary = "c4n4ry-p4ssw0rd-of-robot"

// server answers as a test has it, and remembers what it was asked.
type server struct {
	*httptest.Server
	host string

	mu       sync.Mutex
	asked    []string // METHOD PATH
	sent     []string // what Authorization headers said
	answered http.HandlerFunc
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	if a := r.Header.Get("Authorization"); a != "" {
		s.sent = append(s.sent, a)
	}
	s.mu.Unlock()
	s.answered(w, r)
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// authorizations are what the server was sent in Authorization headers.
func (s *server) authorizations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// start starts a server without TLS. It may be asked to hang.
func start(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{answered: answer}
	s.Server = httptest.NewServer(s)
	s.host = strings.TrimPrefix(s.URL, "http://")
	t.Cleanup(s.Close)
	return s
}

func startTLS(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{answered: answer}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = quiet
	s.StartTLS()
	s.host = strings.TrimPrefix(s.URL, "https://")
	t.Cleanup(s.Close)
	return s
}

func (s *server) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// credential has an entry for each host, with the same username and password.
func credential(password string, hosts ...string) cluster.Credential {
	var entries []string
	for _, host := range hosts {
		entries = append(entries, fmt.Sprintf(`%q:{"username":"robot","password":%q}`, host, password))
	}
	return cluster.NewCredential([]byte(`{"auths":{` + strings.Join(entries, ",") + `}}`))
}

// askOne asks one host with the canary.
func askOne(t *testing.T, o Options, host string, images ...string) Answer {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, time.Minute) // the machine may be busy
	answers := New(o).Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, host), images...)
	if len(answers) != 1 {
		t.Fatalf("there are %d answers: %+v", len(answers), answers)
	}
	holdNothing(t, fmt.Sprintf("%+v", answers))
	return answers[0]
}

// holdNothing wants no form of the canary in a text.
func holdNothing(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:12], base64.StdEncoding.EncodeToString([]byte("robot:" + canary))[8:24]} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the credential", text)
		}
	}
}

func want(t *testing.T, got Answer, v Verdict, detail string) {
	t.Helper()
	if got.Verdict != v || !strings.Contains(got.Detail, detail) || detail == "" && got.Detail != "" {
		t.Errorf("%s: %s: %q, want %s: %q", got.Host, got.Verdict, got.Detail, v, detail)
	}
}

// challenged answers 401 with challenges as long as nothing is sent, and then as told.
func challenged(then http.HandlerFunc, challenges ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			then(w, r)
			return
		}
		for _, c := range challenges {
			w.Header().Add("Www-Authenticate", c)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func answering(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const (
	basic  = `Basic realm="private"`
	asJSON = "application/json"
	asHTML = "text/html; charset=utf-8"
)

// TestWhatAnAnswerMeans tells definite answers from those that say nothing of the credential.
func TestWhatAnAnswerMeans(t *testing.T) {
	ok := answering(200, asJSON, "{}")
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		verdict Verdict
		detail  string
	}{
		"it takes the password":                 {challenged(ok, basic), Accepted, ""},
		"it takes it among other schemes":       {challenged(ok, "Negotiate", `basic realm="x"`), Accepted, ""},
		"it does not":                           {challenged(answering(401, asJSON, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong for robot"}]}`), basic), Refused, "401 Unauthorized: UNAUTHORIZED: wrong for REDACTED"},
		"it forbids":                            {challenged(answering(403, asJSON, `{"errors":[{"code":"DENIED","message":"blocked"}]}`), basic), Refused, "403 Forbidden: DENIED: blocked"},
		"its words are those of another form":   {challenged(answering(401, asJSON, `{"details":"incorrect username or secret"}`), basic), Refused, "401 Unauthorized: incorrect username or secret"},
		"an expired token, as ECR tells it":     {challenged(answering(400, asJSON, `{"errors":[{"code":"DENIED","message":"Your Authorization Token is invalid."}]}`), basic), Refused, "400 Bad Request: DENIED: Your Authorization Token is invalid."},
		"too many logins, as forbidden":         {challenged(answering(403, asJSON, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`), basic), Unreachable, "403 Forbidden: TOOMANYREQUESTS: slow down"},
		"too many logins, as unauthorized":      {challenged(answering(401, asJSON, `{"errors":[{"code":"UNAUTHORIZED","message":"toomanyrequests: too many failed login attempts"}]}`), basic), Unreachable, "401 Unauthorized"},
		"too many logins, in other words":       {challenged(answering(400, asJSON, `{"errors":[{"code":"DENIED","message":"Too many requests."}]}`), basic), Unreachable, "400 Bad Request"},
		"something before it forbids":           {challenged(answering(403, asHTML, `<h1>blocked</h1>`), basic), Unreachable, "403 Forbidden"},
		"it lets nobody in":                     {answering(403, asJSON, `{}`), Unreachable, "403 Forbidden: it lets nobody in from here"},
		"it lets everybody in":                  {ok, Anonymous, "it asks for no credential"},
		"a web page":                            {answering(200, asHTML, "<html>hello</asHTML>"), NoRegistry, "it answers 200 OK with a web page"},
		"a web page with a password":            {challenged(answering(200, asHTML, "<html>hello</asHTML>"), basic), NoRegistry, "with a web page"},
		"a web page that is not there":          {answering(404, asHTML, "<html>gone</asHTML>"), NoRegistry, "404 Not Found"},
		"nothing there":                         {answering(404, "text/plain", "404 page not found"), NoRegistry, "it answers 404 Not Found to /v2/"},
		"nothing there, behind a password":      {challenged(answering(404, "text/plain", ""), basic), NoRegistry, "404 Not Found"},
		"too many requests":                     {answering(429, asJSON, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`), Unreachable, "429 Too Many Requests: TOOMANYREQUESTS: slow down"},
		"too many logins":                       {challenged(answering(429, asJSON, `{"errors":[{"code":"DENIED","message":"slow down"}]}`), basic), Unreachable, "429 Too Many Requests"},
		"out of order":                          {answering(503, asHTML, "<html>sorry</asHTML>"), Unreachable, "503 Service Unavailable"},
		"out of order after the login":          {challenged(answering(502, "", ""), basic), Unreachable, "502 Bad Gateway"},
		"no challenge":                          {answering(401, asJSON, "{}"), Unreachable, "does not say how to log in"},
		"a challenge of another kind":           {challenged(ok, "Negotiate"), Unreachable, "in no way that the kubelet knows"},
		"several in one line":                   {challenged(ok, `Negotiate, Basic realm="x"`), Unreachable, "in no way that the kubelet knows"},
		"nonsense":                              {challenged(ok, `",,,=="\x00`), Unreachable, ""},
		"a token, and no realm":                 {challenged(ok, `Bearer service="x"`), Unreachable, "its challenge names no token server"},
		"a token of a realm that is no address": {challenged(ok, `Bearer realm="::::"`), Unreachable, "its challenge cannot be met"},
		"a token of another scheme":             {challenged(ok, `Bearer realm="file:///etc/passwd"`), Unreachable, "its challenge cannot be met"},
		"a redirect to nowhere":                 {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, Unreachable, "302 Found"},
		"a redirect that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://[::1")
			w.WriteHeader(302)
		}, Unreachable, "302 Found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.answer)
			got := askOne(t, Options{PlainHTTP: []string{strings.ToUpper(s.host)}}, s.host)
			if c.detail == "" && c.verdict != Accepted {
				c.detail = got.Detail
			}
			want(t, got, c.verdict, c.detail)
		})
	}
}

// tokens is a registry whose realm is told apart by its path.
func tokens(t *testing.T, token http.HandlerFunc, then http.HandlerFunc) *server {
	t.Helper()
	var s *server
	s = start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/token" { // below /v2/, as that of GCR
			token(w, r)
			return
		}
		challenged(then, `Basic realm="x"`, fmt.Sprintf(`Bearer realm="http://%s/v2/token",service="here",scope="a b"`, s.host))(w, r)
	})
	return s
}

func TestATokenServer(t *testing.T) {
	good := answering(200, asJSON, `{"token":"good"}`)
	var asked string
	s := tokens(t, func(w http.ResponseWriter, r *http.Request) {
		username, password, _ := r.BasicAuth()
		asked = username + ":" + password + " " + r.URL.RawQuery
		good(w, r)
	}, answering(200, asJSON, "{}"))
	want(t, askOne(t, Options{PlainHTTP: []string{s.host}}, s.host), Accepted, "")
	if asked != "robot:"+canary+" scope=a&scope=b&service=here" {
		t.Errorf("it was asked %q", asked)
	}
	if sent := s.authorizations(); len(sent) != 2 || sent[1] != "Bearer good" {
		t.Errorf("it was sent %q", sent)
	}
	for name, c := range map[string]struct {
		token, then http.HandlerFunc
		verdict     Verdict
		detail      string
	}{
		"it refuses":                     {answering(401, asJSON, `{"details":"incorrect username or secret"}`), nil, Refused, "401 Unauthorized: incorrect username or secret"},
		"it denies":                      {answering(403, asJSON, `{"errors":[{"code":"DENIED","message":"denied"}]}`), nil, Refused, "403 Forbidden: DENIED: denied"},
		"it refuses without a word":      {answering(401, "", ``), nil, Refused, "401 Unauthorized"},
		"it denies in OAuth's words":     {answering(403, asJSON, `{"error":"access_denied"}`), nil, Refused, "403 Forbidden: access_denied"},
		"something before it forbids":    {answering(403, "text/plain", `Forbidden`), nil, Unreachable, "gives no token: 403 Forbidden"},
		"a gateway forbids":              {answering(403, asJSON, `{"message":"Forbidden"}`), nil, Unreachable, "gives no token: 403 Forbidden"},
		"a store forbids":                {answering(403, "application/xml", `<Error><Code>AccessDenied</Code></Error>`), nil, Unreachable, "gives no token: 403 Forbidden"},
		"it forbids without a word":      {answering(403, "", ``), nil, Unreachable, "gives no token: 403 Forbidden"},
		"it has been asked too often":    {answering(401, asJSON, `{"details":"too many requests"}`), nil, Unreachable, "gives no token: 401 Unauthorized"},
		"it is out of order":             {answering(500, asHTML, ``), nil, Unreachable, "gives no token: 500 Internal Server Error"},
		"it is busy":                     {answering(429, asJSON, ``), nil, Unreachable, "429 Too Many Requests"},
		"it is not there":                {answering(404, asJSON, ``), nil, Unreachable, "404 Not Found"},
		"it gives no token":              {answering(200, asJSON, `{}`), nil, Unreachable, "200 OK with something else"},
		"it is a web page":               {answering(200, asHTML, `<html>`), nil, Unreachable, "200 OK with something else"},
		"the registry refuses the token": {good, answering(401, asJSON, `{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}`), Refused, "401 Unauthorized: UNAUTHORIZED: no"},
		"the registry does not know it": {good, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="x",error="invalid_token"`)
			w.WriteHeader(401)
		}, Unreachable, "given just now"},
		"the registry does not know it, unquoted": {good, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="x", error=invalid_token`)
			w.WriteHeader(401)
		}, Unreachable, "given just now"},
		"the token is not for logins": {good, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", `Bearer realm="x",error="insufficient_scope"`)
			w.WriteHeader(403)
		}, Unreachable, "403 Forbidden"},
		"the registry is then out of order": {good, answering(503, asJSON, ``), Unreachable, "503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tokens(t, c.token, c.then)
			want(t, askOne(t, Options{PlainHTTP: []string{s.host}}, s.host), c.verdict, c.detail)
		})
	}
}

// TestTheCredentialGoesNowhereElse has registries and token servers send the credential elsewhere.
func TestTheCredentialGoesNowhereElse(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			other := start(t, challenged(answering(200, asJSON, `{"token":"t"}`), basic))
			elsewhere := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+other.host+"/v2/", status) }
			named := func(hosts ...string) Options { return Options{PlainHTTP: append(hosts, other.host)} }

			at := start(t, elsewhere)
			want(t, askOne(t, named(at.host), at.host), Unreachable, "it redirects to "+other.host)
			after := start(t, challenged(elsewhere, basic))
			want(t, askOne(t, named(after.host), after.host), Unreachable, "it redirects to "+other.host)
			realm := tokens(t, elsewhere, nil)
			want(t, askOne(t, named(realm.host), realm.host), Unreachable, "it redirects to "+other.host)
			image := start(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					challenged(answering(200, asJSON, "{}"), basic)(w, r)
					return
				}
				elsewhere(w, r)
			})
			got := askOne(t, named(image.host), image.host, image.host+"/team/app")
			want(t, got, Accepted, "")
			if i := got.Images[0]; i.Verdict != Unreachable || !strings.Contains(i.Detail, "it redirects to") {
				t.Errorf("the image: %+v", i)
			}
			if asked := other.requests(); len(asked) > 0 {
				t.Errorf("the other host was asked %q, and sent %q", asked, other.authorizations())
			}
		})
	}
}

// TestNothingGoesInClear has a registry with TLS name a realm without, and asks one without TLS that is not named.
func TestNothingGoesInClear(t *testing.T) {
	clear := start(t, answering(200, asJSON, `{"token":"t"}`))
	s := startTLS(t, challenged(answering(200, asJSON, "{}"), fmt.Sprintf(`Bearer realm="http://%s/token"`, clear.host)))
	want(t, askOne(t, Options{RootCAs: s.pool()}, s.host), Unreachable, "uses http but registry was contacted over https")
	want(t, askOne(t, Options{RootCAs: s.pool(), PlainHTTP: []string{clear.host}}, s.host), Unreachable, "uses http but registry was contacted over https")
	named := start(t, challenged(answering(200, asJSON, "{}"), fmt.Sprintf(`Bearer realm="http://%s/token"`, clear.host)))
	want(t, askOne(t, Options{PlainHTTP: []string{named.host}}, named.host), Unreachable, clear.host+" would have to be asked without TLS")
	want(t, askOne(t, Options{}, clear.host), Unreachable, "it answers without TLS")
	if asked := clear.requests(); len(asked) > 0 {
		t.Errorf("it was asked in clear: %q", asked)
	}
	want(t, askOne(t, Options{PlainHTTP: []string{s.host}}, s.host), Unreachable, "400 Bad Request") // the other way round
	if len(s.authorizations()) > 0 {
		t.Errorf("it was sent %q", s.authorizations())
	}
}

func TestACertificateThatIsNotTrusted(t *testing.T) {
	s := startTLS(t, challenged(answering(200, asJSON, "{}"), basic))
	want(t, askOne(t, Options{}, s.host), Unreachable, "certificate signed by unknown authority")
	if asked := s.requests(); len(asked) > 0 {
		t.Errorf("it was asked: %q", asked)
	}
	want(t, askOne(t, Options{RootCAs: s.pool()}, s.host), Accepted, "")
}

// TestAnOldTLS has a registry that knows no TLS of today.
func TestAnOldTLS(t *testing.T) {
	s := &server{answered: answering(200, asJSON, "{}")}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = quiet
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(s.URL, "https://")
	want(t, askOne(t, Options{RootCAs: s.pool()}, s.host), Unreachable, "protocol version not supported")
}

// TestARealmThatIsNotWhereItShouldBe has a registry name realms by which somebody might reach what only this machine does.
func TestARealmThatIsNotWhereItShouldBe(t *testing.T) {
	for realm, detail := range map[string]string{
		"https://169.254.169.254/latest/meta-data": "private",
		"https://10.0.0.1/token":                   "private",
		"https://[::1]/token":                      "loopback",
		"https://0.0.0.0/token":                    "unspecified",
		"https://[fd00:ec2::254]/token":            "private",
		"https://[::ffff:169.254.169.254]/":        "link-local",
		"https://[::ffff:10.0.0.1]/":               "private",
		"https://[fe80::1%25eth0]/token":           "private or this machine itself",
		"https://[::1%25lo]/token":                 "private or this machine itself",
		"https://[::ffff:10.0.0.1%25lo]/token":     "private or this machine itself",
		"https://localhost/token":                  "private or this machine itself",
		"https://LocalHost.:8443/token":            "private or this machine itself",
		"https://a.localhost/token":                "private or this machine itself",
		"https://127.1/token":                      "private or this machine itself",
		"https://0x7f000001/token":                 "private or this machine itself",
		"https://2130706433/token":                 "private or this machine itself",
		"https://239.1.1.1/token":                  "private or this machine itself",
	} {
		s := start(t, challenged(answering(200, asJSON, "{}"), fmt.Sprintf("Bearer realm=%q", realm)))
		want(t, askOne(t, Options{PlainHTTP: []string{s.host}}, s.host), Unreachable, detail)
	}
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]:80", "0.0.0.0:1"} {
		answers := New(Options{PlainHTTP: []string{host}}).Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, host))
		if answers[0].Verdict != NotAsked && !strings.Contains(answers[0].Detail, "no address that a registry has") {
			t.Errorf("%s: %+v", host, answers)
		}
	}
}

// TestARealmOnTheRegistrysOwnHost may have any address: whoever can ask the registry can ask it.
func TestARealmOnTheRegistrysOwnHost(t *testing.T) {
	realm := start(t, answering(200, asJSON, `{"token":"t"}`))
	s := start(t, challenged(answering(200, asJSON, "{}"), fmt.Sprintf(`Bearer realm="http://%s/token"`, realm.host)))
	want(t, askOne(t, Options{PlainHTTP: []string{s.host, realm.host}}, s.host), Accepted, "")
	for host, refused := range map[string]bool{"auth.example.com": false, "8.8.8.8": false, "2001:4860::1": false, "10.example.com": false, "192.168.1.1": true} {
		if got := onlyFromHere(host); got != refused {
			t.Errorf("%s: %t", host, got)
		}
	}
}

func TestOneThatHangs(t *testing.T) {
	stop := make(chan struct{})
	hang := func(http.ResponseWriter, *http.Request) { <-stop }
	drip := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.(http.Flusher).Flush(); <-stop }
	for _, s := range []*server{start(t, hang), start(t, drip), start(t, challenged(hang, basic)), tokens(t, drip, nil)} {
		o := Options{PlainHTTP: []string{s.host}, Timeout: 300 * time.Millisecond}
		want(t, askOne(t, o, s.host), Unreachable, "no answer within 300ms")
	}
	close(stop) // before the servers are closed, which wait
}

// TestACredentialIsGivenAnEnd has more entries that hang than there is time for.
func TestACredentialIsGivenAnEnd(t *testing.T) {
	stop := make(chan struct{})
	s := start(t, func(http.ResponseWriter, *http.Request) { <-stop })
	var hosts []string
	for i := range 20 {
		hosts = append(hosts, fmt.Sprintf("%s/%02d", s.host, i))
	}
	o := Options{PlainHTTP: []string{s.host}, Timeout: 50 * time.Millisecond, Parallel: 1}
	answers := New(o).Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, hosts...))
	if first, last := answers[0], answers[len(answers)-1]; len(answers) != 20 || first.Verdict != Unreachable || last.Detail != "it was not asked: those before it took all the time" {
		t.Errorf("%d answers, the first %+v, the last %+v", len(answers), first, last)
	}
	close(stop)
}

// TestALongAnswerIsNotReadToItsEnd has answers that never end.
func TestALongAnswerIsNotReadToItsEnd(t *testing.T) {
	endless := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			w.WriteHeader(status)
			block := []byte(`{"token":"` + strings.Repeat("x", 64<<10))
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	at := start(t, endless(401))
	want(t, askOne(t, Options{PlainHTTP: []string{at.host}}, at.host), Unreachable, "does not say how to log in")
	realm := tokens(t, endless(200), nil)
	want(t, askOne(t, Options{PlainHTTP: []string{realm.host}}, realm.host), Unreachable, "gives no token")
}

// TestNoMoreAreAskedAtATime counts the requests that are under way.
func TestNoMoreAreAskedAtATime(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	s := start(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
	})
	var hosts []string
	for i := range 30 {
		hosts = append(hosts, fmt.Sprintf("%s/%d", s.host, i))
	}
	answers := New(Options{PlainHTTP: []string{s.host}, Parallel: 3}).Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, hosts...))
	if len(answers) != 30 || most > 3 {
		t.Errorf("%d answers, and %d requests at a time", len(answers), most)
	}
}

// TestAHostThatHangsIsInNobodysWay has more questions at one host than may be asked at a time, and then one at another.
func TestAHostThatHangsIsInNobodysWay(t *testing.T) {
	stop, began := make(chan struct{}), make(chan struct{}, 100)
	hanging := start(t, func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-stop })
	good := start(t, challenged(answering(200, asJSON, "{}"), basic))
	if parallelOfHost >= defaultParallel {
		t.Error("one host may take all")
	}
	c := New(Options{PlainHTTP: []string{hanging.host, good.host}, Timeout: time.Minute, Parallel: parallelOfHost + 1})
	ask := func(hosts ...string) []Answer {
		return c.Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, hosts...))
	}
	var entries []string
	for i := range 20 {
		entries = append(entries, fmt.Sprintf("%s/%02d", hanging.host, i))
	}
	var waiting sync.WaitGroup
	for range 5 {
		waiting.Go(func() { ask(entries...) })
	}
	for range parallelOfHost {
		<-began
	}
	want(t, ask(good.host)[0], Accepted, "")
	if n := len(hanging.requests()); n != parallelOfHost {
		t.Errorf("%d are asked of one host at a time", n)
	}
	close(stop)
	waiting.Wait()
	if len(c.slots.all) > 0 || len(c.slots.hosts) > 0 {
		t.Errorf("of slots are left %d, and of hosts %v", len(c.slots.all), c.slots.hosts)
	}
}

// TestDockerHubByItsOlderName has the one entry that is for images of which it does not have the host.
func TestDockerHubByItsOlderName(t *testing.T) {
	logins := cluster.Logins(cluster.TypeDockerConfigJSON, credential("x", "https://index.docker.io/v1/", "other.example"))
	images := tried(logins, []string{"nginx", "docker.io/team/app:1", "other.example/x"})[0]
	if len(images) != 2 || images[0].String() != "docker.io/library/nginx:latest" || images[1].String() != "docker.io/team/app:1" {
		t.Errorf("it is for %v", images)
	}
}

// TestEntries asks of a credential's entries those that hold something, in the order of their hosts.
func TestEntries(t *testing.T) {
	s := start(t, challenged(answering(200, asJSON, "{}"), basic))
	config := fmt.Sprintf(`{"auths":{
		"https://%[1]s/v2/":{"auth":"cm9ib3Q6czNjcmV0"}, "%[1]s/team":{"username":"robot","password":"s3cret"}, "%[1]s/empty":{},
		"*.example.com":{"username":"robot","password":"s3cret"}, "a.example/%%zz":{"username":"robot","password":"s3cret"},
		"robot:s3cret@%[1]s/own":{"username":"robot","password":"s3cret"}, "cm9ib3Q6czNjcmV0":{"username":"robot","password":"s3cret"},
		"b.example":{"username":"robot"}, "c.example":{"password":"s3cret"}}}`, s.host)
	got := New(Options{PlainHTTP: []string{s.host}}).Ask(t.Context(), cluster.TypeDockerConfigJSON, cluster.NewCredential([]byte(config)))
	wanted := []Answer{
		{Host: "(unprintable)", Verdict: NotAsked, Detail: "no image is of this host, so the kubelet never sends the credential"},
		{Host: "(unprintable)", Verdict: NotAsked, Detail: "no image is of this host, so the kubelet never sends the credential"},
		{Host: "*.example.com", Verdict: NotAsked, Detail: "it stands for several hosts: name an image of one of them"},
		{Host: s.host + "/own", Verdict: Accepted, Detail: "asked of the whole host, whatever is below own"},
		{Host: s.host + "/team", Verdict: Accepted, Detail: "asked of the whole host, whatever is below team"},
		{Host: "b.example", Verdict: NotAsked, Detail: "it has a username and no password"},
		{Host: "c.example", Verdict: NotAsked, Detail: "it has a password and no username"},
		{Host: "https://" + s.host + "/v2/", Verdict: Accepted},
	}
	if diff := gocmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	older := fmt.Sprintf(`{%q:{"auth":"cm9ib3Q6czNjcmV0"}}`, s.host)
	got = New(Options{PlainHTTP: []string{s.host}}).Ask(t.Context(), cluster.TypeDockercfg, cluster.NewCredential([]byte(older)))
	if diff := gocmp.Diff([]Answer{{Host: s.host, Verdict: Accepted}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for secretType, value := range map[string]string{cluster.TypeDockerConfigJSON: `{"auths":[]}`, cluster.TypeDockercfg: "", "Opaque": config} {
		if got := New(Options{}).Ask(t.Context(), secretType, cluster.NewCredential([]byte(value))); len(got) > 0 {
			t.Errorf("%s: %+v", secretType, got)
		}
	}
}

// TestEntriesThatPrintAlike are asked about an image once each.
func TestEntriesThatPrintAlike(t *testing.T) {
	s := start(t, challenged(answering(200, asJSON, "{}"), basic))
	got := New(Options{PlainHTTP: []string{s.host}}).Ask(t.Context(), cluster.TypeDockerConfigJSON, credential(canary, "x@"+s.host, s.host), s.host+"/team/app")
	want := Answer{Host: s.host, Verdict: Accepted, Images: []Image{{Name: s.host + "/team/app:latest", Verdict: Accepted}}}
	if diff := gocmp.Diff([]Answer{want, want}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDockerHub(t *testing.T) {
	logins := cluster.Logins(cluster.TypeDockerConfigJSON, credential("x", "https://index.docker.io/v1/", "docker.io", "index.docker.io/v1/", "docker.io/team"))
	if len(logins) != 4 {
		t.Fatalf("%+v", logins)
	}
	for i, login := range logins {
		if images := tried(logins, []string{"nginx", "team/app"})[i]; len(images) > 0 && login.Host == "https://index.docker.io/v1/" {
			t.Errorf("its older name is for %v, although another entry matches", images)
		}
		if host, note, ok := hostOf(login, nil); host != "registry-1.docker.io" || !ok || !strings.Contains(note, "asked at registry-1.docker.io") {
			t.Errorf("%s is asked at %q (%s)", login.Host, host, note)
		}
	}
}
