package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const (
	defaultTimeout  = 10 * time.Second
	defaultParallel = 8
	// patience is how many time-outs a whole credential is given: it may have any number of entries.
	patience = 6
)

// Options say how registries are asked. The zero value asks those that the machine trusts.
type Options struct {
	RootCAs   *x509.CertPool                        // that certificates are verified with; nil: the machine's
	PlainHTTP []string                              // hosts, with their port, that are asked without TLS
	Timeout   time.Duration                         // of one request; 0: 10 seconds. A credential is given six times that
	Parallel  int                                   // entries that are asked about at a time, of one host 4 of them; 0: 8
	UserAgent string                                // empty: that of net/http
	Proxy     func(*http.Request) (*url.URL, error) // nil: the environment's, as http.ProxyFromEnvironment reads it
}

// Checker asks registries. It may be used by several goroutines at a time, and keeps nothing but idle connections.
type Checker struct {
	transport *http.Transport
	plain     map[string]bool
	timeout   time.Duration
	header    http.Header
	slots     *slots
}

// New returns a Checker.
func New(o Options) *Checker {
	c := &Checker{
		plain: map[string]bool{}, timeout: cmp.Or(o.Timeout, defaultTimeout), header: http.Header{},
		slots: newSlots(cmp.Or(o.Parallel, defaultParallel)),
	}
	for _, host := range o.PlainHTTP {
		c.plain[strings.ToLower(host)] = true
	}
	if o.UserAgent != "" {
		c.header.Set("User-Agent", o.UserAgent)
	}
	proxy := o.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	c.transport = &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: c.timeout, ControlContext: refuseLinkLocal}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		IdleConnTimeout:        10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return c
}

// Ask asks the registry of each entry of a credential that holds something, and returns an answer for each, sorted by host.
// There is none for what the kubelet refuses; cluster.Projector says what is wrong with it. images, such as
// docker.io/library/nginx:1.27, are those of which it is asked as well whether they may be pulled.
func (c *Checker) Ask(ctx context.Context, secretType string, credential cluster.Credential, images ...string) []Answer {
	ctx, cancel := context.WithTimeout(ctx, patience*c.timeout)
	defer cancel()
	logins := cluster.Logins(secretType, credential)
	imagesFor := tried(logins, images)
	answers := make([]Answer, len(logins))
	byHost := map[string][]int{} // so that the entries of a host that hangs are in the way of no others
	for i, login := range logins {
		host, _, _ := hostOf(login, imagesFor[i])
		host = strings.ToLower(host)
		byHost[host] = append(byHost[host], i)
	}
	var asking sync.WaitGroup
	for host, entries := range byHost {
		asking.Go(func() {
			for _, i := range entries {
				release, ok := c.slots.wait(ctx, host)
				if !ok {
					answers[i] = Answer{Host: logins[i].Host, Verdict: Unreachable, Detail: "it was not asked: those before it took all the time"}
					continue
				}
				asking.Go(func() {
					defer release()
					answers[i] = c.ask(ctx, logins[i], imagesFor[i])
				})
			}
		})
	}
	asking.Wait()
	return answers
}

// tried are the images that the kubelet tries each entry for, by the entry's index. What is no image is left out.
func tried(logins []cluster.Login, images []string) map[int][]reference.Named {
	of := map[int][]reference.Named{}
	for _, image := range images {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue
		}
		for _, i := range cluster.TriedLogins(logins, named.Name()) {
			of[i] = append(of[i], reference.TagNameOnly(named))
		}
	}
	return of
}

// FullName is an image as answers name it, with its registry and a tag or digest; ok is false for what names none.
func FullName(image string) (name string, ok bool) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", false
	}
	return reference.TagNameOnly(named).String(), true
}
