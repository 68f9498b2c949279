package faults

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/lab"
	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
)

// sharedPlane is a control plane for all rows that stop or kill something of it: the one that the other rows are given is not
// theirs to kill.
var sharedPlane = sync.OnceValues(func() (*plane.Plane, error) {
	p, err := plane.New()
	if err == nil {
		closeShared = p.Close
	}
	return p, err
})

var closeShared = func() error { return nil }

func TestMain(m *testing.M) {
	status := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "the control plane did not end well:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// ownPlane is a stage with that control plane.
func ownPlane(t *testing.T) *stage {
	t.Helper()
	p, err := sharedPlane()
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, lab.New(t, p.Config), p.Config)
	s.plane = p.For(t)
	s.right = s.Lab.RightByList // the lab's own watches come back late from a server that was away
	return s
}

// strike does something in the middle of what goes on, and returns what ends it.
type strike func(s *stage) (heal func())

// struck is a row with something that happens when the work is under way, and lasts so long.
func struck(name, fault string, during activity, lasts time.Duration, by strike) row {
	var heal func()
	middle := activity{name: during.name, before: during.before, act: func(s *stage, lasts time.Duration) {
		writes := s.Proxy.Counts().Accepted
		during.act(s, 0)
		s.underWay(writes)
		heal = by(s)
		time.Sleep(lasts)
	}}
	return row{name: name, fault: fault, during: middle, lasts: lasts, begin: func(*stage) func() {
		return func() { heal() }
	}}
}

// underWay waits until the program has done a part of its work, or has none.
func (s *stage) underWay(before int) {
	some := min(30, len(s.Lab.Names)/4)
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if s.Proxy.Counts().Accepted-before >= some {
			return
		}
	}
}

// last is the program that was started last.
func (s *stage) last() *program.Program { return s.Programs[len(s.Programs)-1] }

// ready waits for a program.
func (s *stage) ready(p *program.Program) {
	s.t.Helper()
	s.await("the program is ready", p.Ready)
}
