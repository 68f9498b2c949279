package main

import (
	"fmt"
	"time"
)

// running is a process that is converged, and what it is measured with.
type running struct {
	l       *lab
	p       *process
	w       *witness
	round   int
	rotated string // the password of the source that is rotated
	content func(i int) string
}

// changes measures what happens while it runs: a rotation, an edit that adds a registry, an edit that changes nothing,
// new namespaces in the middle of a rotation, and a burst of them.
func (l *lab) changes() ([]result, error) {
	results := []result{
		l.result(workloadRotation), l.result(workloadAdded), l.result(workloadNothing),
		l.result(workloadDuring), l.result(workloadBurst),
	}
	for round := range l.rounds {
		if err := l.round(round, results); err != nil {
			return nil, err
		}
		if err := l.changeFloors(round, &results[0], &results[1]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (l *lab) round(round int, results []result) error {
	password := fmt.Sprintf("before-%d", round)
	if err := l.prepare(password); err != nil {
		return err
	}
	w := l.witness(l.copyNames(l.secrets + 1))
	defer w.cancel()
	p, err := l.start()
	if err != nil {
		return err
	}
	defer p.stop()
	r := &running{l: l, p: p, w: w, round: round}
	if _, err := w.until(w.all(l.names, l.secrets, encoded(with(password)))); err != nil {
		return err
	}
	time.Sleep(quiet)
	for i, work := range []func(*result) error{r.rotation, r.registryAdded, r.nothing, r.during, r.burst} {
		if err := work(&results[i]); err != nil {
			return fmt.Errorf("%s: %w", results[i].Workload, err)
		}
	}
	return nil
}

// changeFloors measures the writes that a rotation and a new registry take, bare.
func (l *lab) changeFloors(round int, rotation, added *result) error {
	update := bareLoop{workers: 16, copies: 1, password: fmt.Sprintf("floor-%d", round)}
	bare, err := l.bare(update)
	if err != nil {
		return err
	}
	update.password, update.informers = update.password+"-informed", true
	informed, err := l.bare(update)
	if err != nil {
		return err
	}
	rotation.floors(bare, informed)
	if err := l.reset(l.copyNames(l.secrets + 1)...); err != nil {
		return err
	}
	more := bareLoop{workers: 16, copies: 1, password: update.password, accounts: true}
	bare, err = l.bare(more)
	if err == nil {
		added.floors(bare, floor{})
	}
	return err
}

// measure holds the clock from a change to when what it is to bring about was seen.
func (r *running) measure(to *result, change func() error, want func() bool) error {
	before, err := r.l.requests()
	if err != nil {
		return err
	}
	server := r.l.serverCPU()
	started, cpu := time.Now(), r.p.usage().CPU
	if err := change(); err != nil {
		return err
	}
	ended, err := r.w.until(want)
	if err != nil {
		return err
	}
	u := r.p.usage()
	u.CPU -= cpu
	to.took(ended.Sub(started))
	to.used(u, r.l.serverCPU()-server)
	time.Sleep(time.Second)
	after, err := r.l.requests()
	to.asked(after.since(before))
	return err
}

// rotate gives the first source another credential.
func (r *running) rotate(password string) error {
	r.rotated = password
	r.content = encoded(func(i int) string {
		if i == 0 {
			return credential(i, password)
		}
		return credential(i, fmt.Sprintf("before-%d", r.round))
	})
	return r.l.source(0, password)
}

func (r *running) rotation(to *result) error {
	var want func() bool
	return r.measure(to, func() error {
		err := r.rotate(fmt.Sprintf("after-%d", r.round))
		want = r.w.all(r.l.names, r.l.secrets, r.content)
		return err
	}, func() bool { return want() })
}

func (r *running) registryAdded(to *result) error {
	return r.measure(to, func() error { return r.l.policy(r.l.secrets+1, "one more") },
		r.w.all(r.l.names, r.l.secrets+1, r.content))
}

func (r *running) nothing(to *result) error {
	time.Sleep(quiet)
	return r.measure(to, func() error { return r.l.policy(r.l.secrets+1, "another comment") }, func() bool { return true })
}
