package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// server is as much of an API server as a proxy can tell: one object with a version, its list, and a watch.
type server struct {
	mu      sync.Mutex
	version int
	writes  int
	asked   []string    // Authorization and the query, of each request
	events  chan string // what the watch says next
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if Ask(r).Verb == "watch" {
		s.note(r)
		s.watch(w, r)
		return
	}
	text, _ := io.ReadAll(r.Body)
	s.note(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch Ask(r).Verb {
	case "list":
		fmt.Fprint(w, `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"old"}}]}`)
		return
	case "apply":
		s.writes++
		switch string(text) {
		case "conflict":
			w.WriteHeader(http.StatusConflict)
		case "changed":
			s.version++
		}
	}
	fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"}}`, s.version)
}

func (s *server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Header.Get("Authorization")+" "+r.URL.RawQuery)
}

func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case e := <-s.events:
			fmt.Fprintf(w, "{\"type\":%q,\"object\":{}}\n", e)
		case <-r.Context().Done():
			return
		}
	}
}

// last is what was asked last.
func (s *server) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// wrote is how many writes there were.
func (s *server) wrote() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// setUp starts a server and a proxy before it, and returns a client of the latter, by its kubeconfig.
func setUp(t *testing.T) (*server, *Proxy, func(method, path, body string) (*http.Response, error)) {
	t.Helper()
	s := &server{version: 1, events: make(chan string)}
	behind := httptest.NewUnstartedServer(s)
	behind.EnableHTTP2 = true
	behind.StartTLS()
	p, err := New(&rest.Config{Host: behind.URL, BearerToken: "admin", TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		behind.CloseClientConnections()
		behind.Close()
	})
	path, err := p.Kubeconfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s, p, client(t, path)
}

func client(t *testing.T, kubeconfig string) func(method, path, body string) (*http.Response, error) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, config.Host+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		if method == http.MethodPatch {
			r.Header.Set("Content-Type", "application/apply-patch+yaml")
		}
		return c.Do(r)
	}
}

const (
	aList   = "/api/v1/secrets?fieldSelector=metadata.name%3Dreg"
	aWatch  = aList + "&watch=true"
	anApply = "/api/v1/namespaces/a/secrets/reg"
)

