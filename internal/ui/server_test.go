package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/ui/view"
)

// told is a cluster that says what a test has it say.
type told struct {
	mu      sync.Mutex
	facts   view.Facts
	changed chan struct{}
	explain func(context.Context) (*inspect.Explanation, error)
}

func newTold(namespaces ...string) *told {
	c := &told{changed: make(chan struct{}, 1)}
	c.facts = Place{Place: inspect.Place{Namespace: "pullsecrets", PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status"}}.facts()
	c.facts.Policy.Known, c.facts.Status.Known, c.facts.Namespaces.Known = true, true, true
	c.have(namespaces...)
	return c
}

// have has it say that there are these namespaces.
func (c *told) have(namespaces ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.Namespaces.Value = nil
	for _, name := range namespaces {
		c.facts.Namespaces.Value = append(c.facts.Namespaces.Value, &cluster.Namespace{Meta: cluster.Meta{Name: name}})
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *told) Facts() view.Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.facts
}

func (c *told) Run(ctx context.Context) { <-ctx.Done() }

func (c *told) Changed() <-chan struct{} { return c.changed }

func (c *told) Explain(ctx context.Context, namespace string, _ inspect.Target) (*inspect.Explanation, error) {
	if c.explain != nil {
		return c.explain(ctx)
	}
	return &inspect.Explanation{Namespace: namespace, Notes: []string{"explained"}}, nil
}

// started is a server that runs until the test ends, or is stopped.
func started(t *testing.T, c Cluster) (s *Server, stop func()) {
	t.Helper()
	s, err := Listen("127.0.0.1:0", c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// ask asks for a path behind the token; before may change the request.
func ask(t *testing.T, s *Server, path string, before ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.Address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func method(name string) func(*http.Request) { return func(r *http.Request) { r.Method = name } }

func at(path string) func(*http.Request) {
	return func(r *http.Request) { r.URL.Path, r.URL.RawPath = path, "" }
}

// Who has the address is answered, and a person who follows a link to it; nobody else is, whatever they ask.
func TestWhoIsAnswered(t *testing.T) {
	s, _ := started(t, newTold("a"))
	port := s.listener.Addr().(*net.TCPAddr).Port
	token := s.guard.token
	navigates := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, c := range []struct {
		why, path string
		change    func(*http.Request)
		want      int
	}{
		{"the page", "", nil, 200},
		{"asked for its head", "", method(http.MethodHead), 200},
		{"its regions", "fragment", nil, 200},
		{"its icon", "icon.svg?alarm", nil, 200},
		{"by the name of the machine itself", "", host(fmt.Sprintf("localhost:%d", port)), 200},
		{"by its IPv6 address", "", host(fmt.Sprintf("[::1]:%d", port)), 200},
		{"by the page itself", "fragment", header("Sec-Fetch-Site", "same-origin"), 200},
		{"by the page itself, with an origin", "fragment", header("Origin", "http://"+s.listener.Addr().String()), 200},
		{"by a person who typed it", "", header("Sec-Fetch-Site", "none"), 200},
		{"by a person who follows a link", "", navigates, 200},
		{"without the last slash", "", at("/" + token), 303},

		{"a name that somebody has made to mean this machine", "", host(fmt.Sprintf("attacker.example:%d", port)), 403},
		{"a name that only begins like ours", "", host(fmt.Sprintf("localhost.attacker.example:%d", port)), 403},
		{"another port", "", host("localhost:1"), 403},
		{"no port", "", host("localhost"), 403},
		{"any address", "", host(fmt.Sprintf("0.0.0.0:%d", port)), 403},
		{"another page asks", "fragment", header("Sec-Fetch-Site", "cross-site"), 403},
		{"another port's page asks", "events", header("Sec-Fetch-Site", "same-site"), 403},
		{"another origin", "fragment", header("Origin", "http://attacker.example"), 403},
		{"another port's origin", "events", header("Origin", "http://127.0.0.1:1"), 403},
		{"no origin at all", "", header("Origin", "null"), 403},
		{"a frame", "", func(r *http.Request) { navigates(r); r.Header.Set("Sec-Fetch-Dest", "iframe") }, 403},
		{"a post", "", method(http.MethodPost), 405},
		{"a delete", "", method(http.MethodDelete), 405},
		{"what a browser asks before", "", method(http.MethodOptions), 405},
		{"a body", "", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1 }, 400},
		{"no token", "", at("/"), 404},
		{"an empty token", "", at("//"), 404},
		{"another token", "", at("/" + newToken() + "/"), 404},
		{"a part of the token", "", at("/" + token[:20] + "/"), 404},
		{"the token in another case", "", at("/" + strings.ToUpper(token) + "/"), 404},
		{"events without the token", "", at("/events"), 404},
		{"out of the token", "", at("/" + token + "/../events"), 404},
		{"deeper", "", at("/" + token + "/etc/passwd"), 404},
		{"a file", "", at("/" + token + "/../../etc/passwd"), 404},
		{"no ticket", "", at("/open/"), 404},
		{"a ticket that was not issued", "", at("/open/" + newToken()), 404},
	} {
		change := []func(*http.Request){}
		if c.change != nil {
			change = append(change, c.change)
		}
		answer, text := ask(t, s, c.path, change...)
		if answer.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.why, answer.Status, c.want)
		}
		if c.want >= 400 && strings.Contains(text+fmt.Sprint(answer.Header), token) {
			t.Errorf("%s: the refusal tells the token", c.why)
		}
		checkHeaders(t, c.why, answer)
	}
}

// checkHeaders wants on each answer, also on a refusal, what keeps a browser from doing more with it than show it.
func checkHeaders(t *testing.T, why string, answer *http.Response) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Access-Control-Allow-Origin": "", "Set-Cookie": "", "Server": "",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", why, name, got, want)
		}
	}
	policy := strings.Split(answer.Header.Get("Content-Security-Policy"), "; ")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "img-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !contains(policy, want) {
			t.Errorf("%s: the content security policy lacks %s: %q", why, want, policy)
		}
	}
	for _, one := range policy {
		if strings.Contains(one, "unsafe") || strings.Contains(one, "http") || strings.Contains(one, "*") {
			t.Errorf("%s: the content security policy permits %s", why, one)
		}
		if (strings.HasPrefix(one, "script-src") || strings.HasPrefix(one, "style-src")) && !strings.Contains(one, " 'sha256-") {
			t.Errorf("%s: %s is by no hash", why, one)
		}
	}
}

