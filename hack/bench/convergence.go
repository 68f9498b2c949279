package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// quiet is until the status is written, at the latest; what a program does that it need not shows in it too.
const quiet = 6 * time.Second

func encoded(content func(i int) string) func(i int) string {
	cache := map[int]string{}
	return func(i int) string {
		if cache[i] == "" {
			cache[i] = base64.StdEncoding.EncodeToString([]byte(content(i)))
		}
		return cache[i]
	}
}

func with(password string) func(i int) string {
	return func(i int) string { return credential(i, password) }
}

// contest is a start on a cluster that has nothing yet, by everybody who is compared, in the same rounds.
type contest struct {
	l              *lab
	first          map[mode]*result // of pullsecrets
	before         map[mode]*result // of another build
	restart, other result
}

// convergence measures a start on a cluster that has nothing yet in each mode, the restart after it, and the other program if there
// is one.
func (l *lab) convergence() (results []result, err error) {
	c := contest{l: l, first: map[mode]*result{}, before: map[mode]*result{}, restart: l.result(workloadRestart), other: l.result(workloadBaseline)}
	for _, m := range l.modes {
		r := l.result(workloadFirst)
		r.Attach = m
		c.first[m] = &r
		b := l.result(workloadBefore)
		b.Attach = m
		c.before[m] = &b
	}
	for round := range l.rounds {
		fmt.Fprintf(os.Stderr, "  round %d of %d\n", round+1, l.rounds)
		if err := turns(round, c.turns(round)...); err != nil {
			return nil, err
		}
	}
	for _, m := range l.modes {
		if l.baseline != "" {
			c.first[m].Other = c.other.Took
		}
		if err := l.enter(m); err != nil {
			return nil, err
		}
		if err := l.wire(c.first[m]); err != nil {
			return nil, err
		}
		results = append(results, *c.first[m])
		if l.before != "" {
			c.before[m].Other = c.first[m].Took
			results = append(results, *c.before[m])
		}
	}
	results = append(results, c.restart)
	if l.baseline != "" {
		if err := errors.Join(l.enter(accounts), l.wireOther(&c.other)); err != nil {
			return nil, err
		}
		c.other.Name = l.otherName()
		results = append(results, c.other)
	}
	return results, nil
}

// turns are what everybody does in a round. The floor of a mode is that of the writes that it makes; with the admission component
// these are the API server's too.
func (c *contest) turns(round int) (all []func() error) {
	password := fmt.Sprintf("first-%d", round)
	for _, m := range c.l.modes {
		turn := func(do func() error) {
			all = append(all, func() error {
				if err := c.l.enter(m); err != nil {
					return err
				}
				return do()
			})
		}
		if m != admission {
			turn(func() error {
				return c.l.floors(c.first[m], &bareLoop{copies: c.l.secrets, password: password, accounts: m != pods}, c.l.reset)
			})
		}
		turn(func() error { return c.ours(m, password) })
		if c.l.before != "" {
			turn(func() error {
				now := c.l.binary
				c.l.binary = c.l.before
				defer func() { c.l.binary = now }()
				return c.l.converge(c.before[m], password)
			})
		}
	}
	if c.l.baseline != "" {
		all = append(all, func() error {
			if err := c.l.enter(accounts); err != nil {
				return err
			}
			return c.l.other(&c.other)
		})
	}
	return all
}

// ours has pullsecrets' turn; in the first mode it is restarted after that.
func (c *contest) ours(m mode, password string) error {
	if err := c.l.converge(c.first[m], password); err != nil || m != c.l.modes[0] {
		return err
	}
	return c.l.restart(&c.restart)
}

// turns has what is compared take turns. Each round begins with another one, and every other round goes the other way round: nothing
// is to gain from always coming first, or last, or after somebody.
func turns(round int, all ...func() error) error {
	n := round % len(all)
	all = slices.Concat(all[n:], all[:n])
	if round%2 == 1 {
		slices.Reverse(all)
	}
	for _, turn := range all {
		if err := turn(); err != nil {
			return err
		}
	}
	return nil
}

// converge measures pullsecrets' first convergence.
func (l *lab) converge(r *result, password string) error {
	if err := l.prepare(password); err != nil {
		return err
	}
	w := l.witness(l.copyNames(l.secrets))
	defer w.cancel()
	return l.run(r, w, l.start, w.all(l.names, l.secrets, encoded(with(password))))
}

// run measures a program from the start of its process until all is there. What it asks for and the memory that it
// takes are counted until it was quiet.
func (l *lab) run(r *result, w *witness, start func() (*process, error), complete func() bool) error {
	l.calm()
	before, err := l.requests()
	if err != nil {
		return err
	}
	server, etcd := l.serverCPU(), l.etcdCPU()
	started := time.Now()
	p, err := start()
	if err != nil {
		return err
	}
	ended, err := w.until(complete, p)
	if err != nil {
		p.stop()
		return err
	}
	u := p.usage()
	server, etcd = l.serverCPU()-server, l.etcdCPU()-etcd
	time.Sleep(quiet)
	after, err := l.requests()
	u.Peak = p.stop().Peak
	r.took(ended.Sub(started))
	r.used(u, server, etcd)
	r.asked(after.since(before))
	r.fill(l)
	return err
}

// restart measures a start on a converged cluster, where nothing is to be done.
func (l *lab) restart(r *result, environment ...string) error {
	p, start, err := l.settled(environment...)
	if err != nil {
		return err
	}
	u := p.usage()
	p.stop()
	r.took(start.took)
	r.used(u, start.server, start.etcd)
	r.asked(start.asked)
	return nil
}

// prepare has a cluster with sources and policy, and nothing distributed.
func (l *lab) prepare(password string) error {
	if err := l.reset(); err != nil {
		return err
	}
	if err := l.clear(); err != nil {
		return err
	}
	for i := range l.secrets + 1 {
		if err := l.source(i, password); err != nil {
			return err
		}
	}
	return l.policy(l.secrets, "start")
}
