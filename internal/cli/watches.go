package cli

import "net/http"

// withPlainWatches has watches be answered without compression; rest.Config.Wrap takes it. To take a compressed stream apart takes
// 29 KiB for as long as it is open, and there is one for each source and each name of a copy: of 1,000 names, a quarter of all memory.
// API servers compress watches since 1.37, and of those only such as begin with all that there is. Without it more is sent; how much
// is received in all stands in docs/performance-log.md. Lists are compressed where the API server does that.
func withPlainWatches(next http.RoundTripper) http.RoundTripper { return plainWatches{next} }

type plainWatches struct{ next http.RoundTripper }

func (p plainWatches) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") != "" {
		r = r.Clone(r.Context()) // whoever sends it may look at it again
		r.Header.Set("Accept-Encoding", "identity")
	}
	return p.next.RoundTrip(r)
}