func text(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

func TestWithoutFaultsItIsTheAPIServer(t *testing.T) {
	s, p, do := setUp(t)
	resp, err := do("PATCH", anApply, "changed")
	if got := text(t, resp, err); got != `200 {"metadata":{"resourceVersion":"2"}}` {
		t.Errorf("%s", got)
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("it speaks %s: no stream of it can be reset", resp.Proto)
	}
	if got := s.last(); !strings.HasPrefix(got, "Bearer admin") {
		t.Errorf("it was asked by %q", got)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := p.TokenKubeconfig(t.TempDir(), token)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = client(t, path)("GET", aList, "")
	text(t, resp, err)
	if got := s.last(); !strings.HasPrefix(got, "Bearer mine") {
		t.Errorf("it was asked by %q", got)
	}
}

func TestWhatIsAnsweredInItsPlace(t *testing.T) {
	for _, code := range []int{401, 410, 429, 500, 503, 504} {
		s, p, do := setUp(t)
		remove := p.Inject(On(Writes, Answer(code, 3*time.Second)))
		resp, err := do("PATCH", anApply, "changed")
		body := text(t, resp, err)
		var answered struct {
			Kind, Reason string
			Code         int
		}
		if err := json.Unmarshal([]byte(body[4:]), &answered); err != nil || answered.Kind != "Status" || answered.Code != code || answered.Reason == "" {
			t.Errorf("%d: %v %s", code, err, body)
		}
		if resp.StatusCode != code || resp.Header.Get("Retry-After") != "3" {
			t.Errorf("%d: got %s, %v", code, resp.Status, resp.Header)
		}
		if s.wrote() != 0 {
			t.Errorf("%d: it was carried out", code)
		}
		remove()
		if resp, err = do("PATCH", anApply, "changed"); err != nil || resp.StatusCode != 200 {
			t.Errorf("%d: after it: %v %v", code, resp, err)
		}
	}
}

func TestAWriteThatIsCarriedOutAndNotToldSo(t *testing.T) {
	for name, f := range map[string]Fault{"504": Answer(504, 0), "reset": Reset(), "cut": CutBody()} {
		s, p, do := setUp(t)
		if name != "cut" {
			f = Carried(f)
		}
		p.Inject(On(Writes, f))
		resp, err := do("PATCH", anApply, "changed")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if name == "504" && (err != nil || resp.StatusCode != 504) || name != "504" && err == nil {
			t.Errorf("%s: %v %v", name, resp, err)
		}
		if s.wrote() != 1 {
			t.Errorf("%s: it was carried out %d times", name, s.wrote())
		}
		if got := settled(t, p, func(c Counts) bool { return c.Accepted == 1 }); got.Unknown != 1 || got.Unchanged != 0 || got.Refused != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAStreamIsResetAndTheOthersGoOn(t *testing.T) {
	s, p, do := setUp(t)
	watch, err := do("GET", aWatch, "")
	if err != nil {
		t.Fatal(err)
	}
	p.Inject(On(Writes, Reset()))
	if resp, err := do("PATCH", anApply, "x"); err == nil {
		t.Errorf("it was answered: %v", resp)
	}
	if s.wrote() != 0 {
		t.Error("it was carried out")
	}
	s.events <- "ADDED"
	if line := next(t, bufio.NewReader(watch.Body)); !strings.Contains(line, "ADDED") {
		t.Errorf("%q", line)
	}
}

// settled waits for counts: they are taken when a request is over, which its client does not wait for.
func settled(t *testing.T, p *Proxy, ok func(Counts) bool) Counts {
	t.Helper()
	for range 2000 {
		if c := p.Counts(); ok(c) {
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%+v", p.Counts())
	return Counts{}
}

func TestWritesThatChangeNothingAreCounted(t *testing.T) {
	_, p, do := setUp(t)
	for _, body := range []string{"changed", "same", "same", "conflict"} {
		resp, err := do("PATCH", anApply, body)
		text(t, resp, err)
	}
	resp, err := do("PATCH", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", "same")
	text(t, resp, err)
	got := settled(t, p, func(c Counts) bool { return c.Requests[Kind{"apply", "leases", 200}] == 1 })
	if got.Accepted != 3 || got.Unchanged != 2 || got.Refused != 1 || got.Unknown != 0 {
		t.Errorf("%+v", got)
	}
	if got.Requests[Kind{"apply", "secrets", 200}] != 3 || got.Requests[Kind{"apply", "secrets", 409}] != 1 {
		t.Errorf("%v", got.Requests)
	}
	if rest := got.Sub(got); len(rest.Requests) != 0 || rest.Accepted != 0 {
		t.Errorf("%+v", rest)
	}
}

func TestWhatAFaultMetIsCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  Fault
		writes int // that it was done to, of one list and one write
		lists  int
	}{
		"all":                        {Delay(time.Millisecond), 1, 1},
		"writes alone":               {On(Writes, Answer(500, 0)), 1, 0},
		"writes that are lists":      {On(Writes, On(Lists, Answer(500, 0))), 0, 0},
		"carried out, and reset":     {On(Writes, Carried(Reset())), 1, 0},
		"what is old":                {StaleLists("5"), 0, 1},
		"what is gone":               {Gone(), 0, 1},
		"nothing, but for its event": {LoseBookmarks(), 0, 0},
	} {
		_, p, do := setUp(t)
		counted, met := Counted(tt.fault)
		p.Inject(On(Named("other"), Reset())) // lets all pass, after this one and before it
		p.Inject(counted)
		p.Inject(On(Named("other"), Reset()))
		for _, ask := range []struct {
			method, path string
			want         int
		}{{"GET", aList, tt.lists}, {"PATCH", anApply, tt.writes}} {
			before := met()
			if resp, err := do(ask.method, ask.path, "changed"); err == nil {
				text(t, resp, err)
			}
			for deadline := time.Now().Add(5 * time.Second); met()-before != ask.want; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) { // it is counted when the request is over, which its client does not wait for
					t.Fatalf("%s: %s met %d, want %d", name, ask.method, met()-before, ask.want)
				}
			}
		}
	}
}

func TestWhatAFaultOfEventsMetIsCounted(t *testing.T) {
	s, p, do := setUp(t)
	watch := running(t, s, do)
	counted, met := Counted(LoseBookmarks())
	p.Inject(counted)
	for i, e := range []string{"MODIFIED", "BOOKMARK"} {
		s.events <- e
		if e == "BOOKMARK" {
			s.events <- "MODIFIED"
		}
		next(t, watch)
		if met() != i {
			t.Errorf("after %s it met %d", e, met())
		}
	}
}

func TestAListIsCutInTheMiddle(t *testing.T) {
	_, p, do := setUp(t)
	p.Inject(On(Lists, CutBody()))
	resp, err := do("GET", aList, "")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil || len(body) == 0 || strings.HasSuffix(string(body), "]}") {
		t.Errorf("%v %s", err, body)
	}
}

func next(t *testing.T, watch *bufio.Reader) string {
	t.Helper()
	line, err := watch.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// running returns a watch that has had its first event.
func running(t *testing.T, s *server, do func(method, path, body string) (*http.Response, error)) *bufio.Reader {
	t.Helper()
	resp, err := do("GET", aWatch, "")
	if err != nil {
		t.Fatal(err)
	}
	watch := bufio.NewReader(resp.Body)
	s.events <- "ADDED"
	next(t, watch)
	return watch
}

func TestAWatchThatRunsIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		fault Fault
		send  string
		rest  string // what arrives before the watch ends
		good  bool   // it ends in good order
	}{
		"in the middle of an event": {CutBody(), "MODIFIED", `{"type":"MODIFI`, false},
		"at once":                   {CutWatch(), "", "", false},
		"with 410":                  {Gone(), "", `"code":410`, true},
	} {
		s, p, do := setUp(t)
		watch := running(t, s, do)
		p.Inject(tt.fault)
		if tt.send != "" {
			s.events <- tt.send
		}
		rest, err := io.ReadAll(watch)
		if (err == nil) != tt.good || !strings.Contains(string(rest), tt.rest) || len(tt.rest) == 0 && len(rest) > 0 {
			t.Errorf("%s: %v %q", name, err, rest)
		}
	}
}

func TestAWatchThatRunsLosesItsBookmarksOnly(t *testing.T) {
	s, p, do := setUp(t)
	watch := running(t, s, do)
	p.Inject(LoseBookmarks())
	p.Inject(On(Named("other"), CutWatch()))
	for _, e := range []string{"BOOKMARK", "MODIFIED"} {
		s.events <- e
	}
	if line := next(t, watch); !strings.Contains(line, "MODIFIED") {
		t.Errorf("%q", line)
	}
}

func TestAWatchThatIsBegunMeetsTheFaults(t *testing.T) {
	_, p, do := setUp(t)
	p.Inject(Gone())
	resp, err := do("GET", aWatch, "")
	if got := text(t, resp, err); !strings.HasPrefix(got, `200 {"object":{"apiVersion":"v1","code":410`) {
		t.Error(got)
	}
	resp, err = do("GET", aList, "")
	if got := text(t, resp, err); !strings.HasPrefix(got, "410 ") {
		t.Error(got)
	}
}

// Events are kept back in their order, and come at once when the fault is over.
func TestEventsAreDelayedInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		delay := 30 * time.Second
		all := streams{running: map[*stream]bool{}}
		r := httptest.NewRequestWithContext(t.Context(), "GET", aWatch, nil)
		body := all.begin(r, from, false, func(*http.Request, Event) Fate { return Fate{Delay: delay} })
		defer body.Close()
		began := time.Now()
		go func() {
			for i := range 3 {
				fmt.Fprintf(to, "{\"type\":\"ADDED\",\"object\":%d}\n", i)
				time.Sleep(10 * time.Second)
			}
		}()
		lines := bufio.NewReader(body)
		for i, want := range []time.Duration{30 * time.Second, 40 * time.Second} {
			line := next(t, lines)
			if got := time.Since(began); got != want || !strings.Contains(line, fmt.Sprint(i)) {
				t.Errorf("%q after %s, want %d after %s", line, got, i, want)
			}
		}
		delay = 0
		all.change(nil)
		if next(t, lines); time.Since(began) != 40*time.Second {
			t.Errorf("the last one came after %s", time.Since(began))
		}
	})
}

func TestAClientThatGoesEndsItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, _ := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		all := streams{running: map[*stream]bool{}}
		body := all.begin(httptest.NewRequestWithContext(ctx, "GET", aWatch, nil), from, false, func(*http.Request, Event) Fate { return Fate{} })
		time.AfterFunc(time.Second, cancel)
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		body.Close()
		if len(all.running) > 0 {
			t.Error("it is remembered")
		}
	})
}

func TestAStaleListIsOfThatVersion(t *testing.T) {
	s, p, do := setUp(t)
	p.Inject(StaleLists("5"))
	resp, err := do("GET", aList+"&resourceVersion=0", "")
	text(t, resp, err)
	if got := s.last(); !strings.Contains(got, "resourceVersion=5&resourceVersionMatch=Exact") {
		t.Errorf("%q", got)
	}
	resp, err = do("GET", aWatch+"&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "")
	if err != nil {
		t.Fatal(err)
	}
	watch := bufio.NewReader(resp.Body)
	if line := next(t, watch); !strings.Contains(line, `"kind":"Secret"`) || !strings.Contains(line, `"name":"old"`) || !strings.Contains(line, "ADDED") {
		t.Errorf("%q", line)
	}
	if line := next(t, watch); !strings.Contains(line, "BOOKMARK") || !strings.Contains(line, `"k8s.io/initial-events-end":"true"`) || !strings.Contains(line, `"resourceVersion":"7"`) {
		t.Errorf("%q", line)
	}
	s.events <- "ADDED"
	if line := next(t, watch); !strings.Contains(line, "ADDED") {
		t.Errorf("%q", line)
	}
	if got := s.last(); strings.Contains(got, "sendInitialEvents") || !strings.Contains(got, "resourceVersion=5") {
		t.Errorf("%q", got)
	}
}

func TestDelayHoldsARequestUp(t *testing.T) {
	_, p, do := setUp(t)
	began := time.Now()
	p.Inject(Delay(300 * time.Millisecond))
	resp, err := do("GET", aList, "")
	if text(t, resp, err); time.Since(began) < 300*time.Millisecond {
		t.Errorf("after %s", time.Since(began))
	}
}

func TestWhatARequestAsksFor(t *testing.T) {
	for in, want := range map[string]Asked{
		"GET /api/v1/namespaces":                                   {Verb: "list", Resource: "namespaces"},
		"GET /api/v1/namespaces/a":                                 {Verb: "get", Resource: "namespaces", Name: "a"},
		"PUT /api/v1/namespaces/a/finalize":                        {Verb: "update", Resource: "namespaces", Name: "a"},
		"GET " + aWatch + "&sendInitialEvents=true":                {Verb: "watch", Resource: "secrets", Name: "reg", Streamed: true},
		"GET /apis/coordination.k8s.io/v1/namespaces/a/leases/l":   {Verb: "get", Resource: "leases", Namespace: "a", Name: "l"},
		"PATCH " + anApply:                                         {Verb: "patch", Resource: "secrets", Namespace: "a", Name: "reg"},
		"DELETE /api/v1/namespaces/a/secrets":                      {Verb: "deletecollection", Resource: "secrets", Namespace: "a"},
		"POST /api/v1/namespaces/a/serviceaccounts":                {Verb: "create", Resource: "serviceaccounts", Namespace: "a"},
		"GET /api/v1/secrets?fieldSelector=metadata.name=x,type=y": {Verb: "list", Resource: "secrets", Name: "x"},
		"GET /readyz": {Verb: "get"},
	} {
		method, url, _ := strings.Cut(in, " ")
		if got := Ask(httptest.NewRequest(method, url, nil)); got != want {
			t.Errorf("%s: got %+v, want %+v", in, got, want)
		}
	}
}
