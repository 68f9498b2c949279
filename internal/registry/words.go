package registry

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxWords is how much is told on of what somebody else says, in characters.
const maxWords = 200

// problem is an error as registries report it: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// problems are those of an answer; besides the standard's form, that of Docker Hub's token server and that of OAuth 2.
func (s *said) problems() []problem {
	var list struct{ Errors []problem }
	if json.Unmarshal(s.body, &list) == nil && len(list.Errors) > 0 {
		return list.Errors
	}
	var one struct {
		Details, Message, Error string
		Description             string `json:"error_description"`
	}
	if json.Unmarshal(s.body, &one) != nil {
		return nil
	}
	for _, text := range []string{one.Description, one.Details, one.Message, one.Error} {
		if text != "" {
			return []problem{{Message: text}}
		}
	}
	return nil
}

// ofTokenServer reports whether an answer has an error in the form of registries, of Docker Hub's token server or of OAuth 2. An
// object with a message alone is what gateways answer too.
func (s *said) ofTokenServer() bool {
	var form struct {
		Errors         []problem
		Details, Error string
		Description    string `json:"error_description"`
	}
	return json.Unmarshal(s.body, &form) == nil && (len(form.Errors) > 0 || form.Details+form.Error+form.Description != "")
}

// words are the status of an answer and what it says in a registry's form.
func (e *exchange) words(s *said) string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", s.status, http.StatusText(s.status)))
	for _, p := range s.problems() {
		if text := strings.Trim(p.Code+": "+p.Message, ": "); text != "" {
			return status + ": " + e.quote(text)
		}
	}
	return status
}

// failure says why there was no answer.
func (e *exchange) failure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + e.timeout
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it answers without TLS, and it is not among the hosts that may"
	}
	var where *url.Error // says the address again
	if errors.As(err, &where) {
		err = where.Err
	}
	return e.quote(err.Error())
}

// quote makes what others say fit to be printed: one line, not long, and nothing of the credential in it.
func (e *exchange) quote(text string) string {
	const notShown = "(not shown, since it repeats the credential)"
	text = strings.Join(strings.FieldsFunc(shortened(text, 4*maxWords), blank), " ")
	if e.holdsCredential(text) {
		return notShown
	}
	username := string(e.login.Username.Reveal())
	names := slices.Compact([]string{username, url.QueryEscape(username), url.PathEscape(username)})
	if len(username) > 2 {
		for _, name := range names {
			text = replaceFold(text, name, e.login.Username.String())
		}
	}
	if len(username) > part && e.holdsUsername(text, names) {
		return notShown
	}
	return shortened(text, maxWords)
}

// blank reports what shows nothing, or has the text after it shown elsewhere.
func blank(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// squeezed is a text without what shows nothing.
func squeezed(text string) string {
	return strings.Map(func(r rune) rune {
		if blank(r) {
			return -1
		}
		return r
	}, text)
}

func shortened(text string, runes int) string {
	if all := []rune(text); len(all) > runes {
		return string(all[:runes]) + "…"
	}
	return text
}

// holdsCredential reports whether a text has the password in it, or eight characters of it, in the forms that it takes in
// requests and in texts, or what was sent for it.
func (e *exchange) holdsCredential(text string) bool {
	username, password := string(e.login.Username.Reveal()), string(e.login.Password.Reveal())
	var forms []string
	for _, p := range []string{password, strings.TrimSpace(password)} {
		forms = append(forms, p, url.QueryEscape(p), url.PathEscape(p), hex.EncodeToString([]byte(p)), strings.Trim(strconv.Quote(p), `"`))
		forms = append(append(forms, withinBase64(p)...), withinBase64(username+":"+p)...)
	}
	for _, sent := range e.witness.sent {
		_, token, _ := strings.Cut(sent, " ")
		forms = append(forms, token)
	}
	for _, text := range []string{text, html.UnescapeString(text)} {
		text = plainAlphabet.Replace(strings.ToLower(text))
		for _, form := range forms {
			form = plainAlphabet.Replace(strings.ToLower(form))
			if sharesPart(text, form) || sharesPart(squeezed(text), squeezed(form)) {
				return true
			}
		}
	}
	return false
}

// holdsUsername reports whether a text has eight characters of a username in it: some are tokens. Those that the host has too
// are no secret.
func (e *exchange) holdsUsername(text string, names []string) bool {
	for _, text := range []string{text, html.UnescapeString(text)} {
		text = strings.ReplaceAll(strings.ToLower(text), strings.ToLower(e.host), "")
		for _, name := range names {
			if sharesPart(text, strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

// withinBase64 are the characters by which base64 of a longer text shows that a value is in it: three ways, as it may begin
// at any bit of a character. What is too short may be in any text.
func withinBase64(value string) (forms []string) {
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + value))
		first, last := (4*before+2)/3, len(encoded)-2
		if last-first >= 6 {
			forms = append(forms, encoded[first:last])
		}
	}
	return forms
}

// plainAlphabet turns base64 of the alphabet for URLs into that of the usual one.
var plainAlphabet = strings.NewReplacer("-", "+", "_", "/")

// part is how many characters of a secret somebody might recognise.
const part = 8

// sharesPart reports whether a text holds a secret, or a part of it.
func sharesPart(text, secret string) bool {
	if len(secret) <= part {
		return secret != "" && strings.Contains(text, secret)
	}
	for i := range len(secret) - part + 1 {
		if strings.Contains(text, secret[i:i+part]) {
			return true
		}
	}
	return false
}

func replaceFold(text, old, new string) string {
	lower := strings.ToLower(text)
	old = strings.ToLower(old)
	if len(lower) != len(text) { // a letter that is longer in lower case
		return strings.ReplaceAll(text, old, new)
	}
	var b strings.Builder
	for {
		i := strings.Index(lower, old)
		if i < 0 {
			return b.String() + text
		}
		b.WriteString(text[:i] + new)
		text, lower = text[i+len(old):], lower[i+len(old):]
	}
}
