package harness

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// RoundTripper lets a test do something in the middle of a request of the controller.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Around lets a test answer a request of the controller itself, or do something before the answer goes on.
func Around(f func(r *http.Request, next http.RoundTripper) (*http.Response, error)) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return RoundTripper(func(r *http.Request) (*http.Response, error) { return f(r, next) })
		})
	}
}

// Before has f called before each request of the controller.
func Before(f func(*http.Request)) func(*rest.Config) {
	return Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		f(r)
		return next.RoundTrip(r)
	})
}

// Counting has the writes of one object counted that the API server accepted.
func Counting(writes *atomic.Int32, ns, resource, name string) func(*rest.Config) {
	return Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil && resp.StatusCode < http.StatusBadRequest && IsWrite(r, ns, resource, name) {
			writes.Add(1)
		}
		return resp, err
	})
}

// IsWrite reports whether a request of the controller writes this resource in this namespace.
func IsWrite(r *http.Request, ns, resource, name string) bool {
	return r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, "/namespaces/"+ns+"/"+resource+"/"+name)
}

// Failing has the controller's requests fail that a test chooses, as if the API server were away.
func Failing(fails func(*http.Request) bool) func(*rest.Config) {
	return Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if fails(r) {
			return nil, &NetError{}
		}
		return next.RoundTrip(r)
	})
}

// NetError is the error of a connection that does not come about.
type NetError struct{}

func (*NetError) Error() string { return "connection refused" }

func (*NetError) Timeout() bool { return false }

func (*NetError) Temporary() bool { return true }

// Forbidden is the API server's answer to a request that the roles do not permit.
func Forbidden() *http.Response { return Refusal(http.StatusForbidden, "Forbidden") }

// Refusal is the API server's answer to a request that it refuses.
func Refusal(code int, reason string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"no"}`, reason, code)
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": []string{"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}
