package reconcile

import (
	"fmt"
	"strings"
)

// shownLines is how many lines of a list a message holds.
const shownLines = 10

// few puts a list into one line, and counts what would make it too long.
func few(lines []string) string {
	if more := len(lines) - shownLines; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(lines[:shownLines], "; "), more)
	}
	return strings.Join(lines, "; ")
}
