package evict

import (
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// NewClient returns the client of an Evictor. By itself client-go waits and sends a request again that was refused with 429; of
// an eviction that would hide the refusal, and hold up others, which can be tried in the meantime.
func NewClient(config *rest.Config) (dynamic.Interface, error) {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return refusals{next} })
	client, err := kube.NewDynamic(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// refusals takes away the header by which client-go is told to wait. How long to wait stands in the answer's text too.
type refusals struct{ next http.RoundTripper }

func (r refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err == nil && request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, "/eviction") {
		response.Header.Del("Retry-After")
	}
	return response, err
}
