package faults

import (
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
)

// documentedPeak is how much memory the program needs at its peak with 300 namespaces, in MiB: docs/performance.md.
const documentedPeak = 41

// limitRows are a program that gets little. A machine that cannot limit memory skips those rows, and says so.
var limitRows = []row{
	limited("memory-roll-out", rollOut, inLittleMemory),
	limited("memory-rotation", rotation, inLittleMemory),
	limited("memory-edit", edits, inLittleMemory),
	limited("memory-start", start, inLittleMemory),
	limited("files-roll-out", rollOut, withFewFiles),
	limited("files-edit", edits, withFewFiles),
	limited("files-start", start, withFewFiles),
}

// limit is what a program gets, and how the table calls that.
type limit struct {
	words string
	set   func(o *program.Options)
}

var (
	inLittleMemory = limit{"memory is limited to 51 MiB, 1.25 times the documented peak",
		func(o *program.Options) { o.Memory = documentedPeak << 20 * 5 / 4 }}
	withFewFiles = limit{"256 file descriptors", func(o *program.Options) { o.Files = 256 }}
)

// limited has the program live with a limit all the time. It may not be ended by it.
func limited(name string, during activity, by limit) row {
	return row{
		name: name, fault: by.words, during: during, lasts: 5 * time.Second,
		arrange: func(s *stage) { by.set(&s.Options) },
		begin: func(s *stage) func() {
			return func() {
				p := s.last()
				if p.OutOfMemory() || !p.Running() {
					s.t.Errorf("the program ended: its memory was not enough: %t", p.OutOfMemory())
				}
				s.t.Logf("%d MiB resident at the peak, %d descriptors open", p.Usage().Peak>>20, p.Open())
			}
		},
	}
}
