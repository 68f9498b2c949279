package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// serve opens the ports that the flags ask for. A port that cannot be opened is an error, and then none is open, but
// for one that nobody asked for.
func (f *runFlags) serve(c *reconcile.Controller, log zerolog.Logger) (stop func(), err error) {
	if err := checkLoopback(f.pprofAddr); err != nil {
		return nil, err
	}
	return serve([]port{
		{"health-addr", f.healthAddr, healthHandler(c), f.healthOptional},
		{"metrics-addr", f.metricsAddr, metricsHandler(c.Metrics()), false},
		{"pprof-addr", f.pprofAddr, pprofHandler(), false},
	}, log)
}

// port is what is served on the address of a flag.
type port struct {
	flag, addr string
	handler    http.Handler
	optional   bool // nobody asked for it
}

func serve(ports []port, log zerolog.Logger) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for _, port := range ports {
		stopOne, err := listen(port.flag, port.addr, port.handler)
		if err != nil && port.optional {
			log.Warn().Msg("/healthz and /readyz are not served: " + err.Error())
			continue
		}
		if err != nil {
			stop()
			return nil, err
		}
		stops = append(stops, stopOne)
	}
	return stop, nil
}

func listen(flag, addr string, handler http.Handler) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-%s %s: %w; name another, or \"\" for none", flag, addr, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return func() {
		_ = server.Close()
		_ = listener.Close() // the server knows of it only once it serves
	}, nil
}

// readiness is what healthHandler asks a controller.
type readiness interface {
	Ready() bool
	Unsettled() []string // the lists that are waited for, a line each
}

// healthHandler answers /healthz with 200 while the process lives and /readyz with 200 once all caches are settled, and
// until then with the lists that are waited for. The policy has no part in it: a readiness that waited for a policy
// would deadlock whoever applies the policy only after the controller is ready.
func healthHandler(c readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !c.Ready() {
			lines := append([]string{"the caches are not settled yet"}, c.Unsettled()...)
			http.Error(w, strings.Join(lines, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

func metricsHandler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics)
	return mux
}

// pprofHandler leaves /debug/pprof/cmdline out: a flag can hold a credential.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// checkLoopback refuses to profile for others than this machine: profiles tell much, and taking them costs.
func checkLoopback(addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-pprof-addr %s: %w; give a host and a port, such as localhost:6060", addr, err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return errors.New("-pprof-addr " + addr + ": profiles are for this machine only; listen on localhost, such as localhost:6060, and use kubectl port-forward")
}
