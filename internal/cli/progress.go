package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressAfter is how long something takes before people want to see how far it is.
const progressAfter = time.Second

// progress is a bar on a terminal; nothing where there is none.
type progress struct {
	out     io.Writer
	what    string
	started time.Time

	mu    sync.Mutex
	drawn bool
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
	if p.out == nil || total == 0 || time.Since(p.started) < progressAfter {
		return
	}
	const width = 30
	full := width * done / total
	p.drawn = true
	fmt.Fprintf(p.out, "\r%s [%s%s] %d/%d", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
}

// done removes the bar.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
