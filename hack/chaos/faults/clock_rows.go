package faults

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// clockRows are a wall clock that is set by an hour, and stays so: of the program, or of one of two replicas.
var clockRows = []row{
	clockJumps("clock-forward-roll-out", rollOut, time.Hour),
	clockJumps("clock-forward-prune", prune, time.Hour),
	clockJumps("clock-forward-edit", edits, time.Hour),
	clockJumps("clock-back-rotation", rotation, -time.Hour),
	clockJumps("clock-back-prune", prune, -time.Hour),
	clockJumps("clock-back-edit", edits, -time.Hour),
	clockPassesExpiry("clock-expiry-idle"),
	leadersClock("leader-clock-forward-rotation", rotation, time.Hour),
	leadersClock("leader-clock-forward-prune", prune, time.Hour),
	leadersClock("leader-clock-back-rotation", rotation, -time.Hour),
	leadersClock("leader-clock-back-roll-out", rollOut, -time.Hour),
	followersClock("follower-clock-forward-rotation", rotation, time.Hour),
	followersClock("follower-clock-forward-idle", idle, time.Hour),
	followersClock("follower-clock-back-rotation", rotation, -time.Hour),
}

const aWhile = 20 * time.Second // longer than a Lease

func words(by time.Duration) string {
	if by > 0 {
		return "goes forward by an hour"
	}
	return "goes back by an hour"
}

// withClock gives the programs that are started from now on a clock of their own.
func (s *stage) withClock() *program.Clock {
	s.t.Helper()
	s.Options.Binary, s.Options.Clock = program.BuildWithClock(s.t), program.NewClock(s.t)
	return s.Options.Clock
}

func clockJumps(name string, during activity, by time.Duration) row {
	var clock *program.Clock
	r := struck(name, "the clock "+words(by), during, aWhile, func(s *stage) func() {
		clock.Jump(by)
		return func() {
			if !s.last().Running() {
				s.t.Error("the program ended")
			}
		}
	})
	r.arrange = func(s *stage) { clock = s.withClock() }
	return r
}

// leadersClock has the leader's clock set. Forward it cannot tell from having slept, so it ends, and the other one takes over;
// back it goes on.
func leadersClock(name string, during activity, by time.Duration) row {
	var clock *program.Clock
	r := twoReplicas(name, "of two replicas, the leader's clock "+words(by), during, aWhile, func(s *stage, two pair) func() {
		clock.Jump(by)
		return func() {
			if by > 0 {
				s.lost(two.leader)
				s.await("the other one leads", func() error { return leads(two.follower, true) })
				s.start()
				return
			}
			s.unmoved(two)
		}
	})
	return withClocks(r, func(leaders, _ *program.Clock) { clock = leaders })
}

// followersClock has the clock of the one set that stands by. It may not take over.
func followersClock(name string, during activity, by time.Duration) row {
	var clock *program.Clock
	r := twoReplicas(name, "of two replicas, the follower's clock "+words(by), during, aWhile, func(s *stage, two pair) func() {
		clock.Jump(by)
		return func() { s.unmoved(two) }
	})
	return withClocks(r, func(_, followers *program.Clock) { clock = followers })
}

func (s *stage) unmoved(two pair) {
	s.t.Helper()
	if !two.leader.Leads() || two.follower.Leads() {
		s.t.Errorf("the leader leads: %t, the other one: %t", two.leader.Leads(), two.follower.Leads())
	}
}

// withClocks gives both replicas of a row a clock each: the second is there when the first was started.
func withClocks(r row, take func(leaders, followers *program.Clock)) row {
	arrange := r.arrange
	r.arrange = func(s *stage) {
		arrange(s)
		leaders := s.withClock()
		s.clocks = func() { take(leaders, s.withClock()) }
	}
	return r
}

// clockPassesExpiry has the clock go past the end of a source's credential, and back. What is said of it follows within
// minutes, both times: the row waits for the second as for every end of a fault.
func clockPassesExpiry(name string) row {
	var clock *program.Clock
	during := idle
	during.before = func(s *stage) {
		idle.before(s)
		s.expires("hub", time.Now().Add(30*time.Minute).UTC().Format(time.RFC3339))
		s.t.Cleanup(func() { s.expires("hub", "") })
	}
	r := struck(name, "the clock passes the end of a credential, and goes back", during, 0, func(s *stage) func() {
		clock.Jump(time.Hour)
		s.await("it says that it ended", func() error {
			if len(s.last().Log.Lines("SourceExpired")) == 0 {
				return errorText("no line says so")
			}
			return nil
		})
		s.await("the status says so", func() error {
			if s.told() == nil {
				return errorText("it is Ready")
			}
			return nil
		})
		return func() { clock.Jump(-time.Hour) }
	})
	r.arrange = func(s *stage) { clock = s.withClock() }
	return r
}

// expires has somebody say on a source when its credential ends; empty: no more.
func (s *stage) expires(source, at string) {
	s.t.Helper()
	value := "null"
	if at != "" {
		value = fmt.Sprintf("%q", at)
	}
	_, err := s.Lab.Client.Resource(api.Secrets).Namespace(api.Home).Patch(context.Background(), source, types.MergePatchType,
		fmt.Appendf(nil, `{"metadata":{"annotations":{"pullsecrets/expires":%s}}}`, value), metav1.PatchOptions{})
	s.must(err)
}
