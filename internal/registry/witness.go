package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// maxBody is how much is read of an answer: as much as the largest token takes.
const maxBody = 128 << 10

// witness is the transport of one exchange. It lets nothing pass in clear that is not to, and remembers what was answered
// last, since that decides.
type witness struct {
	next  http.RoundTripper
	plain map[string]bool
	host  string // of the registry, with its port

	last   *said    // nil if nothing was answered
	failed error    // of the last request; nil if it was answered
	sent   []string // the Authorization headers
}

// said is one answer, read to its end or to maxBody.
type said struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
}

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.roundTrip(r)
	w.failed = err
	return resp, err
}

func (w *witness) roundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.Scheme == "http" && !w.plain[strings.ToLower(r.URL.Host)]:
		return nil, fmt.Errorf("%s would have to be asked without TLS, and it is not among the hosts that may be", r.URL.Host)
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return nil, errors.New("its challenge names no token server")
	case !w.ofRegistry(r.URL) && onlyFromHere(r.URL.Hostname()):
		return nil, fmt.Errorf("its challenge names %s as its token server, which is private or this machine itself", r.URL.Hostname())
	}
	if a := r.Header.Get("Authorization"); a != "" {
		w.sent = append(w.sent, a)
	}
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	preferBearer(resp.Header)
	w.last = &said{request: r, status: resp.StatusCode, header: resp.Header, body: body}
	return resp, nil
}

// ofRegistry reports whether an address is on the host that the credential is for; another one is that of its token server.
func (w *witness) ofRegistry(u *url.URL) bool {
	registry := url.URL{Host: w.host}
	return strings.EqualFold(u.Hostname(), registry.Hostname())
}

// onlyFromHere reports whether a host is written as an address that is not the same from everywhere, in any notation that a
// resolver may read as one. Names are not resolved: token servers of one's own have private addresses.
func onlyFromHere(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		last := host[strings.LastIndexByte(host, '.')+1:]
		_, err := strconv.ParseUint(last, 0, 64) // 127.1 and 0x7f000001 are 127.0.0.1 to some; no domain is a number
		return err == nil || strings.Contains(host, "%")
	}
	zone := ip.Zone() != ""
	ip = ip.Unmap()
	return zone || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
}

// preferBearer leaves one challenge of several, since auth.Client looks at the first alone: that for a token before that
// for a password, as containerd prefers them, and before those that it cannot meet, such as Negotiate.
func preferBearer(h http.Header) {
	const name = "Www-Authenticate"
	for _, scheme := range []string{"bearer", "basic"} {
		for _, challenge := range h[name] {
			if word, _, _ := strings.Cut(strings.TrimSpace(challenge), " "); strings.EqualFold(word, scheme) {
				h[name] = []string{strings.TrimSpace(challenge)}
				return
			}
		}
	}
}

// refuseLinkLocal keeps connections from addresses that only a machine itself and its cloud are at: no registry is there,
// but what tells machines their credentials is. It is asked after names are resolved.
func refuseLinkLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == cloudIPv6 {
		return fmt.Errorf("%s is no address that a registry has", ip)
	}
	return nil
}

// cloudIPv6 is where EC2 tells machines their credentials; it is not link-local.
var cloudIPv6 = netip.MustParseAddr("fd00:ec2::254")
