package registry

import (
	"context"
	"sync"
)

// parallelOfHost is how many entries of one host are asked about at a time: of many that hang at one, others do not wait.
const parallelOfHost = 4

// slots bound what is asked at a time, in all and of each host. Who waits is let in by the order of coming.
type slots struct {
	all chan struct{}

	mu    sync.Mutex
	hosts map[string]*hostSlots // those that somebody asks, or waits to
}

type hostSlots struct {
	taken chan struct{}
	users int // who have a slot or wait for one
}

func newSlots(parallel int) *slots {
	return &slots{all: make(chan struct{}, parallel), hosts: map[string]*hostSlots{}}
}

// wait waits until a host may be asked; ok is false if there is no time left to do so.
func (s *slots) wait(ctx context.Context, host string) (release func(), ok bool) {
	of := s.enter(host)
	if !take(ctx, of.taken) {
		s.leave(host, of)
		return nil, false
	}
	if !take(ctx, s.all) {
		<-of.taken
		s.leave(host, of)
		return nil, false
	}
	return func() {
		<-s.all
		<-of.taken
		s.leave(host, of)
	}, true
}

func (s *slots) enter(host string) *hostSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.hosts[host]
	if of == nil {
		of = &hostSlots{taken: make(chan struct{}, parallelOfHost)}
		s.hosts[host] = of
	}
	of.users++
	return of
}

func (s *slots) leave(host string, of *hostSlots) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.users--; of.users == 0 {
		delete(s.hosts, host)
	}
}

func take(ctx context.Context, slot chan struct{}) bool {
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil { // both were ready
		<-slot
		return false
	}
	return true
}
