package faults

import (
	"net/http"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// replicaRows are two replicas with -leader-elect, of which something happens to one.
var replicaRows = []row{
	leaderKilled("leader-kill-roll-out", rollOut),
	leaderKilled("leader-kill-rotation", rotation),
	leaderKilled("leader-kill-prune", prune),
	leaderKilled("leader-kill-edit", edits),
	leaderSlept("leader-stop-40s-roll-out", rollOut),
	leaderSlept("leader-stop-40s-rotation", rotation),
	leaderSlept("leader-stop-40s-prune", prune),
	leaderSlept("leader-stop-40s-edit", edits),
	leaderSlept("leader-stop-40s-idle", idle),
	lateWrites("leader-stop-40s-late-roll-out", rollOut),
	lateWrites("leader-stop-40s-late-rotation", rotation),
	lateWrites("leader-stop-40s-late-edit", edits),
}

// pair are two replicas.
type pair struct{ leader, follower *program.Program }

// twoReplicas is a row with two replicas, and something that happens in the middle.
func twoReplicas(name, fault string, during activity, lasts time.Duration, by func(s *stage, two pair) (heal func())) row {
	var two pair
	first := during.before
	during.before = func(s *stage) {
		first(s)
		two.leader = s.last()
		s.await("it leads", func() error { return leads(two.leader, true) })
		if s.clocks != nil {
			s.clocks()
		}
		s.start()
		two.follower = s.last()
		s.ready(two.follower)
	}
	r := struck(name, fault, during, lasts, func(s *stage) func() { return by(s, two) })
	r.arrange = func(s *stage) {
		s.Options.Args = append(s.Options.Args, "-leader-elect")
		// The row before left its Lease, and its holder was killed.
		err := s.Lab.Client.Resource(api.Leases).Namespace(api.Home).Delete(s.t.Context(), "pullsecrets", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			s.t.Fatal(err)
		}
	}
	return r
}

// leads returns nil if a replica leads or does not, as is wanted.
func leads(p *program.Program, want bool) error {
	if p.Leads() != want {
		return errLeads[want]
	}
	return nil
}

var errLeads = map[bool]error{true: errorText("it does not lead"), false: errorText("it leads")}

type errorText string

func (e errorText) Error() string { return string(e) }

// leaderKilled has the leader killed, and started again, as the follower of the other one.
func leaderKilled(name string, during activity) row {
	return twoReplicas(name, "of two replicas, the leader is killed, and started again", during, time.Second, func(s *stage, two pair) func() {
		two.leader.Signal(syscall.SIGKILL)
		two.leader.Exits()
		return s.start
	})
}

// leaderSlept has the leader stopped for longer than its Lease lasts. When it wakes it has to end, and not to write.
func leaderSlept(name string, during activity) row {
	return twoReplicas(name, "of two replicas, the leader hangs for longer than its Lease", during, hanging, func(s *stage, two pair) func() {
		two.leader.Signal(syscall.SIGSTOP)
		return func() { s.wakes(two) }
	})
}

// wakes lets the leader that slept go on, and wants it to end with a reason.
func (s *stage) wakes(two pair) {
	s.t.Helper()
	if err := leads(two.follower, true); err != nil {
		s.t.Error("the other replica did not take over: ", err)
	}
	two.leader.Signal(syscall.SIGCONT)
	s.lost(two.leader)
	s.start() // as the kubelet does
}

// lost wants that a leader ended because it has the Lease no more.
func (s *stage) lost(leader *program.Program) {
	s.t.Helper()
	if status := leader.Exits(); status != 1 {
		s.t.Errorf("the leader that lost its Lease ended with status %d", status)
	}
	if len(leader.Log.Lines("the Lease was lost")) == 0 {
		s.t.Error("it does not say that it lost its Lease")
	}
}

// lateWrites has writes of the leader that slept arrive after the other one took over and did something newer.
func lateWrites(name string, during activity) row {
	return twoReplicas(name, "of two replicas, the leader hangs for longer than its Lease, and its writes arrive after newer ones of the other", during, hanging, func(s *stage, two pair) func() {
		late := newHeldUp()
		s.t.Cleanup(late.letGo) // also where the row fails before: the proxy waits for them when it is closed
		remove := s.Proxy.Inject(late.fault())
		s.await("writes are on their way", late.some)
		two.leader.Signal(syscall.SIGSTOP)
		late.noMore()
		remove()
		return func() {
			s.must(s.Lab.RotateAll(s.password()))
			s.await("the other one did newer ones", s.right)
			late.arrive()
			s.wakes(two)
		}
	})
}

// heldUp are writes that wait on their way, and arrive when they are let.
type heldUp struct {
	mu      sync.Mutex
	holding bool
	held    int
	arrived chan struct{}
	letGo   func() // closes arrived
	through sync.WaitGroup
}

func newHeldUp() *heldUp {
	arrived := make(chan struct{})
	return &heldUp{holding: true, arrived: arrived, letGo: sync.OnceFunc(func() { close(arrived) })}
}

func (h *heldUp) fault() proxy.Fault {
	return proxy.Fault{Request: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		lease := proxy.Ask(r).Resource == "leases"
		h.mu.Lock()
		hold := h.holding && proxy.Writes(r) && !lease
		if hold {
			h.held++
			h.through.Add(1)
		}
		h.mu.Unlock()
		if hold {
			defer h.through.Done()
			<-h.arrived
		}
		next.ServeHTTP(w, r)
	}}
}

// some returns nil if one waits.
func (h *heldUp) some() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == 0 {
		return errorText("none is")
	}
	return nil
}

// noMore lets those pass that come from now on.
func (h *heldUp) noMore() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holding = false
}

// arrive lets those go on that wait, and returns when the API server has answered them.
func (h *heldUp) arrive() {
	h.letGo()
	h.through.Wait()
}
