package soak

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// observe reads the cluster as it is now.
func (s *soak) observe(ctx context.Context) (*seen, error) {
	lists, version := map[schema.GroupVersionResource][]*object{}, ""
	for _, resource := range []schema.GroupVersionResource{namespaces, secrets, accounts} {
		all, err := s.client.Resource(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		version = all.GetResourceVersion()
		for i := range all.Items {
			lists[resource] = append(lists[resource], newObject(&all.Items[i]))
		}
	}
	at := newSeen(lists[namespaces], lists[secrets], lists[accounts])
	at.version = version
	for _, home := range homes {
		u, err := s.get(ctx, configMaps, key{home, policyName})
		if err != nil {
			return nil, err
		}
		if u != nil {
			at.policies[home] = newObject(u)
		}
	}
	return at, nil
}

// witness follows secrets and accounts, and keeps what was written of them.
type witness struct {
	client dynamic.Interface
	mu     sync.Mutex
	events []event
	gaps   int // watches that had to begin anew, so that something may not have been seen
}

// taken returns what was seen since it was asked last.
func (w *witness) taken() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.events
	w.events = nil
	return taken
}

// missed is how often something may not have been seen.
func (w *witness) missed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gaps
}

// follow begins with a list and follows until ctx ends.
func (w *witness) follow(ctx context.Context, resource schema.GroupVersionResource) {
	var objects map[key]*object
	version := ""
	for ctx.Err() == nil {
		if version == "" {
			all, err := w.client.Resource(resource).List(ctx, metav1.ListOptions{})
			if err != nil {
				pause(ctx, time.Second)
				continue
			}
			w.mu.Lock()
			if objects != nil {
				w.gaps++
			}
			w.mu.Unlock()
			objects, version = map[key]*object{}, all.GetResourceVersion()
			for i := range all.Items {
				o := newObject(&all.Items[i])
				objects[o.key] = o
			}
		}
		stream, err := w.client.Resource(resource).Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
		if err != nil {
			version = ""
			pause(ctx, time.Second)
			continue
		}
		version = w.receive(stream, resource == secrets, objects, version)
	}
}

// receive returns the version to go on with; "" is that it is too old.
func (w *witness) receive(stream apiwatch.Interface, secret bool, objects map[key]*object, version string) string {
	defer stream.Stop()
	for e := range stream.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if e.Type == apiwatch.Error || !ok {
			return ""
		}
		version = u.GetResourceVersion()
		if e.Type == apiwatch.Bookmark {
			continue
		}
		o := newObject(u)
		happened := event{secret: secret, before: objects[o.key], after: o, version: version}
		objects[o.key] = o
		if e.Type == apiwatch.Deleted {
			happened.before, happened.after = o, nil
			delete(objects, o.key)
		}
		w.mu.Lock()
		w.events = append(w.events, happened)
		w.mu.Unlock()
	}
	return version
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
