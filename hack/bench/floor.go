package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// floorWorkers are tried, and the best of them is the floor.
var floorWorkers = []int{16, 32, 64}

// floor is how long bare writes took, and what they cost.
type floor struct {
	took   time.Duration
	client usage         // of the loop's process, from the first write on
	server time.Duration // CPU of the API server meanwhile
	etcd   time.Duration // and of etcd
}

// floors measures the loop with each of the worker counts, and again with informers and the best of them. Before each,
// ready brings the cluster into the state that what is compared begins with.
func (l *lab) floors(of *result, b *bareLoop, ready func() error) error {
	measure := func(workers int, informers bool) (floor, error) {
		if err := ready(); err != nil {
			return floor{}, err
		}
		b.workers, b.informers = workers, informers
		return l.bare(*b)
	}
	for _, workers := range floorWorkers {
		f, err := measure(workers, false)
		if err != nil {
			return err
		}
		of.bare(workers, f)
	}
	if of.Workload == workloadAdded { // with informers it takes long, and says what the others say
		return nil
	}
	f, err := measure(of.fastest(), true)
	of.informed(f)
	return err
}

// bare runs the loop as a process of its own, like what it is compared with. The clock starts when it is ready to
// write: neither its start nor the reading of the accounts, whose versions a write has to name, counts.
func (l *lab) bare(b bareLoop) (f floor, err error) {
	p, in, out, err := l.loop(b)
	if err != nil {
		return f, err
	}
	defer p.stop()
	defer in.Close()
	if line, err := out.ReadString('\n'); line != "ready\n" {
		return f, fmt.Errorf("the bare loop did not start: %q, %w", line, err)
	}
	w := l.witness(l.copyNames(b.copies))
	defer w.cancel()
	l.calm()
	before, server, etcd := p.usage(), l.serverCPU(), l.etcdCPU()
	started := time.Now()
	fmt.Fprintln(in, "write")
	complete := w.copied(l.names, b.copies, b.content())
	if b.accounts {
		complete = w.all(l.names, b.copies, b.content())
	}
	ended, err := w.until(complete)
	if err != nil {
		return f, err
	}
	if line, err := out.ReadString('\n'); line != "done\n" {
		return f, fmt.Errorf("the bare loop failed: %q, %w", line, err)
	}
	u := p.usage()
	u.CPU -= before.CPU
	return floor{took: ended.Sub(started), client: u, server: l.serverCPU() - server, etcd: l.etcdCPU() - etcd}, nil
}

// loop starts this program as a bare loop.
func (l *lab) loop(b bareLoop) (p *process, in io.WriteCloser, out *bufio.Reader, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	p = l.prepared(self, append(b.args(), "-kubeconfig", l.kubeconfig, fmt.Sprintf("-sizes=%d", len(l.names)))...)
	p.cmd.Stdout = nil
	in, err = p.cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	return p, in, bufio.NewReader(stdout), p.cmd.Start()
}

func (l *lab) referencing(account *unstructured.Unstructured, n int) *unstructured.Unstructured {
	var list []any
	added := ""
	for i, name := range l.copyNames(n) {
		list = append(list, map[string]any{"name": name})
		if i > 0 {
			added += ","
		}
		added += name
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": list,
		"metadata": map[string]any{
			"name": account.GetName(), "namespace": account.GetNamespace(), "uid": string(account.GetUID()),
			"resourceVersion": account.GetResourceVersion(), "annotations": map[string]any{"pullsecrets/added": api.Home + "/" + account.GetNamespace() + ": " + added},
		},
	}}
}

func (l *lab) accountsByNamespace() (map[string][]*unstructured.Unstructured, error) {
	list, err := l.client.Resource(api.Accounts).List(l.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string][]*unstructured.Unstructured{}
	for i := range list.Items {
		u := &list.Items[i]
		out[u.GetNamespace()] = append(out[u.GetNamespace()], u)
	}
	return out, nil
}
