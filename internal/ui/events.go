package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// maxListeners is how many pages may listen at once. A browser opens six connections to a host, and a page that is out of
	// sight closes its own.
	maxListeners = 32
	// pause is the least between two events to a page: what changes meanwhile is one event.
	pause = 500 * time.Millisecond
	// heartbeat keeps a connection from looking dead.
	heartbeat = 15 * time.Second
	// slow is how long a page may take to accept an event.
	slow = 10 * time.Second
	// remembered is how many changes are kept in words.
	remembered = 20
)

// news counts what changed, and tells the pages that listen. A page asks for what is new itself: it may have a filter.
type news struct {
	slots chan struct{}
	ended chan struct{} // closed when the server stops

	mu      sync.Mutex
	version int
	words   []saying
	changed chan struct{} // closed with the next change
}

// saying is what a change is in words.
type saying struct {
	version int
	text    string
}

func newNews() *news {
	return &news{slots: make(chan struct{}, maxListeners), ended: make(chan struct{}), changed: make(chan struct{}), version: 1}
}

// tell counts a change. The words are for people who do not see the page.
func (n *news) tell(words []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.version++
	for _, text := range words {
		n.words = append(n.words, saying{n.version, text})
	}
	n.words = n.words[max(0, len(n.words)-remembered):]
	close(n.changed)
	n.changed = make(chan struct{})
}

// since returns what changed after a version, and what is closed with the next change.
func (n *news) since(version int) (now int, words []string, next <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.words {
		if w.version > version {
			words = append(words, w.text)
		}
	}
	return n.version, words, n.changed
}

// event is the data of one.
type event struct {
	Version int      `json:"version"`
	Words   []string `json:"words"`
}

// ServeHTTP tells one page of changes until it goes, or does not take what it is sent. It begins with what changed after the
// version that the page has, so that nothing is missed when a connection breaks. Source: WHATWG HTML, server-sent events.
func (n *news) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages listen: close some", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	send := sender(w)
	if r.Method == http.MethodHead || send("retry: 2000\n\n") != nil {
		return
	}
	seen := lastSeen(r)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		now, words, next := n.since(seen)
		if now != seen {
			data, _ := json.Marshal(event{now, words}) // texts and a number
			if send(fmt.Sprintf("id: %d\ndata: %s\n\n", now, data)) != nil {
				return
			}
			seen = now
			next = after(pause)
		}
		select {
		case <-r.Context().Done():
			return
		case <-n.ended:
			return
		case <-next:
		case <-beat.C:
			if send(": still here\n\n") != nil {
				return
			}
		}
	}
}

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// sender writes at once, or fails: a page that takes too long is given up.
func sender(w http.ResponseWriter) func(string) error {
	control := http.NewResponseController(w)
	return func(text string) error {
		if err := control.SetWriteDeadline(time.Now().Add(slow)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return control.Flush()
	}
}

// lastSeen is the version that a page has: the last that it was told of, or else the one that it was made of.
func lastSeen(r *http.Request) int {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("since")} {
		if version, err := strconv.Atoi(text); err == nil {
			return version
		}
	}
	return 0
}
