package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// progressAfter is how long something takes before people want to see how far it is.
	progressAfter = time.Second
	// progressEvery is how often it is drawn.
	progressEvery = 100 * time.Millisecond

	eraseLine = "\r\x1b[K"
)

// progress is a bar on a terminal; nothing where there is none. What is written through it appears above the bar.
type progress struct {
	out     io.Writer
	what    string
	started time.Time
	log     io.Writer // what Write writes to; nil if nothing is

	mu   sync.Mutex
	last time.Time
	bar  string // as it is drawn
}

func newProgress(out io.Writer, what string) *progress {
	p := &progress{what: what, started: time.Now()}
	if isTerminal(out) {
		p.out = out
	}
	return p
}

func (p *progress) update(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.out == nil || total == 0 || now.Sub(p.started) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	const width = 30
	full := width * done / total
	p.last = now
	p.bar = fmt.Sprintf("%s [%s%s] %d/%d", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
	fmt.Fprint(p.out, "\r"+p.bar)
}

// done removes the bar.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != "" {
		fmt.Fprint(p.out, eraseLine)
	}
	p.bar, p.out = "", nil
}

// Write writes a line of the log.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != "" {
		fmt.Fprint(p.out, eraseLine)
		defer func() { fmt.Fprint(p.out, p.bar) }()
	}
	return p.log.Write(b)
}
