package registry

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/distribution/reference"
)

// verdict asks whether the registry takes the credential.
func (e *exchange) verdict(ctx context.Context) (Verdict, string) {
	const path = "/v2/"
	err := e.send(ctx, http.MethodGet, path, nil)
	if v, detail, done := e.unanswered(path, err); done {
		return v, detail
	}
	s := e.witness.last
	authorized := s.authorization() != ""
	switch {
	case s.status == http.StatusOK && s.html():
		return NoRegistry, "it answers 200 OK with a web page"
	case s.status == http.StatusOK && authorized:
		return Accepted, ""
	case s.status == http.StatusOK:
		return Anonymous, "it asks for no credential"
	case slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone}, s.status):
		return NoRegistry, fmt.Sprintf("it answers %s to /v2/", e.words(s))
	case authorized && s.refusal() && !s.challenges(insufficientScope):
		return Refused, e.words(s)
	}
	return Unreachable, e.unclear(s)
}

// image asks whether an image may be pulled. A HEAD of its manifest counts for no limit of pulls.
func (e *exchange) image(ctx context.Context, named reference.Named) (Verdict, string) {
	repository := "/v2/" + reference.Path(named)
	path := repository + "/manifests/" + version(named)
	err := e.send(ctx, http.MethodHead, path, nil)
	if v, detail, done := e.unanswered(path, err); done {
		return v, detail
	}
	s := e.witness.last
	switch {
	case s.status == http.StatusOK && s.authorization() == "":
		return Accepted, "it may be pulled without a credential"
	case s.status == http.StatusOK:
		return Accepted, ""
	case s.status == http.StatusNotFound:
		return NotFound, e.notFound(ctx, repository, version(named))
	case s.authorization() != "" && s.refusal():
		return Refused, e.words(s) + ", which registries also answer where there is no such repository"
	}
	return Unreachable, e.unclear(s)
}

// notFound tells an image that is not there from a repository that is not there, or not for this credential.
func (e *exchange) notFound(ctx context.Context, repository, version string) string {
	path := repository + "/tags/list"
	err := e.send(ctx, http.MethodGet, path, url.Values{"n": {"1"}})
	if _, _, done := e.unanswered(path, err); !done && e.witness.last.status == http.StatusOK {
		return "its repository may be pulled from, and has no " + version
	}
	return "404 Not Found: it is not there, or not for this credential"
}

func version(named reference.Named) string {
	switch n := named.(type) {
	case reference.Digested:
		return n.Digest().String()
	case reference.Tagged:
		return n.Tag()
	}
	return "latest"
}

// unanswered judges what did not come to an answer of the registry to what was asked, which leaves done false.
func (e *exchange) unanswered(path string, err error) (v Verdict, detail string, done bool) {
	s := e.witness.last
	switch {
	case e.witness.failed != nil || s == nil:
		return Unreachable, e.failure(err), true
	case e.fromRealm(path) && s.authorization() != "" && s.refusalOfTokens():
		return Refused, e.words(s), true
	case e.fromRealm(path):
		return Unreachable, fmt.Sprintf("its token server %s gives no token: %s", e.quote(s.request.URL.Host), e.unclear(s)), true
	case err != nil && s.status == http.StatusUnauthorized:
		return Unreachable, "its challenge cannot be met: " + e.failure(err), true
	}
	return "", "", false
}

// Errors of a challenge, of RFC 6750.
const (
	// invalidToken: another token would do. One that was given just now is the affair of the registry and its token server,
	// and no word about the credential.
	invalidToken = "invalid_token"
	// insufficientScope: the token is good, and not for this. Of a login that says nothing; of an image it is a refusal.
	insufficientScope = "insufficient_scope"
)

var challengeError = regexp.MustCompile(`(?i)\berror\s*=\s*"?([a-z_]+)`)

// challenges reports whether an answer's challenge gives this error.
func (s *said) challenges(because string) bool {
	for _, challenge := range s.header.Values("Www-Authenticate") {
		if found := challengeError.FindStringSubmatch(challenge); found != nil && strings.EqualFold(found[1], because) {
			return true
		}
	}
	return false
}

// refusal reports whether an answer says no to the credential that was sent, and not to everybody from here, as what
// stands before a registry may.
func (s *said) refusal() bool {
	switch {
	case s.tooMany():
		return false
	case s.status == http.StatusUnauthorized:
		return !s.challenges(invalidToken)
	case s.status == http.StatusForbidden:
		return !s.html()
	}
	return s.status >= 400 && s.status < 500 &&
		slices.ContainsFunc(s.problems(), func(p problem) bool { return p.Code == "UNAUTHORIZED" || p.Code == "DENIED" })
}

// refusalOfTokens is refusal of a token server. Nobody asked that without the credential before, so a 403 may be meant for
// everybody if it has not the form of such a server.
func (s *said) refusalOfTokens() bool {
	return s.refusal() && !s.challenges(insufficientScope) && (s.status != http.StatusForbidden || s.ofTokenServer())
}

// tooMany reports whether an answer is about how often is asked, whatever its status.
func (s *said) tooMany() bool {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, string(s.body))
	return s.status == http.StatusTooManyRequests || strings.Contains(letters, "TOOMANYREQUESTS")
}

// unclear says what was answered where that says nothing of the credential.
func (e *exchange) unclear(s *said) string {
	location, err := s.request.URL.Parse(s.header.Get("Location"))
	switch {
	case s.status >= 300 && s.status < 400 && err == nil && s.header.Get("Location") != "":
		return fmt.Sprintf("it redirects to %s, and no redirect is followed", e.quote(location.Host))
	case s.challenges(invalidToken):
		return e.words(s) + ": it does not take the token that it was given just now for the credential"
	case s.status == http.StatusOK:
		return "it answers 200 OK with something else"
	case s.status == http.StatusUnauthorized && s.authorization() == "" && s.header.Get("Www-Authenticate") == "":
		return "it answers 401 Unauthorized and does not say how to log in"
	case s.status == http.StatusUnauthorized && s.authorization() == "":
		return "it asks for a credential in no way that the kubelet knows"
	case s.status == http.StatusForbidden && s.authorization() == "":
		return e.words(s) + ": it lets nobody in from here"
	}
	return e.words(s)
}

func (s *said) authorization() string { return s.request.Header.Get("Authorization") }

func (s *said) html() bool {
	kind, _, _ := mime.ParseMediaType(s.header.Get("Content-Type"))
	return kind == "text/html"
}
