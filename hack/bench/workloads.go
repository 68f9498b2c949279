package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// result is one workload at one size.
type result struct {
	Workload   string    `json:"workload"`
	Namespaces int       `json:"namespaces"`
	Secrets    int       `json:"secrets"`
	Accounts   int       `json:"accounts"`
	Floor      []float64 `json:"floor,omitempty"` // seconds, by round
	Took       []float64 `json:"took,omitempty"`  // seconds, by round
	Baseline   []float64 `json:"baseline,omitempty"`
	Requests   requests  `json:"requests,omitempty"` // of the last round
	CPU        float64   `json:"cpuSeconds,omitempty"`
	Peak       int       `json:"peakRSS,omitempty"` // bytes
	Bound      string    `json:"bound,omitempty"`
	Missed     bool      `json:"missed"`
}

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

// bestFloor returns the fastest of the worker counts.
func (l *lab) bestFloor(n int, content func(i int) string) (time.Duration, error) {
	best := time.Duration(0)
	for _, workers := range floorWorkers {
		took, err := l.floor(workers, n, content, true)
		if err != nil {
			return 0, err
		}
		if best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}

// convergence measures a start on a cluster that has nothing yet, and the restart after it.
func (l *lab) convergence() (first, restart result, err error) {
	first, restart = l.result("first convergence"), l.result("restart, converged")
	names := l.copyNames(l.secrets)
	for round := range l.rounds {
		password := fmt.Sprintf("first-%d", round)
		floor, err := l.bestFloor(l.secrets, with(password))
		if err != nil {
			return first, restart, err
		}
		if err := l.prepare(password); err != nil {
			return first, restart, err
		}
		w := l.witness(names)
		before, _ := l.requests()
		started := time.Now()
		p, err := l.start()
		if err != nil {
			return first, restart, err
		}
		ended, err := w.until(w.all(l.names, l.secrets, encoded(with(password))))
		w.cancel()
		if err != nil {
			return first, restart, err
		}
		time.Sleep(6 * time.Second) // until the status is written; what is not needed shows too
		after, _ := l.requests()
		u := p.stop()
		first.add(floor, ended.Sub(started), u)
		first.Requests = after.since(before)

		before, _ = l.requests()
		p, err = l.start()
		if err != nil {
			return first, restart, err
		}
		time.Sleep(3 * time.Second)
		after, _ = l.requests()
		restart.add(0, 0, p.stop())
		restart.Requests = after.since(before)
	}
	return first, restart, nil
}

// prepare has a cluster with sources and policy, and nothing distributed.
func (l *lab) prepare(password string) error {
	if err := l.reset(l.copyNames(l.secrets + 1)...); err != nil {
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

// changes measures what happens while it runs: a rotation, an edit that adds a registry, an edit that changes nothing,
// and a burst of new namespaces.
func (l *lab) changes() ([]result, error) {
	rotation, added := l.result("rotation"), l.result("registry added")
	nothing, burst := l.result("edit that changes nothing"), l.result("100 new namespaces in 5 s")
	for round := range l.rounds {
		password := fmt.Sprintf("before-%d", round)
		if err := l.prepare(password); err != nil {
			return nil, err
		}
		w := l.witness(l.copyNames(l.secrets + 1))
		p, err := l.start()
		if err != nil {
			return nil, err
		}
		if _, err := w.until(w.all(l.names, l.secrets, encoded(with(password)))); err != nil {
			return nil, err
		}
		err = l.changing(p, w, round, &rotation, &added, &nothing, &burst)
		w.cancel()
		p.stop()
		if err != nil {
			return nil, err
		}
		// The floor of a rotation is one write for each copy of that secret, of those that are there.
		floor, err := l.bare(16, 1, with(fmt.Sprintf("floor-%d", round)), false)
		if err != nil {
			return nil, err
		}
		rotation.Floor = append(rotation.Floor, floor.Seconds())
	}
	return []result{rotation, added, nothing, burst}, nil
}

func (l *lab) changing(p *process, w *witness, round int, rotation, added, nothing, burst *result) error {
	time.Sleep(6 * time.Second) // until the status is written
	measure := func(r *result, change func() error, want func() bool) error {
		before, _ := l.requests()
		started, cpu := time.Now(), p.usage().CPU
		if err := change(); err != nil {
			return err
		}
		ended, err := w.until(want)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Workload, err)
		}
		r.Took = append(r.Took, ended.Sub(started).Seconds())
		time.Sleep(time.Second)
		after, _ := l.requests()
		u := p.usage()
		r.Requests, r.CPU, r.Peak = after.since(before), (u.CPU - cpu).Seconds(), u.Peak
		return nil
	}
	old, next := fmt.Sprintf("before-%d", round), fmt.Sprintf("after-%d", round)
	content := encoded(func(i int) string {
		if i == 0 {
			return credential(i, next)
		}
		return credential(i, old)
	})
	if err := measure(rotation, func() error { return l.source(0, next) }, w.all(l.names, l.secrets, content)); err != nil {
		return err
	}
	if err := measure(added, func() error { return l.policy(l.secrets+1, "one more") }, w.all(l.names, l.secrets+1, content)); err != nil {
		return err
	}
	time.Sleep(6 * time.Second)
	if err := measure(nothing, func() error { return l.policy(l.secrets+1, "another comment") }, func() bool { return true }); err != nil {
		return err
	}
	return l.burst(w, burst, round, content)
}

// burst makes 100 namespaces in 5 s. Took holds, for each, the seconds from its creation to the last thing in it.
func (l *lab) burst(w *witness, r *result, round int, content func(i int) string) error {
	const many = 100
	names := make([]string, many)
	born := make([]time.Time, many)
	for i := range names {
		names[i] = fmt.Sprintf("bench-burst-%d-%03d", round, i)
	}
	saved := l.accounts
	l.accounts = 1 // the default account, which the cluster makes
	defer func() { l.accounts = saved }()
	failed := make(chan error, 1)
	go func() {
		for i, ns := range names {
			w.mu.Lock()
			born[i] = time.Now()
			w.mu.Unlock()
			if err := l.create(namespaces, "", ns, nil); err != nil {
				failed <- err
				return
			}
			time.Sleep(5 * time.Second / many)
		}
	}()
	done := map[string]bool{}
	_, err := w.until(func() bool {
		for i, ns := range names {
			if !done[ns] && w.complete(ns, l.secrets+1, content) {
				done[ns] = true
				r.Took = append(r.Took, time.Since(born[i]).Seconds())
			}
		}
		return len(done) == many
	})
	select {
	case err = <-failed:
	default:
	}
	for _, ns := range names {
		_ = l.client.Resource(namespaces).Delete(l.ctx, ns, deleteNow)
	}
	return err
}

func (l *lab) result(workload string) result {
	return result{Workload: workload, Namespaces: len(l.names), Secrets: l.secrets, Accounts: l.accounts}
}

func (r *result) add(floor, took time.Duration, u usage) {
	if floor > 0 {
		r.Floor = append(r.Floor, floor.Seconds())
	}
	if took > 0 {
		r.Took = append(r.Took, took.Seconds())
	}
	r.CPU, r.Peak = u.CPU.Seconds(), max(r.Peak, u.Peak)
}

// quantile is the smallest value that this share of the values does not exceed.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
