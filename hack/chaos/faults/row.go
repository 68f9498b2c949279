package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/lab"
	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
)

// row is one line of the table.
type row struct {
	name   string // TestFaults/name runs it alone
	fault  string // in a few words
	during activity
	lasts  time.Duration
	// begin begins the fault, and returns what ends it.
	begin func(s *stage) (end func())
	// arrange, where there is one, changes the stage before anything runs.
	arrange func(s *stage)
	// stage, where there is one, makes another stage than the usual one, such as one with a control plane of its own.
	stage func(t *testing.T) *stage
}

// rows are all of them, in the order of the page. Each file of rows adds its own.
func rows() []row {
	return slices.Concat(apiRows, processRows, fullRows, replicaRows, clockRows, limitRows)
}

func names() (all []string) {
	for _, r := range rows() {
		all = append(all, r.name)
	}
	return all
}

// inject is the usual way to begin a fault: in the proxy. One of the faults has to meet something, or the row tells of none.
func inject(faults ...proxy.Fault) func(s *stage) (end func()) {
	return func(s *stage) func() {
		var ends []func()
		var counts []func() int
		for _, f := range faults {
			counted, met := proxy.Counted(f)
			ends, counts = append(ends, s.Proxy.Inject(counted)), append(counts, met)
		}
		return func() {
			all := 0
			for i, end := range ends {
				end()
				all += counts[i]()
			}
			if len(faults) > 0 && all == 0 {
				s.t.Error("the fault met no request and no event: nothing happened")
			}
			s.t.Logf("the fault met %d requests and events", all)
		}
	}
}

// othersPause is between two writes of somebody else.
const othersPause = 50 * time.Millisecond

// run plays a row. What must not happen is an error of the test; the rest is what it returns.
func (r row) run(s *stage) result {
	s.t.Helper()
	rest := s.Lab.OthersWork(othersPause)
	defer rest()
	r.during.before(s)

	s.Lab.Mark()
	said := newLog(s)
	counted := s.Proxy.Counts()
	began := time.Now()
	end := r.begin(s)
	r.during.act(s, r.lasts)
	end()
	if s.after != nil {
		s.must(s.after())
	}
	ended := time.Now()
	out := result{Name: r.name, Fault: r.fault, During: r.during.name, Namespaces: len(s.Lab.Names), Lasted: ended.Sub(began).Seconds()}
	if s.right() != nil {
		out.Right = s.await("it is right again", s.right).Sub(ended).Seconds()
	}
	out.Told = max(0, s.await("the status says so", s.told).Sub(ended).Seconds())
	out.Others = rest()
	s.quiet()

	c := s.Proxy.Counts().Sub(counted)
	for _, n := range c.Requests {
		out.Requests += n
	}
	out.Writes, out.Unchanged, out.Refused = c.Accepted, c.Unchanged, c.Refused
	s.must(s.Lab.CatchUp())
	out.States = s.Lab.States()
	said.count(&out)
	r.judge(s, &out)
	return out
}

// quiet waits until nothing is written any more and all is right: whoever goes on writing then is in a loop.
func (s *stage) quiet() {
	s.t.Helper()
	const window = 3 * time.Second
	deadline := time.Now().Add(lab.Patience)
	for {
		before := s.Proxy.Counts()
		time.Sleep(window)
		c := s.Proxy.Counts().Sub(before)
		wrong := s.Lab.RightByList()
		if c.Accepted+c.Refused == 0 && wrong == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("nothing is to be done, and %d writes are made in %s, or it is not right: %v", c.Accepted+c.Refused, window, wrong)
		}
	}
}

// judge holds what came of it against what must not be.
func (r row) judge(s *stage, out *result) {
	s.t.Helper()
	lost, err := s.Lab.Lost()
	s.must(err)
	twice := s.Lab.Twice()
	out.Lost, out.Twice = len(lost), len(twice)
	for what, all := range map[string][]string{"lost": lost, "made twice": twice} {
		if len(all) > 0 {
			s.t.Errorf("%d %s, such as %s", len(all), what, all[0])
		}
	}
	if most := mostRepeated(out.Lasted); out.Repeated > most {
		s.t.Errorf("the log says %d times, more than %d: %s", out.Repeated, most, out.Most)
	}
	if most := mostLines(out.Namespaces, out.Lasted); out.Lines > most {
		s.t.Errorf("the log has %d lines besides those of writes, more than %d", out.Lines, most)
	}
	s.t.Logf("%+v; of %d lists and secrets of others nobody knows", *out, s.Lab.Unsure())
}
