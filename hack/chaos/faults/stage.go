package faults

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/hack/chaos/lab"
	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
)

type policy = lab.Policy

var base, edited, pruned = lab.Base, lab.Edited, lab.Pruned

// stage is what a row plays on.
type stage struct {
	t        *testing.T
	Lab      *lab.Lab
	Proxy    *proxy.Proxy
	Options  program.Options    // what start starts the program with; its kubeconfig leads through the proxy
	Programs []*program.Program // all that were started, the last one is the one that works

	token     *token       // of rows that have one
	version   string       // of the cluster, that stale lists are of; empty for that of the fault's beginning
	plane     *plane.Plane // where the row has one of its own
	right     func() error // the lab's oracle
	clocks    func()       // called before a second replica is started, to give it a clock of its own
	confirm   func() error
	after     func() error // done when the fault is over, before the time is taken
	passwords int
}

// newStage sets up a proxy before the API server, and nothing runs yet.
func newStage(t *testing.T, l *lab.Lab, config *rest.Config) *stage {
	t.Helper()
	p, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	kubeconfig, err := p.Kubeconfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, Lab: l, Proxy: p, right: l.Right, Options: program.Options{Kubeconfig: kubeconfig}}
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// start starts the program, and does not wait for it.
func (s *stage) start() {
	s.t.Helper()
	s.Programs = append(s.Programs, program.Start(s.t, s.Options))
}

// stop ends it.
func (s *stage) stop() {
	s.t.Helper()
	s.Programs[len(s.Programs)-1].Stop()
}

// empty takes everything back that was distributed, and gives out new passwords.
func (s *stage) empty() {
	s.t.Helper()
	s.must(s.Lab.Clear())
	s.must(s.Lab.RotateAll(s.password()))
}

// converge has three rules in force, and all that they ask for in place.
func (s *stage) converge() {
	s.t.Helper()
	s.must(s.Lab.RotateAll(s.password()))
	s.must(s.Lab.Apply(base))
	s.start()
	s.await("it is right before the fault", func() error { return errors.Join(s.right(), s.told()) })
}

// told returns nil if the status says of the text in force that it is Ready.
func (s *stage) told() error {
	state, message, err := s.Lab.Status()
	if err == nil && state != "Ready" {
		err = fmt.Errorf("the status is %q: %s", state, message)
	}
	return err
}

// await waits until f returns nil, and returns when that was.
func (s *stage) await(what string, f func() error) time.Time {
	s.t.Helper()
	deadline := time.Now().Add(lab.Patience)
	for {
		err := f()
		if err == nil {
			return time.Now()
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not in %s: %v", what, lab.Patience, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
