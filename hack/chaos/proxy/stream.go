package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// errCut ends a stream that a fault breaks off; the reverse proxy then resets it.
var errCut = errors.New("a fault cut the watch")

// streams are the watches that run.
type streams struct {
	mu      sync.Mutex
	running map[*stream]bool
}

// change has all watches look at the faults again. One that was just injected may end them at once.
func (s *streams) change(injected *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.running {
		if injected != nil && injected.Event != nil {
			one.breakOff(injected.Event(one.r, Event{}))
		}
		one.wake()
	}
}

func (s *streams) end() {
	s.change(&Fault{Event: func(*http.Request, Event) Fate { return Fate{Cut: true} }})
}

// begin follows a watch's body, in protobuf or in JSON, and returns what its reader is to get instead.
func (s *streams) begin(r *http.Request, body io.ReadCloser, inProtobuf bool, fate func(*http.Request, Event) Fate) io.ReadCloser {
	one := &stream{r: r, body: body, protobuf: inProtobuf, fate: fate, changed: make(chan struct{}, 1), of: s}
	s.mu.Lock()
	s.running[one] = true
	s.mu.Unlock()
	one.breakOff(fate(r, Event{}))
	go one.receive()
	return one
}

// stream is the body of a watch, read by events.
type stream struct {
	r        *http.Request
	body     io.ReadCloser
	protobuf bool // its events are frames, and not lines
	fate     func(*http.Request, Event) Fate
	of       *streams
	changed  chan struct{} // something came, or the faults changed

	rest []byte // of what is being passed on; Read's alone
	last bool   // after rest nothing follows

	mu    sync.Mutex
	queue []received
	err   error // after the queue
	ended *Fate // by a fault, whatever waits
}

type received struct {
	Event
	at time.Time
}

// receive reads what the API server sends as fast as it comes, as a proxy does that buffers.
func (s *stream) receive() {
	read := readLine
	if s.protobuf {
		read = readFrame
	}
	for from := bufio.NewReader(s.body); ; {
		e, err := read(from)
		s.mu.Lock()
		if len(e.Line) > 0 {
			s.queue = append(s.queue, received{e, time.Now()})
		}
		s.err = err
		s.mu.Unlock()
		s.wake()
		if err != nil {
			return
		}
	}
}

func (s *stream) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// breakOff ends the watch before any event that waits, if that is its fate.
func (s *stream) breakOff(fate Fate) {
	if !fate.Cut && !fate.End {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = &fate
	}
}

// Read passes on the events that are due.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.last {
			return 0, io.EOF
		}
		wait, err := s.next()
		if err != nil {
			return 0, err
		}
		if len(s.rest) == 0 && !s.last {
			if err := s.wait(s.r.Context(), wait); err != nil {
				return 0, err
			}
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// next takes the next event if it is due, or says how long it is to be waited for; 0 for until something changes.
func (s *stream) next() (wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		if s.ended.Cut {
			return 0, errCut
		}
		s.rest, s.last = errorEvent(s.ended.Last, s.protobuf), true
		return 0, nil
	}
	for len(s.queue) > 0 {
		e := s.queue[0]
		fate := s.fate(s.r, e.Event)
		if wait := time.Until(e.at.Add(fate.Delay)); wait > 0 {
			return wait, nil
		}
		s.queue = s.queue[1:]
		switch {
		case fate.Cut:
			s.rest, s.ended = e.Line[:len(e.Line)/2], &Fate{Cut: true}
			return 0, nil
		case fate.End:
			s.rest, s.last = errorEvent(fate.Last, s.protobuf), true
			return 0, nil
		case !fate.Lose:
			s.rest = e.Line
			return 0, nil
		}
	}
	return 0, s.err
}

func (s *stream) wait(ctx context.Context, most time.Duration) error {
	var due <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-s.changed:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (s *stream) Close() error {
	s.of.mu.Lock()
	delete(s.of.running, s)
	s.of.mu.Unlock()
	return s.body.Close()
}
