// Package ui serves one page to the person who runs it, on the loopback of their own machine and with their own rights: what
// came of the policy, and of each namespace what explain says. It shows and changes nothing.
package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/ui/view"
)

const (
	// maxQuestions is how many namespaces are explained at once.
	maxQuestions = 4
	// questionPatience is how long one may take, with the time that it waits for others.
	questionPatience = 20 * time.Second
	// writePatience is how long a browser may take to accept a page.
	writePatience = 30 * time.Second
	// lookAnyway is how often the page is made anew where nothing changes: ages change by themselves.
	lookAnyway = time.Minute
	// firstPatience is how long the first page waits for what the API server says, so that it need not be loaded again.
	firstPatience = 3 * time.Second
	// gather is how long what changes is gathered, as when a list comes in, until the page is made anew.
	gather = 100 * time.Millisecond
	// endPatience is how long stopping waits for answers that are under way.
	endPatience = 2 * time.Second
	maxHeader   = 16 << 10
)

// Cluster is what the page is about.
type Cluster interface {
	Facts() view.Facts
	Changed() <-chan struct{}
	Explain(ctx context.Context, namespace string, target inspect.Target) (*inspect.Explanation, error)
	// Run follows the cluster until ctx ends.
	Run(ctx context.Context)
}

// Server serves the page.
type Server struct {
	cluster   Cluster
	now       func() time.Time
	listener  net.Listener
	guard     *guard
	news      *news
	questions chan struct{}
	model     atomic.Pointer[view.Model]
	answered  chan struct{} // closed when the API server has given its first answers
	first     sync.Once
	ended     sync.Once
}

// Listen opens the port. The address is a loopback address and a port, 0 for any that is free.
func Listen(addr string, cluster Cluster, now func() time.Time) (*Server, error) {
	if err := CheckAddr(addr); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-addr %s: %w; name another port, or 0 for any that is free", addr, err)
	}
	if at := listener.Addr(); !onLoopback(at) { // what localhost is, a file says
		_ = listener.Close()
		return nil, fmt.Errorf("-addr %s: that is %s, and the page is for this machine only; give 127.0.0.1 and a port", addr, at)
	}
	s := &Server{cluster: cluster, now: now, listener: listener, news: newNews(), questions: make(chan struct{}, maxQuestions), answered: make(chan struct{})}
	s.guard = newGuard(listener.Addr(), view.ContentPolicy(), http.HandlerFunc(s.serve))
	s.look()
	return s, nil
}

// CheckAddr refuses what others than this machine could reach.
func CheckAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-addr %s: %w; give a host and a port, such as localhost:8090", addr, err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() && ip.Zone() == "" {
		return nil
	}
	return errors.New("-addr " + addr + ": the page is for this machine only; give localhost and a port, such as localhost:8090")
}

// onLoopback reports whether only this machine reaches an address.
func onLoopback(addr net.Addr) bool {
	at, ok := addr.(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}

// Address is where the page is. Whoever knows it is answered.
func (s *Server) Address() string { return s.at(s.guard.token + "/") }

// OpenAddress is another address of the page, for a program to be started with: it works once, and for a minute.
func (s *Server) OpenAddress() string { return s.at("open/" + s.guard.issue()) }

func (s *Server) at(path string) string { return fmt.Sprintf("http://%s/%s", s.listener.Addr(), path) }

// Run serves, and follows the cluster, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	following.Go(func() { s.cluster.Run(ctx) })
	server := &http.Server{
		Handler: s.guard, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), BaseContext: func(net.Listener) context.Context { return ctx },
		DisableGeneralOptionsHandler: true, // the guard answers all
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	tick := time.NewTicker(lookAnyway)
	defer tick.Stop()
	var soon <-chan time.Time
	for {
		select {
		case err := <-failed:
			return fmt.Errorf("serve the page: %w", err)
		case <-ctx.Done():
			s.ended.Do(func() { close(s.news.ended) })
			end, cancel := context.WithTimeout(context.Background(), endPatience)
			defer cancel()
			if server.Shutdown(end) != nil {
				_ = server.Close()
			}
			return nil
		case <-s.cluster.Changed():
			if soon == nil {
				soon = time.After(gather)
			}
		case <-soon:
			soon = nil
			s.look()
		case <-tick.C:
			s.look()
		}
	}
}

// look makes the page anew, and tells those that show it. It is called in turn.
func (s *Server) look() {
	before := s.model.Load()
	model := view.New(s.cluster.Facts(), s.now())
	s.model.Store(model)
	if !model.Waits() {
		s.first.Do(func() { close(s.answered) })
	}
	if before == nil || before.Same(model) {
		return
	}
	s.news.tell(view.Changes(before, model))
}

// serve answers for a path without the token.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		s.page(w, r, view.WholePage)
	case "/fragment":
		s.page(w, r, view.Regions)
	case "/events":
		s.news.ServeHTTP(w, r)
	case "/icon.svg":
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, view.Icon(r.URL.RawQuery))
	default:
		http.Error(w, "nothing is here", http.StatusNotFound)
	}
}

// page writes the page, or its regions alone.
func (s *Server) page(w http.ResponseWriter, r *http.Request, part view.Part) {
	select {
	case <-s.answered:
	case <-time.After(firstPatience): // then the page says what it waits for
	case <-r.Context().Done():
		return
	}
	asked := view.NewQuery(r.URL.Query())
	version, _, _ := s.news.since(0) // before the model: what changes in between is told again
	p := s.model.Load().Page(asked, s.now())
	p.Version = version
	if asks, target, ok := p.Asks(); ok {
		p.Explained = s.explain(r.Context(), asks, target)
	}
	var b bytes.Buffer // so that a page that cannot be made is not half written
	if err := p.Write(&b, part); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writePatience))
	_, _ = b.WriteTo(w) // who went away needs no page
}

// explain asks the cluster about one namespace, a few at a time.
func (s *Server) explain(ctx context.Context, namespace string, target inspect.Target) *view.Explained {
	ctx, cancel := context.WithTimeout(ctx, questionPatience)
	defer cancel()
	select {
	case s.questions <- struct{}{}:
		defer func() { <-s.questions }()
	case <-ctx.Done():
		return view.NotExplained(namespace, target, "too much is asked at once: try again")
	}
	e, err := s.cluster.Explain(ctx, namespace, target)
	switch {
	case apierrors.IsNotFound(err):
		return view.NotExplained(namespace, target, fmt.Sprintf("there is no such object, or no such namespace (%s)", kube.Redact(err)))
	case err != nil:
		return view.NotExplained(namespace, target, kube.Redact(err))
	}
	return view.NewExplained(e, target)
}
