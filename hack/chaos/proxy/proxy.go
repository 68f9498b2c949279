package proxy

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Proxy is a proxy before one API server, usually for one program. Its methods may be called by several goroutines.
type Proxy struct {
	server  *httptest.Server
	admin   http.RoundTripper // with the credentials of the config, for requests that bring none
	plain   http.RoundTripper // without
	target  *url.URL
	counts  counts
	streams streams

	mu     sync.Mutex
	faults []*Fault
}

// New starts a proxy before the API server of a config. A request's own Authorization goes on to the API server; one
// without is made with the config's credentials.
func New(config *rest.Config) (*Proxy, error) {
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, streams: streams{running: map[*stream]bool{}}}
	if p.admin, err = transport(config); err != nil {
		return nil, err
	}
	if p.plain, err = transport(rest.AnonymousClientConfig(config)); err != nil {
		return nil, err
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.EnableHTTP2 = true
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.StartTLS()
	return p, nil
}

func transport(config *rest.Config) (http.RoundTripper, error) {
	config = rest.CopyConfig(config)
	config.DisableCompression = true // what is read on the way has to be legible
	return rest.TransportFor(config)
}

// Kubeconfig writes a kubeconfig into a folder, which leads through the proxy with the credentials that the proxy has.
func (p *Proxy) Kubeconfig(dir string) (path string, err error) {
	return p.kubeconfig(dir, &clientcmdapi.AuthInfo{})
}

// TokenKubeconfig writes a kubeconfig into a folder, which leads through the proxy with the token that a file holds. The
// file is read again as client-go does it.
func (p *Proxy) TokenKubeconfig(dir, tokenFile string) (path string, err error) {
	return p.kubeconfig(dir, &clientcmdapi.AuthInfo{TokenFile: tokenFile})
}

func (p *Proxy) kubeconfig(dir string, user *clientcmdapi.AuthInfo) (path string, err error) {
	f, err := os.CreateTemp(dir, "proxy-*.kubeconfig")
	if err != nil {
		return "", err
	}
	_ = f.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return f.Name(), clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: p.server.URL, CertificateAuthorityData: certificate}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"proxy": user},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy", AuthInfo: "proxy"}},
		CurrentContext: "proxy",
	}, f.Name())
}

// Inject has a fault from now on, until the function that is returned is called. Several apply at a time: a request meets
// the one that was injected last first, and an event the worst of what they say.
func (p *Proxy) Inject(f Fault) (remove func()) {
	p.mu.Lock()
	p.faults = append(p.faults, &f)
	p.mu.Unlock()
	p.streams.change(&f)
	return sync.OnceFunc(func() {
		p.mu.Lock()
		var others []*Fault
		for _, g := range p.faults {
			if g != &f {
				others = append(others, g)
			}
		}
		p.faults = others
		p.mu.Unlock()
		p.streams.change(nil)
	})
}

// Counts is what came by since the proxy was started.
func (p *Proxy) Counts() Counts { return p.counts.read() }

// CutConnections closes all connections of programs, as a load balancer does that is started again.
func (p *Proxy) CutConnections() { p.server.CloseClientConnections() }

// Close ends the proxy and all connections through it.
func (p *Proxy) Close() {
	p.streams.end()
	p.server.CloseClientConnections()
	p.server.Close()
}

func (p *Proxy) injected() []*Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults // never changed in place but by append
}

// serve leads a request through the faults.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	asked := Ask(r)
	o := &outcome{}
	seen := &coded{ResponseWriter: w}
	ended := false
	defer func() { // also where a fault resets the stream
		if !ended {
			seen.code = 0
		}
		p.counts.note(asked, Writes(r), seen.code, o)
	}()
	var way http.Handler = http.HandlerFunc(p.forward)
	for _, f := range p.injected() {
		if next := way; f.Request != nil {
			way = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Request(w, r, next) })
		}
	}
	way.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), outcomeKey{}, o)))
	ended = true
}

// forward asks the API server.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	o, _ := r.Context().Value(outcomeKey{}).(*outcome)
	if !Writes(r) {
		p.reverse().ServeHTTP(w, r)
		return
	}
	// What was sent arrives, whatever becomes of the program that sent it.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	before := p.version(r)
	answered := newRecorder()
	p.reverse().ServeHTTP(answered, r)
	o.answered(answered, before)
	answered.send(w)
}

func (p *Proxy) reverse() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.target)
			r.Out.Header.Del("Accept-Encoding")
		},
		Transport:     roundTripper(p.roundTrip),
		FlushInterval: -1, // watches
		ErrorLog:      log.New(io.Discard, "", 0),
		// The API server is away: so is the connection to it.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode == http.StatusOK && Watches(resp.Request) {
				resp.Body = p.streams.begin(resp.Request, resp.Body, strings.Contains(resp.Header.Get("Content-Type"), "protobuf"), p.fate)
			}
			return nil
		},
	}
}

func (p *Proxy) roundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" {
		return p.plain.RoundTrip(r)
	}
	return p.admin.RoundTrip(r)
}

// fate asks all faults what becomes of an event.
func (p *Proxy) fate(r *http.Request, e Event) (fate Fate) {
	for _, f := range p.injected() {
		if f.Event != nil {
			fate = fate.and(f.Event(r, e))
		}
	}
	return fate
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
