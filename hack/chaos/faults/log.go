package faults

import (
	"encoding/json"
	"math"
	"strings"
)

// A namespace whose write failed is tried again after 50 ms, and then after twice as long each time, up to 30 s: so a line about
// one object can come so often, if it fails otherwise each time. What fails in the same way is said once, and what keeps the
// whole program from working again after five minutes.
func mostRepeated(lasted float64) int {
	const firstPause, longestPause = 0.05, 30
	doubling := math.Log2(longestPause/firstPause) + 1
	return int(math.Ceil(doubling + lasted/longestPause))
}

// mostLines is how long a log may be, but for the lines of writes: an object of each namespace that begins to fail and stops
// failing, as often as its namespace is tried; in truth most is said once for all.
func mostLines(namespaces int, lasted float64) int {
	return 50 + namespaces*2*mostRepeated(lasted)
}

// log is what programs say from here on.
type log struct {
	s    *stage
	from []int // lines of each program that do not count
}

func newLog(s *stage) *log {
	l := &log{s: s}
	for _, p := range s.Programs {
		l.from = append(l.from, len(p.Log.Lines()))
	}
	return l
}

// line is what is of interest of one.
type line struct {
	Message, Namespace, Kind, Name, Rule, Level, Reason string
}

// done are the messages that tell of a write which was carried out.
var done = map[string]bool{
	"references written": true, "list given back": true, "copy created": true, "copy updated": true, "copy replaced": true, "copy deleted": true,
}

// ended is the line of a problem that no namespace has any more. It names none, and comes no oftener than the problem began.
const ended = "no longer a problem"

func (l *log) count(out *result) {
	var all []string
	for i, p := range l.s.Programs {
		lines := p.Log.Lines()
		if i < len(l.from) {
			lines = lines[l.from[i]:]
		}
		all = append(all, lines...)
	}
	count(out, all)
}

// count says of lines how many there are, and which comes most often about one object.
func count(out *result, lines []string) {
	times := map[line]int{}
	for _, text := range lines {
		var one line
		if json.Unmarshal([]byte(text), &one) != nil {
			one = line{Message: text} // a panic, for example
		}
		if !done[one.Message] {
			out.Lines++
		}
		one.Message = withoutNumbers(one.Message)
		times[one]++
	}
	for one, n := range times {
		if one.Message == ended {
			continue
		}
		if n > out.Repeated || n == out.Repeated && one.Message < out.Most {
			out.Repeated, out.Most = n, one.Message
		}
	}
}

// withoutNumbers makes lines equal that differ only in numbers.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
