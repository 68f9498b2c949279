package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	bar := "namespaces [" + strings.Repeat("=", 10) + strings.Repeat(" ", 20) + "] 1/3"
	for _, c := range []struct {
		why      string
		took     time.Duration
		terminal bool
		want     string
	}{
		{"what is done within a second needs none", 0, true, "log\n"},
		{"nothing is drawn into a file", time.Hour, false, "log\n"},
		{"a line of the log goes above the bar, and nothing is left in the end", time.Hour, true,
			"\r" + bar + eraseLine + "log\n" + bar + eraseLine},
	} {
		var screen bytes.Buffer
		p := newProgress(&screen, "namespaces")
		p.log, p.started = &screen, time.Now().Add(-c.took)
		if c.terminal {
			p.out = &screen
		}
		p.update(1, 3)
		p.update(2, 3) // too soon to draw again
		if _, err := p.Write([]byte("log\n")); err != nil {
			t.Error(err)
		}
		p.done()
		p.update(3, 3)
		if screen.String() != c.want {
			t.Errorf("%s: %q, want %q", c.why, screen.String(), c.want)
		}
	}
}
