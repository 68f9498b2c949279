package soak

import (
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
)

// fault is something that goes wrong between the programs and the API server while the operations of a round are done.
type fault struct {
	name  string
	begin func(s *soak) (end func())
}

// between is a fault of the proxy that is met by some percent of the requests, and of the watches.
func between(name string, percent int, f proxy.Fault) fault {
	return fault{name, func(s *soak) func() { return s.proxy.Inject(proxy.On(proxy.Share(float64(percent)/100), f)) }}
}

var faults = []fault{
	between("each request takes 300 ms longer", 100, proxy.Delay(300*time.Millisecond)),
	between("a tenth of the requests takes 5 s longer", 10, proxy.Delay(5*time.Second)),
	between("a third of the answers is cut in the middle", 33, proxy.CutBody()),
	between("429 for half of the requests, to come back after a second", 50, proxy.Answer(429, time.Second)),
	between("429 for half of the requests", 50, proxy.Answer(429, 0)),
	between("500 for half of the requests", 50, proxy.Answer(500, 0)),
	between("503 for all requests", 100, proxy.Answer(503, 0)),
	between("504 for half of the requests", 50, proxy.Answer(504, 0)),
	between("504 for half of the requests, which are carried out", 50, proxy.Carried(proxy.Answer(504, 0))),
	between("401 for all requests", 100, proxy.Answer(401, 0)),
	between("the streams of a third of the requests are reset", 33, proxy.Reset()),
	between("the streams of a third of the requests are reset, which are carried out", 33, proxy.Carried(proxy.Reset())),
	between("no bookmark arrives", 100, proxy.LoseBookmarks()),
	{"events of secrets come 20 s later", func(s *soak) func() {
		return s.proxy.Inject(proxy.On(proxy.Resource("secrets"), proxy.DelayEvents(20*time.Second)))
	}},
	{"events of accounts come 20 s later", func(s *soak) func() {
		return s.proxy.Inject(proxy.On(proxy.Resource("serviceaccounts"), proxy.DelayEvents(20*time.Second)))
	}},
	between("events come 5 s later", 100, proxy.DelayEvents(5*time.Second)),
	between("a third of the watches is cut", 33, proxy.CutWatch()),
	between("lists and watches are told that their version is gone", 100, proxy.Gone()),
	{"connections are closed", func(s *soak) func() { s.proxy.CutConnections(); return func() {} }},
	{"lists are as they were when the round began, and the programs start again", func(s *soak) func() {
		end := s.proxy.Inject(proxy.StaleLists(s.world.start.version))
		for _, home := range homes {
			s.stop(home, true)
			s.run(home)
		}
		return end
	}},
	{"both programs stand still", func(s *soak) func() {
		for _, home := range homes {
			s.programs[home].Signal(syscall.SIGSTOP)
		}
		return func() {
			for _, home := range homes {
				s.programs[home].Signal(syscall.SIGCONT)
			}
		}
	}},
}

var none = fault{"none", func(*soak) func() { return func() {} }}

// chooseFault chooses the fault of a round; most have none.
func (s *soak) chooseFault(r *rand.Rand) fault {
	f := pick(r, faults)
	if chance(r, 60) {
		return none
	}
	return f
}
