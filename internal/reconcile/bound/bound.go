// Package bound shortens texts and lists for the log, for the status and for messages. It is pure.
package bound

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLine is what no line of the log exceeds, and no text that is written to the cluster, in bytes: container runtimes and
// log stores split or drop longer ones. Two lists and a text are in one line at most.
const MaxLine = 16 << 10

const (
	// MaxText is how long a text is at most, in bytes; see Text.
	MaxText = 1000
	// maxList bounds all items of a list together, in bytes as JSON writes them.
	maxList = 6 << 10
)

// Text cuts a text after MaxText bytes.
func Text(text string) string { return TextTo(text, MaxText) }

// TextTo cuts a text so that it has at most size bytes and the three of the sign that something was cut.
func TextTo(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "") + "…"
}

// List returns the first items of a list, each shortened, and as the last item how many are left out. what names them
// in the plural; it may be empty.
func List(items []string, what string) []string {
	out, size := make([]string, 0, min(len(items), maxList/2)), 0
	for i, item := range items {
		item = Text(item)
		if size += escapedSize(item) + len(`"",`); size > maxList {
			return append(out, strings.TrimSpace(fmt.Sprintf("and %d more %s", len(items)-i, what)))
		}
		out = append(out, item)
	}
	return out
}

// escapedSize is how many bytes a text has as a JSON string of the log, without its quotes.
func escapedSize(text string) (n int) {
	for _, r := range text {
		switch {
		case r == '"', r == '\\':
			n += 2
		case r < ' ', r == 0x7f, r == utf8.RuneError: // which is what an invalid byte is written as
			n += len(`\u0000`)
		default:
			n += utf8.RuneLen(r)
		}
	}
	return n
}

// shownLines is how many lines of a list a message holds.
const shownLines = 10

// Few puts a list into one line, and counts what would make it too long.
func Few(lines []string) string {
	if more := len(lines) - shownLines; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(lines[:shownLines], "; "), more)
	}
	return strings.Join(lines, "; ")
}
