package policy

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foreign is what stands in a line and is not YAML, or is YAML only by mistake.
type foreign struct {
	offset  int // in the line, in bytes
	kind    string
	message string
}

// foreignIn finds the first thing in a line, without its line end, that no policy has. What stands in a comment is
// passed over, except for what ends the line for YAML and in no editor.
func foreignIn(line string) *foreign {
	if f := controlIn(line); f != nil {
		return f
	}
	code := withoutComment(line)
	for _, find := range []func(string) *foreign{templateIn, spaceIn, tagIn} {
		if f := find(code); f != nil {
			return f
		}
	}
	return nil
}

// commentStart is where YAML takes a # for the start of a comment, or may do so.
var commentStart = regexp.MustCompile("(?:^|[ \t,\\[\\]{}\"'])#")

func withoutComment(line string) string {
	at := commentStart.FindStringIndex(line)
	if at == nil || strings.HasPrefix(line[at[0]:], "{#") && strings.Contains(line[at[1]:], "#}") { // a comment of Jinja
		return line
	}
	return line[:at[0]]
}

// controlIn finds characters that YAML refuses, and those that it takes for line ends and other programs do not: what
// follows one of them in a comment is not part of the comment.
func controlIn(line string) *foreign {
	for i, r := range line {
		switch {
		case r == '\r':
			return &foreign{i, "a line end of its own", "a carriage return stands here without a line feed: save the text with the line ends of Unix or Windows"}
		case r == '\u0085', r == '\u2028', r == '\u2029':
			return &foreign{i, "a line end of its own", fmt.Sprintf("%U is a line end to YAML, and to hardly any editor: remove it", r)}
		case r != '\t' && unicode.IsControl(r), r == '\ufffe', r == '\uffff':
			return &foreign{i, "a control character", fmt.Sprintf("%U is a control character: remove it", r)}
		}
	}
	return nil
}

// template is the start of a placeholder of Helm, Jinja, a shell or envsubst, or ERB, up to its end in the same line.
var template = regexp.MustCompile(`\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|\{#.*?#\}|\$\{.*?(?:\}|$)|<%.*?(?:%>|$)`)

func templateIn(code string) *foreign {
	at := template.FindStringIndex(code)
	if at == nil {
		return nil
	}
	return &foreign{at[0], "a template that was not rendered",
		brief(code[at[0]:at[1]]) + " was not rendered: a policy is judged as it is applied, with every template filled in"}
}

// spaceNames are the characters that people paste most often.
var spaceNames = map[rune]string{
	'\u00a0': "a non-breaking space", '\u2007': "a figure space", '\u202f': "a narrow non-breaking space",
	'\u3000': "an ideographic space", '\u200b': "a zero width space", '\u00ad': "a soft hyphen", '\ufeff': "a byte order mark",
}

// spaceIn finds white space that is no white space to YAML, and what cannot be seen: both would become part of a name.
func spaceIn(code string) *foreign {
	at := strings.IndexFunc(code, func(r rune) bool { return r != ' ' && unicode.In(r, unicode.Zs, unicode.Cf) })
	if at < 0 {
		return nil
	}
	r, _ := utf8.DecodeRuneInString(code[at:])
	invisible := unicode.Is(unicode.Cf, r)
	name := spaceNames[r]
	switch {
	case name == "" && invisible:
		name = "an invisible character"
	case name == "":
		name = "another space than that of the keyboard"
	}
	name = fmt.Sprintf("%s (%U)", name, r)
	switch {
	case invisible:
		return &foreign{at, name, name + " stands here, which YAML takes for text: remove it"}
	case strings.TrimSpace(code[:at]) == "":
		return &foreign{at, name, "this line is indented with " + name + ", which is no indentation: type ordinary spaces"}
	}
	return &foreign{at, name, name + " stands here, which YAML takes for text: type an ordinary space"}
}

var (
	quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'`)
	// tagStart is a ! where YAML takes it for the start of a tag.
	tagStart = regexp.MustCompile(`(?:^|[ \t\[{,:])(![^ \t,\[\]{}]*)`)
)

// tagIn finds a tag. One makes another value of what stands there, and ! is what other tools negate with.
func tagIn(code string) *foreign {
	bare := quotedText.ReplaceAllStringFunc(code, func(s string) string { return `"` + strings.Repeat("_", len(s)-2) + `"` })
	at := tagStart.FindStringSubmatchIndex(bare)
	if at == nil {
		return nil
	}
	tag := code[at[2]:at[3]]
	message := fmt.Sprintf("the tag %s is not allowed: a value that starts with ! needs quotes", brief(tag))
	value := strings.TrimLeft(code[at[3]:], " \t")
	if tag == "!" || !strings.HasPrefix(tag, "!!") && (value == "" || strings.ContainsAny(value[:1], ",]}")) {
		message += ", and in a glob ! does not negate: write the name without it, under exclude"
	}
	return &foreign{at[2], "a value that starts with !", message}
}

// plainLines refuses a text with lines that hold something foreign. What else could be said of it may only follow.
func (t *text) plainLines() bool {
	for i, line := range strings.Split(t.content, "\n") {
		if f := foreignIn(strings.TrimSuffix(line, "\r")); f != nil {
			t.problems = append(t.problems, Problem{
				Document: t.name, Line: i + 1, Column: 1 + utf8.RuneCountInString(line[:f.offset]), Message: f.message,
			})
		}
	}
	if at := joinedAt(t.content); len(t.problems) == 0 && at >= 0 {
		line, column := placeAt(t.content, at)
		t.problems = append(t.problems, Problem{Document: t.name, Line: line, Column: column, Message: JoinedLines})
	}
	return len(t.problems) == 0
}

// JoinedLines is said of a text that a folded scalar of a manifest made: what stood in lines of its own stands in one.
const JoinedLines = "its lines were joined, as > in a manifest does: write | in place of >"

var (
	joinedFields = regexp.MustCompile(`\b(?:apiVersion|kind): *[^\s,{}]+ +((apiVersion|kind|rules):)`)
	fieldLine    = regexp.MustCompile(`(?m)^[\s"'{,]*(apiVersion|kind|rules)["']?\s*:`)
)

// joinedAt is where a field stands that should start a line and never does, or -1.
func joinedAt(content string) int {
	starts := map[string]bool{}
	for _, m := range fieldLine.FindAllStringSubmatch(content, -1) {
		starts[m[1]] = true
	}
	for _, m := range joinedFields.FindAllStringSubmatchIndex(content, -1) {
		if !starts[content[m[4]:m[5]]] {
			return m[2]
		}
	}
	return -1
}

// SyntaxCause says what is likely wrong in a text that is not YAML, and in which line, at or just before the line where
// it breaks off. It quotes none of the text, and is empty where nothing is found.
func SyntaxCause(content string, breaksOff int) (line int, what string) {
	lines := strings.Split(content, "\n")
	for line := min(breaksOff, len(lines)); line > 0 && line >= breaksOff-1; line-- {
		if f := foreignIn(strings.TrimSuffix(lines[line-1], "\r")); f != nil {
			return line, f.kind
		}
	}
	return 0, ""
}
