package main

import (
	"fmt"
	"time"
)

// running is a converged cluster in which something changes, and what it is measured with.
type running struct {
	l       *lab
	round   int
	copies  int                // in each namespace
	content func(i int) string // of the copies
	p       *process           // pullsecrets, while it is alive
	w       *witness
}

// changes measures what happens while it runs: a rotation, an edit that adds a registry, an edit that changes nothing,
// new namespaces in the middle of a rotation, and a burst of them.
func (l *lab) changes() (results []result, err error) {
	for _, m := range l.modes {
		if m == admission { // the same writes as with accounts, and others' too
			continue
		}
		if err := l.enter(m); err != nil {
			return nil, err
		}
		of := []result{
			l.result(workloadRotation), l.result(workloadAdded), l.result(workloadNothing),
			l.result(workloadDuring), l.result(workloadBurst), l.result(workloadIdle),
		}
		for round := range l.rounds {
			r, err := l.converged(round)
			if err == nil {
				err = r.changes(of)
			}
			if err != nil {
				return nil, err
			}
		}
		if l.only == "burst" {
			of = of[3:5]
		}
		results = append(results, of...)
	}
	return results, nil
}

// converged has a cluster with all that the policy says, written by the bare loop.
func (l *lab) converged(round int) (*running, error) {
	r := &running{l: l, round: round, copies: l.secrets}
	if err := l.prepare(r.before()); err != nil {
		return nil, err
	}
	r.content = encoded(with(r.before()))
	return r, l.distribute(bareLoop{copies: l.secrets, password: r.before(), accounts: l.mode != pods})
}

// before is the password that is distributed at first.
func (r *running) before() string { return fmt.Sprintf("before-%d", r.round) }

// changes is one round.
func (r *running) changes(of []result) error {
	rotation, added, nothing, during, burst, idle := &of[0], &of[1], &of[2], &of[3], &of[4], &of[5]
	births := func() error {
		if err := r.during(during); err != nil {
			return err
		}
		return r.burst(burst)
	}
	if r.l.only == "burst" {
		return r.alive(births)
	}
	if err := turns(r.round, func() error { return r.bareRotation(rotation) }, func() error { return r.rotation(rotation) }); err != nil {
		return err
	}
	if err := turns(r.round, func() error { return r.bareAdded(added) }, func() error { return r.registryAdded(added) }); err != nil {
		return err
	}
	return r.alive(func() error {
		if err := r.nothing(nothing); err != nil {
			return err
		}
		if err := r.idle(idle); err != nil {
			return err
		}
		return births()
	})
}

// alive has pullsecrets run while something is measured. It must find nothing to write at first, even where the bare
// loop was before it: that would have written something else, and not be its floor.
func (r *running) alive(measure func() error) error {
	p, start, err := r.l.settled()
	if err != nil {
		return err
	}
	defer p.stop()
	if start.asked.sum("secrets", writes...)+start.asked.sum("serviceaccounts", writes...) > 0 {
		return fmt.Errorf("pullsecrets found something to write in a converged cluster: %s", start.asked)
	}
	r.p, r.w = p, r.l.witness(r.l.copyNames(r.l.secrets+1))
	defer r.w.cancel()
	return measure()
}

// measure holds the clock from a change to when what it is to bring about was seen.
func (r *running) measure(to *result, wait time.Duration, change func() error, want func() func() bool) error {
	r.l.calm()
	before, err := r.l.requests()
	if err != nil {
		return err
	}
	server, etcd := r.l.serverCPU(), r.l.etcdCPU()
	started, cpu := time.Now(), r.p.usage().CPU
	if err := change(); err != nil {
		return err
	}
	ended, err := r.w.until(want(), r.p)
	if err != nil {
		return fmt.Errorf("%s: %w", to.Workload, err)
	}
	u := r.p.usage()
	u.CPU -= cpu
	to.took(ended.Sub(started))
	to.used(u, r.l.serverCPU()-server, r.l.etcdCPU()-etcd)
	time.Sleep(wait)
	after, err := r.l.requests()
	to.asked(after.since(before))
	return err
}

// everything is the condition that all namespaces have all copies as they are to be now.
func (r *running) everything() func() bool { return r.w.all(r.l.names, r.copies, r.content) }

// rotate gives the first source another credential.
func (r *running) rotate(password string) error {
	r.content = encoded(func(i int) string {
		if i == 0 {
			return credential(i, password)
		}
		return credential(i, r.before())
	})
	return r.l.source(0, password)
}

func (r *running) rotation(to *result) error {
	return r.alive(func() error {
		return r.measure(to, time.Second, func() error { return r.rotate(fmt.Sprintf("after-%d", r.round)) }, r.everything)
	})
}

// bareRotation measures the writes of a rotation, bare; then the source has what they wrote.
func (r *running) bareRotation(to *result) error {
	loop, n := bareLoop{copies: 1}, 0
	err := r.l.floors(to, &loop, func() error {
		n++
		loop.password = fmt.Sprintf("bare-%d-%d", r.round, n)
		return nil
	})
	if err != nil {
		return err
	}
	return r.rotate(loop.password)
}

func (r *running) registryAdded(to *result) error {
	if err := r.withdraw(); err != nil {
		return err
	}
	return r.alive(func() error {
		r.copies = r.l.secrets + 1
		return r.measure(to, time.Second, func() error { return r.l.policy(r.copies, "one more") }, r.everything)
	})
}

// bareAdded measures the writes that another registry takes, bare: its copies, and lists with it.
func (r *running) bareAdded(to *result) error {
	r.copies = r.l.secrets + 1
	return r.l.floors(to, &bareLoop{from: r.l.secrets, copies: r.copies, password: r.before(), accounts: r.l.mode != pods}, r.withdraw)
}

// withdraw takes the registry that was added away again, without pullsecrets.
func (r *running) withdraw() error {
	if err := r.l.distribute(bareLoop{from: r.l.secrets, copies: r.l.secrets, accounts: r.l.mode != pods}); err != nil {
		return err
	}
	return r.l.parallel(16, r.l.names, func(ns string) error { return r.l.remove(ns, fmt.Sprintf("reg-%d", r.l.secrets)) })
}

// idling is how long a process is watched that has nothing to do.
const idling = 30 * time.Second

// idle measures what pullsecrets costs where nothing happens: its watches, and their bookmarks. It runs without a Lease here, and nobody
// else asks for what is counted.
func (r *running) idle(to *result) error {
	before, err := r.l.requests()
	if err != nil {
		return err
	}
	server, etcd, cpu := r.l.serverCPU(), r.l.etcdCPU(), r.p.usage().CPU
	time.Sleep(idling)
	after, err := r.l.requests()
	u := r.p.usage()
	u.CPU -= cpu
	to.took(idling)
	to.used(u, r.l.serverCPU()-server, r.l.etcdCPU()-etcd)
	to.asked(after.since(before))
	return err
}

// nothing measures an edit that has nothing follow, and waits for as long as something might.
func (r *running) nothing(to *result) error {
	return r.measure(to, quiet, func() error { return r.l.policy(r.copies, "another comment") }, func() func() bool {
		return func() bool { return true }
	})
}