func contains(list []string, want string) bool {
	for _, one := range list {
		if one == want {
			return true
		}
	}
	return false
}

// raw sends a text and returns the first line of what is answered.
func raw(t *testing.T, s *Server, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func TestRequestsThatNoBrowserSends(t *testing.T) {
	s, _ := started(t, newTold("a"))
	host, token := s.listener.Addr().String(), s.guard.token
	for _, c := range []struct{ why, text, want string }{
		{"another host in the request's line", "GET http://attacker.example/" + token + "/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "403"},
		{"no host", "GET /" + token + "/ HTTP/1.0\r\n\r\n", "403"},
		{"dots in other letters", "GET /" + token + "/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "404"},
		{"a large header", "GET /" + token + "/ HTTP/1.1\r\nHost: " + host + "\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		{"what the server can, for another host", "OPTIONS * HTTP/1.1\r\nHost: attacker.example\r\n\r\n", "403"},
		{"what the server can", "OPTIONS * HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "405"},
		{"a proxy's request", "CONNECT example.com:443 HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "403"},
		{"a body of no known length", "GET /" + token + "/ HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
	} {
		if got := raw(t, s, c.text); !strings.Contains(got, " "+c.want+" ") {
			t.Errorf("%s: %q, want %s", c.why, got, c.want)
		}
	}
}

// TestTheUsualPortIsNotInTheHost: a browser leaves it out.
func TestTheUsualPortIsNotInTheHost(t *testing.T) {
	for port, want := range map[int]int{80: http.StatusOK, 8080: http.StatusForbidden} {
		g := newGuard(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for _, host := range []string{"127.0.0.1", "localhost"} {
			r := httptest.NewRequest(http.MethodGet, "http://"+host+"/"+g.token+"/", nil)
			answer := httptest.NewRecorder()
			if g.ServeHTTP(answer, r); answer.Code != want {
				t.Errorf("%s on port %d: %d, want %d", host, port, answer.Code, want)
			}
		}
	}
}

// A ticket opens the page once, and what comes before it is of no use then.
func TestATicketOpensThePageOnce(t *testing.T) {
	s, _ := started(t, newTold("a"))
	first, second := s.OpenAddress(), s.OpenAddress()
	if strings.Contains(first+second, s.guard.token) {
		t.Error("the address for a program holds the token")
	}
	for _, c := range []struct {
		address string
		want    int
	}{{first, 404}, {second, 303}, {second, 404}} {
		u, _ := url.Parse(c.address)
		answer, _ := ask(t, s, "", at(u.Path))
		if answer.StatusCode != c.want {
			t.Errorf("%s, want %d", answer.Status, c.want)
		}
		if c.want == 303 && answer.Header.Get("Location") != "/"+s.guard.token+"/" {
			t.Errorf("it leads to %s", answer.Header.Get("Location"))
		}
	}
}

func TestOnlyThisMachineIsServed(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "example.com:80", "localhost", "127.0.0.1", "", "[fe80::1%25lo]:0"} {
		if s, err := Listen(addr, newTold(), time.Now); err == nil {
			_ = s.listener.Close()
			t.Errorf("it listens on %q", addr)
		}
	}
	for ip, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "192.0.2.1": false, "0.0.0.0": false, "::": false} {
		if got := onLoopback(&net.TCPAddr{IP: net.ParseIP(ip)}); got != want { // as a name may lead to it
			t.Errorf("%s is on loopback: %t", ip, got)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		s, err := Listen(addr, newTold(), time.Now)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := Listen(s.listener.Addr().String(), newTold(), time.Now); err == nil || !strings.Contains(err.Error(), "name another port") {
			t.Errorf("of a port that is taken it is said: %v", err)
		}
		_ = s.listener.Close()
	}
}

// Two servers have other tokens, of enough chance.
func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		if len(token) < 43 || seen[token] {
			t.Fatalf("%q", token)
		}
		seen[token] = true
	}
}

// listener is a page that listens.
type listener struct {
	answer *http.Response
	lines  *bufio.Scanner
}

func listens(t *testing.T, s *Server, query string, before ...func(*http.Request)) *listener {
	t.Helper()
	r, _ := http.NewRequest(http.MethodGet, s.Address()+"events"+query, nil)
	for _, f := range before {
		f(r)
	}
	answer, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &listener{answer, bufio.NewScanner(answer.Body)}
}

// next is the next event, or ok is false at the end.
func (l *listener) next() (id string, e event, ok bool) {
	for l.lines.Scan() {
		if text, found := strings.CutPrefix(l.lines.Text(), "id: "); found {
			id = text
		}
		if text, found := strings.CutPrefix(l.lines.Text(), "data: "); found {
			_ = json.Unmarshal([]byte(text), &e)
			return id, e, true
		}
	}
	return "", e, false
}

func TestAPageIsToldOfChanges(t *testing.T) {
	c := newTold("a")
	s, _ := started(t, c)
	until := func(want string) {
		t.Helper()
		for range 200 {
			if _, text := ask(t, s, "fragment"); strings.Contains(text, want) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("the page has no %s", want)
	}
	until("<code>a</code>")
	l := listens(t, s, "?since=1")
	if got := l.answer.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("it is %s", got)
	}
	checkHeaders(t, "events", l.answer)
	c.have("a", "b")
	id, e, ok := l.next()
	if !ok || e.Version < 2 || id != fmt.Sprint(e.Version) || len(e.Words) == 0 {
		t.Fatalf("%s %+v %v", id, e, ok)
	}
	until("<code>b</code>")
	// A page that comes back is told of what it missed, and one that has all is told of nothing.
	again := listens(t, s, "?since=1", header("Last-Event-ID", "1"))
	if _, missed, _ := again.next(); missed.Version != e.Version {
		t.Errorf("a page that comes back is told of %+v", missed)
	}
	_, text := ask(t, s, "")
	if want := fmt.Sprintf(`data-version="%d"`, e.Version); !strings.Contains(text, want) {
		t.Errorf("the page does not say %s", want)
	}
	all := listens(t, s, "?since=1", header("Last-Event-ID", fmt.Sprint(e.Version)))
	c.have("a", "b", "c")
	if _, next, _ := all.next(); next.Version <= e.Version {
		t.Errorf("a page that has all is told of %+v", next)
	}
}

// What changes faster than people see is one event, and the last state is told.
func TestManyChangesAreFewEvents(t *testing.T) {
	n := newNews()
	s, _ := started(t, newTold("a"))
	s.news = n
	l := listens(t, s, "?since=1")
	began := time.Now()
	const changes = 2000
	go func() {
		for i := range changes {
			n.tell([]string{fmt.Sprintf("change %d", i)})
			time.Sleep(500 * time.Microsecond)
		}
	}()
	events := 0
	for {
		_, e, ok := l.next()
		if !ok {
			t.Fatal("it ended")
		}
		events++
		if len(e.Words) > remembered {
			t.Errorf("%d words", len(e.Words))
		}
		if e.Version == changes+1 {
			break
		}
	}
	if most := int(time.Since(began)/pause) + 2; events > most {
		t.Errorf("%d events in %s, want %d at most", events, time.Since(began), most)
	}
}

func TestSoManyPagesMayListen(t *testing.T) {
	s, stop := started(t, newTold("a"))
	var all []*listener
	for range maxListeners {
		all = append(all, listens(t, s, "?since=1"))
	}
	answer, _ := ask(t, s, "events?since=1")
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("one too many is told %s", answer.Status)
	}
	if answer, _ := ask(t, s, ""); answer.StatusCode != http.StatusOK {
		t.Errorf("the page is not shown meanwhile: %s", answer.Status)
	}
	_ = all[0].answer.Body.Close()
	for range 200 {
		select {
		case s.news.slots <- struct{}{}:
			<-s.news.slots
			began := time.Now()
			stop()
			for _, l := range all[1:] {
				if _, _, ok := l.next(); ok {
					t.Error("it goes on after the end")
				}
			}
			if took := time.Since(began); took > 10*endPatience {
				t.Errorf("stopping took %s", took)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Error("who went away keeps its place")
}

// A few namespaces are explained at once, and what the API server says of an error is not repeated.
func TestExplanations(t *testing.T) {
	c := newTold("team-a", "team-b")
	var mu sync.Mutex
	running, most := 0, 0
	c.explain = func(ctx context.Context) (*inspect.Explanation, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil, fmt.Errorf("read the pod: the object says hunter2")
	}
	s, _ := started(t, c)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, text := ask(t, s, "?q=team-a")
			if !strings.Contains(text, "It cannot be told: the request failed") || strings.Contains(text, "hunter2") {
				t.Error("the page does not say that it cannot be told, or repeats what was in the error")
			}
		})
	}
	all.Wait()
	if most > maxQuestions {
		t.Errorf("%d at once", most)
	}
	c.explain = func(context.Context) (*inspect.Explanation, error) { return nil, kube.Plain("no policy is in force") }
	if _, text := ask(t, s, "?q=team-a"); !strings.Contains(text, "It cannot be told: no policy is in force") {
		t.Error("our own words are not repeated")
	}
	asked := false
	c.explain = func(context.Context) (*inspect.Explanation, error) { asked = true; return nil, kube.Plain("no") }
	for _, query := range []string{"fragment?q=team-a&typing=1", "?q=team", "?q=", "?q=%00%ff", "?q=" + strings.Repeat("x", 4000), "?q=nobody"} {
		if answer, _ := ask(t, s, query); answer.StatusCode != http.StatusOK || asked {
			t.Errorf("%.40s: %s, asked %v", query, answer.Status, asked)
		}
	}
}
