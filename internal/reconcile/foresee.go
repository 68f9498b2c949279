package reconcile

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// glance is how long a start waits for what only makes it faster: as long as there is to win.
const glance = 100 * time.Millisecond

// foresee has the watches of sources and copies begin together with those of the ConfigMaps that name them. Each waits
// until the API server's cache is as new as etcd, up to 100 ms, and one after the other they would wait twice. What the
// cache has at once may be old, so nothing is decided by it: the watches that turn out not to be needed end before
// anything is decided.
func (j *judge) foresee(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	documents, w := j.c.Documents, j.c.watches
	var status *cluster.ConfigMap
	var both sync.WaitGroup
	both.Go(func() { status = glimpse(ctx, w.status) })
	if !j.fixed() {
		if cm := glimpse(ctx, w.policy); cm != nil {
			documents = cm.Data
		}
	}
	both.Wait()
	if sources, names, ok := j.likely(documents, status); ok {
		w.need(sources, names)
	}
}

// glimpse returns a ConfigMap as the API server's cache has it, or nil. What is wrong, the watch of it says.
func glimpse(ctx context.Context, w *watch) *cluster.ConfigMap {
	list, err := w.in(w.client).List(ctx, metav1.ListOptions{ResourceVersion: "0", FieldSelector: w.selector().String()})
	if err != nil || len(list.Items) != 1 {
		return nil
	}
	return cluster.NewConfigMap(&list.Items[0])
}

// follow has a standby watch all that the leader watches, so that it can take over at once. It remembers nothing of
// what it reads: whoever takes over starts from the status as the last leader left it.
func (j *judge) follow() {
	documents, _, _ := j.text()
	sources, names, _ := j.likely(documents, j.statusMap())
	j.c.watches.need(sources, names)
	j.c.watches.keep(sources, names)
	j.settled.Store(j.c.watches.settled())
}

// likely are the sources and the names of copies that are watched by whoever works with these documents, or, if they
// are no policy, with the last good one of the status. ok is false without either.
func (j *judge) likely(documents map[string]string, status *cluster.ConfigMap) (sources []types.NamespacedName, names []string, ok bool) {
	p, _ := j.parse(documents)
	if status != nil {
		names = parseNames(status.Data[statusNames])
		if p == nil {
			documents, _ = unpackPolicy(status.BinaryData[statusPolicy])
			p, _ = j.parse(documents)
		}
	}
	if p == nil {
		return nil, nil, false
	}
	return j.c.watchedSources(p), union(names, p.CopyNames()), true
}
