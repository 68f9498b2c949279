package faults

import (
	"fmt"
	"time"
)

// activity is what is going on while a fault lasts.
type activity struct {
	name string
	// before brings about what it begins with. The program runs afterwards, but before a start.
	before func(s *stage)
	// act does it, with the fault, and returns after so long.
	act func(s *stage, lasts time.Duration)
}

var (
	// rollOut is three rules that come into 300 namespaces which have nothing.
	rollOut = activity{"roll-out", func(s *stage) {
		s.empty()
		s.start()
	}, then(func(s *stage) error { return s.Lab.Apply(base) })}
	// rotation is another password in all sources.
	rotation = activity{"rotation", func(s *stage) {
		s.converge()
	}, then(func(s *stage) error { return s.Lab.RotateAll(s.password()) })}
	// prune is that two rules of three are gone, and their removal is confirmed.
	prune = activity{"prune", func(s *stage) {
		s.converge()
		s.must(s.Lab.Apply(pruned))
		confirm, err := s.Lab.Confirm()
		s.must(err)
		s.confirm = confirm
	}, then(func(s *stage) error { return s.confirm() })}
	// edits are policies that change accounts and namespaces, back and forth, four times.
	edits = activity{"policy edit", func(s *stage) {
		s.converge()
	}, func(s *stage, lasts time.Duration) {
		for i := range 4 {
			s.must(s.Lab.Apply([]policy{edited, base}[i%2]))
			time.Sleep(lasts / 4)
		}
		s.must(s.Lab.Apply(edited))
	}}
	// idle is that nothing is to be done; when the fault is over a source is rotated, to see that the program is awake.
	idle = activity{"idle", func(s *stage) {
		s.converge()
	}, func(s *stage, lasts time.Duration) {
		time.Sleep(lasts)
		s.after = func() error { return s.Lab.Rotate("hub", s.password()) }
	}}
	// start is that the program starts, and finds a rotated source.
	start = activity{"start", func(s *stage) {
		s.converge()
		s.stop()
		version, err := s.Lab.Version()
		s.must(err)
		s.version = version
		s.must(s.Lab.Rotate("team", s.password()))
	}, then(func(s *stage) error { s.start(); return nil })}
)

var activities = []activity{rollOut, rotation, prune, edits, idle, start}

func then(do func(s *stage) error) func(s *stage, lasts time.Duration) {
	return func(s *stage, lasts time.Duration) {
		s.must(do(s))
		time.Sleep(lasts)
	}
}

// password is one that was not used before.
func (s *stage) password() string {
	s.passwords++
	return fmt.Sprintf("%d-%d", time.Now().UnixNano(), s.passwords)
}
