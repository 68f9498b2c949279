package main

import (
	"fmt"
	"time"
)

// birth is a namespace that the bench makes, and when it asked for it.
type birth struct {
	name string
	at   time.Time
	done bool
}

// births makes a namespace every so often, until it has made that many or is told to stop.
func (r *running) births(prefix string, many int, every time.Duration, stop <-chan struct{}) (born func() []*birth, failed <-chan error) {
	var all []*birth
	end := make(chan error, 1)
	go func() {
		for i := range many {
			select {
			case <-stop:
				return
			default:
			}
			b := &birth{name: fmt.Sprintf("%s-%d-%03d", prefix, r.round, i), at: time.Now()}
			r.w.mu.Lock()
			all = append(all, b)
			r.w.mu.Unlock()
			if err := r.l.create(namespaces, "", b.name, nil); err != nil {
				end <- err
				return
			}
			time.Sleep(every)
		}
	}()
	return func() []*birth { return all }, end
}

// grown notes who is complete by now, and reports whether everybody is. The witness' lock is held.
func (r *running) grown(to *result, all []*birth) bool {
	saved := r.l.accounts
	r.l.accounts = 1 // the default account, which the cluster makes
	defer func() { r.l.accounts = saved }()
	missing := 0
	for _, b := range all {
		if !b.done && r.w.complete(b.name, r.l.secrets+1, r.content) {
			b.done = true
			to.took(time.Since(b.at))
			to.Floor = append(to.Floor, r.w.born[b.name].Sub(b.at).Seconds())
		}
		if !b.done {
			missing++
		}
	}
	return missing == 0
}

// burst makes 100 namespaces in 5 s. Took holds, for each, the seconds from the request for it to the last thing in it.
func (r *running) burst(to *result) error {
	const many = 100
	born, failed := r.births("bench-burst", many, 5*time.Second/many, nil)
	_, err := r.w.until(func() bool { return r.grown(to, born()) && len(born()) == many })
	r.bury(born())
	select {
	case err = <-failed:
	default:
	}
	return err
}

// during makes namespaces for as long as a rotation goes on: they are not to wait for it.
func (r *running) during(to *result) error {
	if err := r.rotate(fmt.Sprintf("during-%d", r.round)); err != nil {
		return err
	}
	stop := make(chan struct{})
	born, failed := r.births("bench-during", 1000, 50*time.Millisecond, stop)
	rotated := r.w.all(r.l.names, r.l.secrets, r.content)
	ended := false
	_, err := r.w.until(func() bool {
		if !ended && rotated() {
			ended = true
			close(stop)
		}
		return r.grown(to, born()) && ended
	})
	r.bury(born())
	select {
	case err = <-failed:
	default:
	}
	return err
}

// bury deletes the namespaces, and waits until they no longer keep anybody busy.
func (r *running) bury(all []*birth) {
	for _, b := range all {
		_ = r.l.client.Resource(namespaces).Delete(r.l.ctx, b.name, deleteNow)
	}
	time.Sleep(quiet)
}
