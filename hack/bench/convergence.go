package main

import (
	"encoding/base64"
	"fmt"
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

// convergence measures a start on a cluster that has nothing yet, the restart after it, and the other program if there
// is one.
func (l *lab) convergence() ([]result, error) {
	results := []result{l.result(workloadFirst), l.result(workloadRestart), l.result(workloadBaseline)}
	if l.baseline == "" {
		results = results[:2]
	}
	for round := range l.rounds {
		if err := l.convergeOnce(round, results); err != nil {
			return nil, err
		}
	}
	if l.baseline != "" {
		ours := results[0]
		results[2].Name, results[2].Ours = l.otherName(), &ours
	}
	return results, l.wire(&results[0])
}

// convergeOnce is one round.
func (l *lab) convergeOnce(round int, results []result) error {
	password := fmt.Sprintf("first-%d", round)
	return turns(round,
		func() error {
			return l.floors(&results[0], &bareLoop{copies: l.secrets, password: password, accounts: !l.pods}, l.reset)
		},
		func() error {
			if err := l.converge(&results[0], password); err != nil {
				return err
			}
			return l.restart(&results[1])
		},
		func() error {
			if l.baseline == "" {
				return nil
			}
			return l.other(&results[2])
		})
}

// turns has what is compared take turns, in every other round the other way round: nothing is to gain from always
// coming first, or last.
func turns(round int, all ...func() error) error {
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
	return l.first(r, w, l.start, w.all(l.names, l.secrets, encoded(with(password))))
}

// first measures a program from the start of its process until all is there. What it asks for and the memory that it
// takes are counted until it was quiet.
func (l *lab) first(r *result, w *witness, start func() (*process, error), complete func() bool) error {
	l.calm()
	before, err := l.requests()
	if err != nil {
		return err
	}
	server := l.serverCPU()
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
	server = l.serverCPU() - server
	time.Sleep(quiet)
	after, err := l.requests()
	u.Peak = p.stop().Peak
	r.took(ended.Sub(started))
	r.used(u, server)
	r.asked(after.since(before))
	r.fill(l)
	return err
}

// restart measures a start on a converged cluster, where nothing is to be done.
func (l *lab) restart(r *result) error {
	server := l.serverCPU()
	p, asked, err := l.settled()
	if err != nil {
		return err
	}
	server = l.serverCPU() - server
	r.used(p.stop(), server)
	r.asked(asked)
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
