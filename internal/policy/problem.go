package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one thing to say of a policy text, with the place where it stands.
type Problem struct {
	Document     string // the ConfigMap's key or the file; empty for the whole
	Path         string // rules[2].namespaces.include[0]; empty for the whole document
	Line, Column int    // from 1; 0 when unknown, and a line may be known without its column
	Message      string
	Warning      bool // worth knowing, but the text is accepted
}

func (p Problem) String() string {
	var parts []string
	if p.Document != "" {
		parts = append(parts, oneLine(p.Document))
	}
	if p.Path != "" {
		parts = append(parts, oneLine(p.Path))
	}
	switch {
	case p.Column > 0:
		parts = append(parts, fmt.Sprintf("line %d, column %d", p.Line, p.Column))
	case p.Line > 0:
		parts = append(parts, fmt.Sprintf("line %d", p.Line))
	}
	if p.Warning {
		parts = append(parts, "warning")
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// oneLine escapes what somebody put into the name of a file or the key of a label to end the line, or to reach the
// terminal: in the log of a pipeline, a line of one's own can be a command.
func oneLine(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

// Problems are all problems of a text, in the order of the text.
type Problems []Problem

// Errors returns the problems that make the text unacceptable.
func (ps Problems) Errors() Problems { return ps.filter(false) }

// Warnings returns the others.
func (ps Problems) Warnings() Problems { return ps.filter(true) }

func (ps Problems) filter(warning bool) Problems {
	var out Problems
	for _, p := range ps {
		if p.Warning == warning {
			out = append(out, p)
		}
	}
	return out
}

// Error implements error, a problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Document, b.Document),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Path, b.Path),
			strings.Compare(a.Message, b.Message),
		)
	})
}
