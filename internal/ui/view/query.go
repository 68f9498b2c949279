package view

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// maxAsked is how long a name can be that is asked for.
const maxAsked = 253

// Query is what a person asks the page for.
type Query struct {
	Filter string // part of a namespace's name
	Of     string // KIND/NAME in it
	Typing bool   // it is not all typed yet, so nothing is asked of the cluster
}

// NewQuery reads a query. What is too long is cut.
func NewQuery(values url.Values) Query {
	return Query{
		Filter: strings.ToLower(tidy(values.Get("q"))), Of: tidy(values.Get("of")), Typing: values.Get("typing") != "",
	}
}

// tidy is a text as somebody meant it, without what no name has.
func tidy(text string) string {
	text = strings.ToValidUTF8(text, "")
	for len(text) > maxAsked {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return strings.Join(strings.Fields(text), " ")
}

// isName reports whether a text can be the name of a namespace.
func isName(text string) bool { return len(validation.IsDNS1123Label(text)) == 0 }

// target is the object that is asked about, and what is wrong with the words for it.
func (q Query) target() (inspect.Target, string) {
	target, err := inspect.ParseTarget(q.Of)
	if err != nil {
		return target, err.Error()
	}
	return target, ""
}
