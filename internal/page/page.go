// Package page is what the program's pages share: how they look, what they let a browser do, and how much of a list they show.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
)

// Style is how all pages look, by day and by night, on a desk and on a phone.
//
//go:embed style.css
var Style string

// ContentPolicy lets a page run its one script and look as its one style says, and besides what more permits: it loads nothing,
// and what a cluster's objects are called cannot become a part of it. Source: W3C, Content Security Policy Level 3.
func ContentPolicy(style, script string, more ...string) string {
	return strings.Join(append([]string{
		"default-src 'none'", fmt.Sprintf("style-src '%s'", hashSource(style)), fmt.Sprintf("script-src '%s'", hashSource(script)), "base-uri 'none'",
	}, more...), "; ")
}

// hashSource names an inline text to the browser.
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Look is how a state shows: by a symbol and a word, and not by its colour alone. The class is one of those in Style.
type Look struct{ Class, Symbol, Words string }

// First are the first n of a list, and what is said of the rest.
func First[T any](list []T, n int, rest string) (shown []T, cut string) {
	if len(list) <= n {
		return list, ""
	}
	return list[:n], fmt.Sprintf("These are the first %d of %d; %s.", n, len(list), rest)
}
