package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A page that a browser shows from this machine can be called by any other page that the browser shows, and by any user of the
// machine. So nobody is answered who does not know the token, which stands in the path: a cookie would be sent to every port of
// this machine. A name that somebody has made to mean 127.0.0.1 is refused, or a page of theirs could read the answers.

const (
	tokenBytes = 32
	ticketLife = time.Minute
)

// newToken returns a text of 256 random bits that can stand in a path.
func newToken() string {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// secret compares texts in a time that tells nothing of what it is.
type secret [sha256.Size]byte

func newSecret(text string) secret { return sha256.Sum256([]byte(text)) }

func (s secret) is(text string) bool {
	other := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(s[:], other[:]) == 1
}

// guard answers whoever may not ask, and hands on what is left, with the path behind the token.
type guard struct {
	hosts  []string // that a browser may have in its address, with the port
	token  string
	secret secret
	policy string // content security policy
	tickets
	next http.Handler
}

func newGuard(at net.Addr, policy string, next http.Handler) *guard {
	token := newToken()
	host, port, _ := net.SplitHostPort(at.String())
	hosts := []string{at.String(), "127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port}
	if port == "80" { // a browser leaves out the usual one
		hosts = append(hosts, host, "["+host+"]", "127.0.0.1", "localhost", "[::1]")
	}
	return &guard{
		hosts: hosts, token: token, secret: newSecret(token), policy: policy, next: next,
	}
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A connection keeps the time that an answer before this one had.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writePatience))
	g.headers(w.Header())
	if code, why := g.refuse(w, r); code != 0 {
		http.Error(w, why, code)
		return
	}
	token, path, slash := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case token == "open" && g.redeem(path), !slash && g.secret.is(token):
		w.Header().Set("Location", "/"+g.token+"/")
		w.WriteHeader(http.StatusSeeOther)
	case !g.secret.is(token):
		http.Error(w, "nothing is here: open the whole address that pullsecrets ui printed", http.StatusNotFound)
	default:
		handed := r.Clone(r.Context())
		handed.URL.Path, handed.URL.RawPath = "/"+path, ""
		g.next.ServeHTTP(w, handed)
	}
}

// headers are those of every answer, also of a refusal.
func (g *guard) headers(h http.Header) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      g.policy,
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY", // for browsers that do not know frame-ancestors
		"Referrer-Policy":              "no-referrer",
		"Cache-Control":                "no-store",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	} {
		h.Set(name, value)
	}
}

// refuse says why a request is not answered, whatever it asks for; code 0 is none.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request) (code int, why string) {
	switch {
	case !slices.Contains(g.hosts, strings.ToLower(r.Host)):
		return http.StatusForbidden, "another host is asked for than this one: use the address that pullsecrets ui printed"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		return http.StatusMethodNotAllowed, "this page only shows: GET and HEAD are answered"
	case r.ContentLength != 0:
		w.Header().Set("Connection", "close") // so that nobody waits for it
		return http.StatusBadRequest, "this page takes nothing: ask without a body"
	case !g.ownOrigin(r):
		return http.StatusForbidden, "another page asks: open the address that pullsecrets ui printed yourself"
	}
	return 0, ""
}

// ownOrigin reports whether the page itself asks, or a person who opens the address. Programs that are no browser say nothing.
// Source: W3C, Fetch Metadata Request Headers.
func (g *guard) ownOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+strings.ToLower(r.Host) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	// A link, in a terminal that is a page itself. Whoever made it knows the token, and cannot read what the new tab shows.
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// tickets open the page once: what a program is started with is shown to every user of the machine, so a browser is not
// started with the token.
type tickets struct {
	mu     sync.Mutex
	ticket secret
	until  time.Time
}

// issue returns a ticket in place of the one before.
func (t *tickets) issue() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := newToken()
	t.ticket, t.until = newSecret(text), time.Now().Add(ticketLife)
	return text
}

func (t *tickets) redeem(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ticket.is(text) || time.Now().After(t.until) {
		return false
	}
	t.until = time.Time{}
	return true
}
