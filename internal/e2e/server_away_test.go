package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestANamespaceThatDiesInTheMiddleIsLeftQuietly(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	dying, living := s.Namespace("dying"), s.Namespace("living")
	var once sync.Once
	var tries atomic.Int32
	r := s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, dying, "serviceaccounts", "default") {
			tries.Add(1)
			once.Do(func() {
				harness.Must(t, s.Client.Resource(api.Namespaces).Delete(s.Ctx, dying, metav1.DeleteOptions{}))
			})
		}
	}))
	s.Policy(harness.OneRule)
	s.WantList(living, "default", "+reg")
	s.Eventually("the namespace is gone", func() error {
		_, err := s.Client.Resource(api.Namespaces).Get(s.Ctx, dying, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
	s.WantStatus("Ready")
	if bad := r.Reported(); len(bad) > 0 {
		t.Errorf("it was reported:\n%s", strings.Join(bad, "\n"))
	}
	if n := tries.Load(); n > 3 {
		t.Errorf("its service account was written %d times", n)
	}
}

func TestAnAPIServerThatGoesAwayIsWaitedFor(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	var away atomic.Bool
	r := s.Start(func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return harness.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if away.Load() {
					return nil, &harness.NetError{}
				}
				resp, err := next.RoundTrip(r)
				if err == nil && r.URL.Query().Get("watch") != "" {
					resp.Body = &cutBody{ReadCloser: resp.Body, cut: &away}
				}
				return resp, err
			})
		})
	})
	s.Revised("Ready", harness.OneRule)
	away.Store(true)
	s.Source("hub", api.Credential("hub.example", "two"))
	other := s.Namespace("b")
	s.Eventually("it is said", func() error {
		if len(r.Lines("the API server cannot be reached")) == 0 {
			return errors.New("nothing in the log")
		}
		return nil
	})
	away.Store(false)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantList(other, "default", "+reg")
	if n := len(r.Lines("the API server cannot be reached")); n > 3 {
		t.Errorf("it was said %d times", n)
	}
}

// cutBody is a watch whose connection breaks when cut is set; the next event from the API server notices.
type cutBody struct {
	io.ReadCloser
	cut *atomic.Bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.cut.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// A reflector retries a refused connection without a word, and sleeps between two tries whatever happens; stopping does
// not wait for that.
func TestAnAPIServerThatNeverAnswersIsSaid(t *testing.T) {
	s := newSandbox(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	harness.Must(t, err)
	closed.Close()
	var mu sync.Mutex
	var tries []time.Time
	r := s.Start(func(config *rest.Config) { config.Host = "https://" + closed.Addr().String() }, harness.Before(func(r *http.Request) {
		if r.URL.Path == "/api/v1/namespaces" {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Now())
		}
	}))
	s.Eventually("it is said", func() error {
		if len(r.Lines("the API server cannot be reached")) == 0 {
			return errors.New("nothing in the log")
		}
		return nil
	})
	var last time.Time
	s.Eventually("the pause is a long one", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(tries) < 4 {
			return fmt.Errorf("%d tries", len(tries))
		}
		last = tries[len(tries)-1]
		return nil
	})
	r.Stop()
	const pause = 8 * 800 * time.Millisecond // at least, after the fourth try: client-go begins with 0.8 s and doubles it
	if took := time.Since(last); took >= pause {
		t.Errorf("it ended %s after the last try: it waited for the pause", took)
	}
	if n := len(r.Lines("the API server cannot be reached")); n > 3 {
		t.Errorf("it is said %d times", n)
	}
}

// As many namespaces as there are workers, whose writes hang for long, delay no other.
func TestHangingNamespacesDelayNoOther(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	for i := range 20 {
		s.Namespace(fmt.Sprintf("hang%02d", i))
	}
	release := make(chan struct{})
	var hanging atomic.Int32
	s.Start(harness.Before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, s.Name("hang")) {
			hanging.Add(1)
			<-release
		}
	}))
	s.Policy(harness.OneRule)
	s.Eventually("all workers hang", func() error {
		if n := hanging.Load(); n < 8 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	s.WantCopy(s.Namespace("good"), "reg", api.Credential("hub.example", "one"))
	close(release)
	for i := range 20 {
		s.WantCopy(s.Name(fmt.Sprintf("hang%02d", i)), "reg", api.Credential("hub.example", "one"))
	}
}

// losesBookmarks drops the bookmarks of a watch, as a proxy does that reads the events. end ends it, as the proxy does.
func losesBookmarks(resp *http.Response) (end func()) {
	events, out := io.Pipe()
	body := resp.Body
	go func() {
		defer out.Close()
		for lines := bufio.NewReader(body); ; {
			line, err := lines.ReadBytes('\n')
			if len(line) > 0 && !bytes.Contains(line[:min(60, len(line))], []byte(`"BOOKMARK"`)) {
				if _, err := out.Write(line); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	resp.Body = &pipedBody{events, body}
	return func() { _ = out.Close() }
}

// inJSON is a request for an answer that a proxy can read.
func inJSON(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	return r
}

// pipedBody ends both ends of a body that is read through a pipe.
type pipedBody struct {
	*io.PipeReader
	from io.Closer
}

func (b *pipedBody) Close() error {
	_ = b.PipeReader.Close()
	return b.from.Close()
}

// TestAProxyThatBreaksWatchListsIsNotWaitedFor has the controller work through what stands before some API servers.
func TestAProxyThatBreaksWatchListsIsNotWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		why   string
		watch func(r *http.Request, next http.RoundTripper) (*http.Response, error)
		said  int
	}{
		{"it loses bookmarks", func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(inJSON(r))
			if err == nil {
				losesBookmarks(resp)
			}
			return resp, err
		}, 1},
		{"it ends watches before their bookmark", func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(inJSON(r))
			if err == nil {
				time.AfterFunc(1500*time.Millisecond, losesBookmarks(resp))
			}
			return resp, err
		}, 1},
		{"it refuses them, which client-go knows", func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if !strings.Contains(r.URL.RawQuery, "sendInitialEvents=true") {
				return next.RoundTrip(r)
			}
			return harness.Refusal(http.StatusBadRequest, "BadRequest"), nil
		}, 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s := newSandbox(t)
			if tt.said > 0 { // it breaks what has to be there
				s.Needs(harness.WatchLists)
			}
			s.Source("hub", api.Credential("hub.example", "one"))
			ns := s.Namespace("a")
			var watchLists atomic.Int32
			r := s.Start(harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if r.URL.Query().Get("watch") == "" {
					return next.RoundTrip(r)
				}
				if r.URL.Query().Get("sendInitialEvents") == "true" {
					watchLists.Add(1)
				}
				return tt.watch(r, next)
			}))
			s.Eventually("it is ready", func() error {
				if !r.Controller.Ready() {
					return fmt.Errorf("it waits for %q", r.Controller.Unsettled())
				}
				return nil
			})
			before := watchLists.Load()
			s.Revised("Ready", harness.OneRule)
			s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
			s.Source("hub", api.Credential("hub.example", "two"))
			s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
			if n := len(r.Lines("did not end with the bookmark")); n != tt.said {
				t.Errorf("it was said %d times, want %d", n, tt.said)
			}
			if n := watchLists.Load() - before; tt.said > 0 && n > 0 {
				t.Errorf("the watches that came later began with %d watch-lists, which were known not to work", n)
			}
		})
	}
}
