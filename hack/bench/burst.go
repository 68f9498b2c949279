package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// birth is a namespace that the bench makes, and when it asked for it.
type birth struct {
	name string
	at   time.Time
	done bool
}

// births are namespaces that come one after the other. Its fields are under the witness' lock.
type births struct {
	all  []*birth
	over bool // there are no more to come
	err  error
}

// births makes a namespace every so often, until it has made that many or is told to stop.
func (r *running) births(prefix string, many int, every time.Duration, stop <-chan struct{}) *births {
	s := &births{}
	go func() {
		var err error
		for i := 0; i < many && err == nil; i++ {
			b := &birth{name: fmt.Sprintf("%s-%03d", prefix, i), at: time.Now()}
			r.w.see(func() { s.all = append(s.all, b) })
			err = r.l.create(api.Namespaces, "", b.name, nil)
			select {
			case <-stop:
				many = 0
			case <-time.After(every):
			}
		}
		r.w.see(func() { s.over, s.err = true, err })
	}()
	return s
}

// grown notes who is complete by now, and reports whether everybody is. The witness' lock is held.
func (r *running) grown(to *result, s *births) bool {
	saved := r.l.accounts
	r.l.accounts = 1 // the default account, which the cluster makes
	defer func() { r.l.accounts = saved }()
	missing := 0
	for _, b := range s.all {
		if !b.done && r.w.complete(b.name, r.copies, r.content) {
			b.done = true
			took := time.Since(b.at)
			account := took // with attach: pods it may come after the copies
			if born := r.w.born[b.name]; !born.IsZero() {
				account = born.Sub(b.at)
			}
			to.took(took)
			to.Floor = append(to.Floor, account.Seconds())
		}
		if !b.done {
			missing++
		}
	}
	return s.over && (missing == 0 || s.err != nil)
}

// burst makes 100 namespaces in 5 s. Took holds, for each, the seconds from the request for it to the last thing in it.
func (r *running) burst(to *result) error {
	const many = 100
	return r.count(to, func() ([]*birth, error) {
		s := r.births(fmt.Sprintf("bench-burst-%d", r.round), many, 5*time.Second/many, nil)
		_, err := r.w.until(func() bool { return r.grown(to, s) })
		return s.all, errors.Join(err, s.err)
	})
}

// enough is how many namespaces have to come during rotations, over all rounds: of fewer, the last percent is none.
const enough = 100

// during makes namespaces for as long as a rotation goes on, because they are not to wait for it. There are as many
// rotations as it takes for a round's share of them.
func (r *running) during(to *result) error {
	return r.count(to, func() (all []*birth, err error) {
		for n := 0; len(all)*r.l.rounds < enough && err == nil; n++ {
			var more []*birth
			more, err = r.duringOne(to, fmt.Sprintf("during-%d-%d", r.round, n))
			all = append(all, more...)
		}
		return all, err
	})
}

func (r *running) duringOne(to *result, name string) ([]*birth, error) {
	if err := r.rotate(name); err != nil {
		return nil, err
	}
	end := make(chan struct{})
	stop := sync.OnceFunc(func() { close(end) })
	defer stop()
	s := r.births("bench-"+name, 1000, 50*time.Millisecond, end)
	rotated := r.w.all(r.l.names, r.l.secrets, r.content)
	_, err := r.w.until(func() bool {
		if rotated() {
			stop()
		}
		return r.grown(to, s)
	})
	return s.all, errors.Join(err, s.err)
}

// count keeps what was asked while namespaces came, and buries them.
func (r *running) count(to *result, bear func() ([]*birth, error)) error {
	before, err := r.l.requests()
	if err != nil {
		return err
	}
	all, err := bear()
	time.Sleep(time.Second) // the last requests were counted
	after, missed := r.l.requests()
	to.asked(after.since(before))
	return errors.Join(err, missed, r.bury(all))
}

// bury has the namespaces deleted and waits until they are gone: clearing them away keeps the cluster busy, and what is
// measured meanwhile is measured beside it.
func (r *running) bury(all []*birth) error {
	var names []string
	for _, b := range all {
		names = append(names, b.name)
	}
	if err := r.l.parallel(16, names, r.l.end); err != nil {
		return err
	}
	deadline := time.Now().Add(3 * time.Minute)
	err := r.l.parallel(1, names, func(ns string) error {
		for time.Now().Before(deadline) {
			_, err := r.l.client.Resource(api.Namespaces).Get(r.l.ctx, ns, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			time.Sleep(200 * time.Millisecond)
		}
		return fmt.Errorf("namespace %s is not gone after 3 minutes", ns)
	})
	time.Sleep(2 * time.Second) // what watches them has caught up
	return err
}
