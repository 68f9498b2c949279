package main

import (
	"io"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// wire counts the bytes of a first convergence, in a run of its own that no clock is held to: a relay stands between
// the process and the API server, and sees what TLS lets it see.
func (l *lab) wire(r *result) (err error) {
	if err := l.prepare("wire"); err != nil {
		return err
	}
	complete := func(w *witness) func() bool { return w.all(l.names, l.secrets, encoded(with("wire"))) }
	r.Sent, r.Received, err = l.relayed(l.copyNames(l.secrets), func(kubeconfig string) (*process, error) { return l.startWith(kubeconfig) }, complete)
	return err
}

// wireOther is wire of the other program.
func (l *lab) wireOther(r *result) (err error) {
	if err := l.reset(); err != nil {
		return err
	}
	r.Sent, r.Received, err = l.relayed([]string{l.baselineCopy}, l.startOther, l.otherComplete)
	return err
}

// relayed runs a program through a relay until all is there.
func (l *lab) relayed(copies []string, start func(kubeconfig string) (*process, error), complete func(*witness) func() bool) (sent, received int, err error) {
	relay, err := l.relay()
	if err != nil {
		return 0, 0, err
	}
	defer relay.close()
	w := l.witness(copies)
	defer w.cancel()
	p, err := start(relay.kubeconfig)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	_, err = w.until(complete(w), p)
	time.Sleep(time.Second) // the last events are on their way
	return int(relay.sent.Load()), int(relay.received.Load()), err
}

// relay passes on connections to the API server, and counts.
type relay struct {
	kubeconfig     string
	listener       net.Listener
	sent, received atomic.Int64
}

func (l *lab) relay() (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener}
	server, err := url.Parse(l.rest.Host)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.pass(conn, server.Host)
		}
	}()
	return r, r.configure(l.config.kubeconfig)
}

// configure writes a kubeconfig that leads through the relay.
func (r *relay) configure(kubeconfig string) error {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return err
	}
	for _, c := range config.Clusters {
		c.Server = "https://" + r.listener.Addr().String()
	}
	f, err := os.CreateTemp("", "bench-*.kubeconfig")
	if err != nil {
		return err
	}
	r.kubeconfig = f.Name()
	_ = f.Close()
	return clientcmd.WriteToFile(*config, r.kubeconfig)
}

func (r *relay) pass(conn net.Conn, to string) {
	defer conn.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, counting{conn, &r.sent})
		_ = server.Close()
	}()
	_, _ = io.Copy(conn, counting{server, &r.received})
}

func (r *relay) close() {
	_ = r.listener.Close()
	_ = os.Remove(r.kubeconfig)
}

type counting struct {
	from io.Reader
	n    *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n.Add(int64(n))
	return n, err
}
