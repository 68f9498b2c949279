package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
			resp, err := next.RoundTrip(r)
			if err == nil {
				losesBookmarks(resp)
			}
			return resp, err
		}, 1},
		{"it ends watches before their bookmark", func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				time.AfterFunc(1500*time.Millisecond, losesBookmarks(resp))
			}
			return resp, err
		}, 1},
		{"it refuses them, which client-go knows", func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if !strings.Contains(r.URL.RawQuery, "sendInitialEvents=true") {
				return next.RoundTrip(r)
			}
			return status(http.StatusBadRequest, "BadRequest"), nil
		}, 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			ns := s.namespace("a")
			var watchLists atomic.Int32
			r := s.start(around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if r.URL.Query().Get("watch") == "" {
					return next.RoundTrip(r)
				}
				if r.URL.Query().Get("sendInitialEvents") == "true" {
					watchLists.Add(1)
				}
				return tt.watch(r, next)
			}))
			s.eventually("it is ready", func() error {
				if !r.c.Ready() {
					return fmt.Errorf("it waits for %q", r.c.Unsettled())
				}
				return nil
			})
			before := watchLists.Load()
			s.revised("Ready", oneRule)
			s.wantCopy(ns, "reg", credential("hub.example", "one"))
			s.source("hub", credential("hub.example", "two"))
			s.wantCopy(ns, "reg", credential("hub.example", "two"))
			if n := len(r.lines("did not end with the bookmark")); n != tt.said {
				t.Errorf("it was said %d times, want %d", n, tt.said)
			}
			if n := watchLists.Load() - before; tt.said > 0 && n > 0 {
				t.Errorf("the watches that came later began with %d watch-lists, which were known not to work", n)
			}
		})
	}
}
