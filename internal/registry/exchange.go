package registry

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/reference"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// exchange is what one entry of a credential asks of one host.
type exchange struct {
	login   cluster.Login
	host    string // with its port, that is asked
	scheme  string
	client  auth.Client
	witness *witness
	timeout string // of a request, in words
}

func (c *Checker) exchange(login cluster.Login, host string) *exchange {
	e := &exchange{login: login, host: host, scheme: "https", timeout: c.timeout.String()}
	if c.plain[strings.ToLower(host)] {
		e.scheme = "http"
	}
	e.witness = &witness{next: c.transport, plain: c.plain, host: host}
	e.client = auth.Client{
		Client: &http.Client{
			Transport: e.witness, Timeout: c.timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Header: c.header,
		Credential: func(context.Context, string) (auth.Credential, error) {
			return auth.Credential{Username: string(login.Username.Reveal()), Password: string(login.Password.Reveal())}, nil
		},
	}
	return e
}

// ask asks for the verdict on an entry, and on the images that the kubelet tries it for.
func (c *Checker) ask(ctx context.Context, login cluster.Login, images []reference.Named) Answer {
	a := Answer{Host: login.Host, Verdict: NotAsked}
	host, note, ok := hostOf(login, images)
	if !ok {
		a.Detail = note
		return a
	}
	e := c.exchange(login, host)
	a.Verdict, a.Detail = e.verdict(ctx)
	a.Detail = joined(a.Detail, note)
	for _, named := range images {
		i := Image{Name: named.String(), Verdict: a.Verdict, Detail: "not asked: as its registry"}
		at := endpoint(reference.Domain(named))
		if a.Verdict == Accepted || a.Verdict == Anonymous || at != host {
			i.Verdict, i.Detail = c.exchange(login, at).image(ctx, named)
		}
		a.Images = append(a.Images, i)
	}
	return a
}

// hostOf returns the host that is asked of an entry, and what is to be said of that; ok is false if there is none.
func hostOf(login cluster.Login, images []reference.Named) (host, note string, ok bool) {
	switch {
	case login.Key == "":
		return "", "no image is of this host, so the kubelet never sends the credential", false
	case len(login.Username.Reveal()) == 0:
		return "", "it has a password and no username", false
	case len(login.Password.Reveal()) == 0:
		return "", "it has a username and no password", false
	}
	name, path, _ := strings.Cut(login.Key, "/")
	host = endpoint(name)
	if strings.ContainsAny(name, "*?") {
		if len(images) == 0 {
			return "", "it stands for several hosts: name an image of one of them", false
		}
		host = endpoint(reference.Domain(images[0]))
		return host, "asked at " + host, true
	}
	if host != name {
		note = "asked at " + host
	}
	if path != "" {
		note = joined(note, "asked of the whole host, whatever is below "+path)
	}
	return host, note, true
}

// endpoint is the host at which the images of a registry are.
func endpoint(name string) string {
	if name == "docker.io" || name == "index.docker.io" {
		return "registry-1.docker.io"
	}
	return name
}

// send sends a request for a path of the registry, with the credential where it is asked for.
func (e *exchange) send(ctx context.Context, method, path string, query url.Values) error {
	u := url.URL{Scheme: e.scheme, Host: e.host, Path: path, RawQuery: query.Encode()}
	e.witness.last, e.witness.failed = nil, nil
	r, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", manifestTypes)
	resp, err := e.client.Do(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

const manifestTypes = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*"

// fromRealm reports whether the last answer is that of the token server, which may be on the registry's own host.
func (e *exchange) fromRealm(path string) bool {
	u := e.witness.last.request.URL
	return u.Host != e.host || u.Scheme != e.scheme || u.Path != path
}

func joined(texts ...string) string {
	var said []string
	for _, t := range texts {
		if t != "" {
			said = append(said, t)
		}
	}
	return strings.Join(said, "; ")
}
