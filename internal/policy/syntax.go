package policy

import (
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// SyntaxError says where a text that is not YAML breaks off and why; the reason is empty where it is YAML.
//
// The YAML libraries tell no column, and the line of some problems one too low, or of the list around, or not at all.
// But they read from the start to the end: the shortest beginning of the text that fails in the very same words ends
// with what does not fit. A text beyond MaxSize is no policy; the search would take seconds, and the column is 0 then.
//
// go.yaml.in/yaml/v4 tells columns, but it cannot replace the search, because it reads another YAML than the decoder of
// policies. It refuses a comment without a space before it (["*"]# all), and accepts a tag like [!kube-system]. It has no
// place for a byte that is not text, and names the end of the text, not of what is left open, as the place where a list
// should have been closed.
func SyntaxError(content string) (line, column int, reason string) {
	failure := yamlFailure(content)
	if failure == "" {
		return 0, 0, ""
	}
	words := libraryWords.FindStringSubmatch(failure)
	reason = failure[len(words[0]):]
	if len(content) > MaxSize {
		line, _ = strconv.Atoi(words[1])
		return line, 0, reason
	}
	end := sort.Search(len(content), func(n int) bool { return yamlFailure(content[:wholeRunes(content, n)]) == failure })
	before := content[:wholeRunes(content, end)]
	if strings.HasPrefix(reason, "unknown anchor") {
		before = before[:strings.LastIndexByte(before, '*')+1] // it is only known to be unknown once it was read
	}
	line, behind := placeAt(content, len(before))
	return line, max(behind-1, 1), reason
}

// parserWords start an error of the parser behind sigs.k8s.io/yaml; others of its errors are about what was read.
const parserWords = "error converting YAML to JSON: yaml: "

var libraryWords = regexp.MustCompile(`^(?:` + parserWords + `|yaml: )?(?:line (\d+): )?`)

// yamlFailure is what the YAML libraries have against a text, "" for nothing. Of a list that is not closed, yaml/v3 tells
// the start, and the parser behind sigs.k8s.io/yaml the place where it should have ended; but that reads one document.
func yamlFailure(content string) string {
	if err := sigsyaml.Unmarshal([]byte(content), new(any)); err != nil && strings.HasPrefix(err.Error(), parserWords) {
		return err.Error()
	}
	for dec := yaml.NewDecoder(strings.NewReader(content)); ; {
		switch err := dec.Decode(new(yaml.Node)); {
		case errors.Is(err, io.EOF):
			return ""
		case err != nil:
			return err.Error()
		}
	}
}

// wholeRunes is n, or the next lower number of bytes that ends with a whole character.
func wholeRunes(content string, n int) int {
	for n > 0 && n < len(content) && !utf8.RuneStart(content[n]) {
		n--
	}
	return n
}

// syntaxRemedies are what to do about the mistakes that are made most often, by the start of the libraries' reason.
var syntaxRemedies = []struct{ reason, remedy string }{
	// A bare star starts an alias, and no other mistake is as likely in a list of globs.
	{"unknown anchor", `a glob that starts with * needs quotes, as in ["*"]`},
	{"did not find expected alphabetic or numeric character", `a glob that starts with * needs quotes, as in ["*"]`},
	{"mapping values are not allowed", `a value with ": " in it needs quotes, and a new key a new line`},
	{"found a tab character", "indent with spaces"},
	{"found character that cannot start any token", "indent with spaces, and put quotes around what is special to YAML"},
}

func (t *text) syntaxProblem() Problem {
	line, column, reason := SyntaxError(t.content)
	p := Problem{Document: t.name, Line: line, Column: column, Message: "is not YAML: " + reason}
	for _, r := range syntaxRemedies {
		if strings.HasPrefix(reason, r.reason) {
			p.Message += ": " + r.remedy
			break
		}
	}
	return p
}
