package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Fault is what happens to requests, to the events of watches, or to both, while it is injected.
type Fault struct {
	// Request stands in for next, which is the way to the API server. Nil: requests pass.
	Request func(w http.ResponseWriter, r *http.Request, next http.Handler)
	// Event says what becomes of the next event of a watch, however long that runs already. It is asked again when the
	// faults change, and with no event at all when the watch begins and when the fault is injected, for faults that do
	// not wait for an event. r is the request of the watch. Nil: events pass.
	Event func(r *http.Request, e Event) Fate
}

// Event is a line of a watch, or a frame of one in protobuf.
type Event struct {
	Type string // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR; empty for no event
	Line []byte // as it came
}

// Fate is what becomes of an event of a watch. The zero value lets it pass.
type Fate struct {
	Delay time.Duration  // it and all after it are kept back until so long after it came
	Lose  bool           // it does not arrive
	Cut   bool           // half of it arrives, and the stream is reset
	End   bool           // it does not arrive, and the watch ends in good order, after Last
	Last  map[string]any // a status, for an event that says why; nil for none
}

// and is the worse of both.
func (f Fate) and(g Fate) Fate {
	f.Delay = max(f.Delay, g.Delay)
	f.Lose, f.Cut = f.Lose || g.Lose, f.Cut || g.Cut
	if g.End && !f.End {
		f.End, f.Last = true, g.Last
	}
	return f
}

// On limits a fault to some of the requests and to the events of some of the watches.
func On(match Match, f Fault) Fault {
	var g Fault
	if f.Request != nil {
		g.Request = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if match(r) {
				f.Request(w, r, next)
				return
			}
			pass(w, r, next)
		}
	}
	if f.Event != nil {
		g.Event = func(r *http.Request, e Event) Fate {
			if match(r) {
				return f.Event(r, e)
			}
			return Fate{}
		}
	}
	return g
}

// Delay has each request wait before it goes on to the API server. A write goes on also when nobody waits for it any longer.
func Delay(d time.Duration) Fault {
	return Fault{Request: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		gone := r.Context().Done()
		if Writes(r) {
			gone = nil
		}
		select {
		case <-time.After(d):
			next.ServeHTTP(w, r)
		case <-gone:
		}
	}}
}

// Answer stands in for the API server: nothing reaches it. retryAfter, in whole seconds, is the header of that name; 0 for
// none.
func Answer(code int, retryAfter time.Duration) Fault {
	return Fault{Request: func(w http.ResponseWriter, r *http.Request, _ http.Handler) { answer(w, code, retryAfter) }}
}

// Reset resets the stream of a request before it reaches the API server.
func Reset() Fault {
	return Fault{Request: func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }}
}

// Carried has the API server carry requests out, and does the fault to its answer: so does a proxy that waits no longer, or
// a connection that breaks on the way back. Watches pass.
func Carried(f Fault) Fault {
	return On(Not(Watches), Fault{Request: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(newRecorder(), r)
		f.Request(w, r, http.NotFoundHandler())
	}})
}

// CutBody breaks answers off in the middle, and watches in the middle of an event.
func CutBody() Fault {
	return Fault{
		Request: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if Watches(r) {
				pass(w, r, next)
				return
			}
			answered := newRecorder()
			next.ServeHTTP(answered, r)
			answered.copyHeader(w)
			w.Header().Set("Content-Length", strconv.Itoa(answered.body.Len()))
			w.WriteHeader(answered.code)
			_, _ = w.Write(answered.body.Bytes()[:answered.body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		Event: func(_ *http.Request, e Event) Fate { return Fate{Cut: e.Type != ""} },
	}
}

// CutWatch resets watches at once: those that run, and those that are begun while it is in effect.
func CutWatch() Fault {
	return Fault{Event: func(*http.Request, Event) Fate { return Fate{Cut: true} }}
}

// Gone answers lists with 410, and ends watches with an event that says the same: the version is too old.
func Gone() Fault {
	last := status(http.StatusGone, 0)
	return Fault{
		Request: On(Verb("list"), Answer(http.StatusGone, 0)).Request,
		Event:   func(*http.Request, Event) Fate { return Fate{End: true, Last: last} },
	}
}

// LoseBookmarks lets no bookmark of a watch pass.
func LoseBookmarks() Fault {
	return Fault{Event: func(_ *http.Request, e Event) Fate { return Fate{Lose: e.Type == "BOOKMARK"} }}
}

// DelayEvents keeps all events of watches back for so long, in their order.
func DelayEvents(d time.Duration) Fault {
	return Fault{Event: func(_ *http.Request, e Event) Fate {
		if e.Type == "" {
			return Fate{}
		}
		return Fate{Delay: d}
	}}
}

// reasons are what the API server calls these codes.
var reasons = map[int]string{
	http.StatusUnauthorized: "Unauthorized", http.StatusForbidden: "Forbidden", http.StatusConflict: "Conflict", http.StatusGone: "Expired",
	http.StatusTooManyRequests: "TooManyRequests", http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable: "ServiceUnavailable", http.StatusGatewayTimeout: "Timeout",
}

func status(code int, retryAfter time.Duration) map[string]any {
	details := map[string]any{}
	if retryAfter > 0 {
		details["retryAfterSeconds"] = int(retryAfter.Seconds())
	}
	return map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "code": code,
		"reason": reasons[code], "message": fmt.Sprintf("a fault was injected: %s", http.StatusText(code)), "details": details,
	}
}

func answer(w http.ResponseWriter, code int, retryAfter time.Duration) {
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(encode(status(code, retryAfter)))
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps, strings and numbers
	}
	return text
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, code: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func (r *recorder) copyHeader(w http.ResponseWriter) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
}

// send passes on what was kept.
func (r *recorder) send(w http.ResponseWriter) {
	r.copyHeader(w)
	w.WriteHeader(r.code)
	_, _ = w.Write(r.body.Bytes())
}
