package cli

import (
	"net/http"
	"strings"
)

// withPlainWatches has the watches of a single name be answered without compression; rest.Config.Wrap takes it. To take a compressed
// stream apart takes 29 KiB for as long as it is open, and there is one for each source and each name of a copy: of 1,000 names,
// a quarter of all memory. API servers compress watches since 1.37, and of those only such as begin with all that there is. That
// costs more once, at a start: about 1.2 KiB for each copy in place of 0.1, which is 12 MiB for a name in 10,000 namespaces. After
// that little comes. Watches of everything, and lists, are compressed where the API server does that.
func withPlainWatches(next http.RoundTripper) http.RoundTripper { return plainWatches{next} }

type plainWatches struct{ next http.RoundTripper }

func (p plainWatches) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); q.Get("watch") != "" && strings.Contains(q.Get("fieldSelector"), "metadata.name=") {
		r = r.Clone(r.Context()) // whoever sends it may look at it again
		r.Header.Set("Accept-Encoding", "identity")
	}
	return p.next.RoundTrip(r)
}
