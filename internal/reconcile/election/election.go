// Package election lets one of several processes write, by a Lease.
package election

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// leaseTime is how long a leader that is not heard of keeps the Lease. After a kill the others wait that long, and
	// a new namespace waits with them; but an API server that hesitates for less changes no leader.
	leaseTime = 10 * time.Second
	// renewDeadline is how long a leader writes without having renewed the Lease. The three seconds between it and
	// leaseTime are for requests that are under way when it stops.
	renewDeadline = 7 * time.Second
	// electionRetry is how often the leader renews. The others ask at random after one to 2.2 times that long, so that
	// a leader that gives the Lease back is followed within 1.4 seconds.
	electionRetry = 600 * time.Millisecond
)

// ErrLost ends a process that lost the Lease.
var ErrLost = errors.New("the Lease was lost: another process may be the leader by now, so this one ended at once; started again, it stands by")

const errNotLeader = kube.Plain("this process does not hold the Lease")

// Election lets one of several processes work while the others stand by. It is client-go's leader election on a Lease.
//
// The operating system may stop a process that holds the Lease at any point. When the process continues, minutes later, it
// still believes that it leads. So Guard checks before each write, as the last thing before it is sent, whether the Lease can
// have been taken by another process meanwhile. A write that was already on its way names the version of the object that it
// was decided on, so the API server refuses it if another leader wrote that object.
type Election struct {
	elector *leaderelection.LeaderElector
	lock    *lease
	log     zerolog.Logger

	state   atomic.Int32 // standingBy, then leading, then leaseLost
	renewed atomic.Pointer[time.Time]
	lost    chan struct{}
	lead    func()
	failed  func(error)
}

const (
	standingBy int32 = iota
	leading
	leaseLost
)

// New returns an election on the Lease of our name in a namespace. It does not begin yet.
func New(config *rest.Config, namespace string, log zerolog.Logger) (*Election, error) {
	host, err := os.Hostname() // the pod's name
	if err != nil {
		return nil, fmt.Errorf("find an identity for the leader election: %w", err)
	}
	config = rest.CopyConfig(config)
	config.Timeout = renewDeadline / 2 // so that a request that hangs leaves time for another
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the leader election: %w", err)
	}
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails: crypto/rand ends the program instead
	e := &Election{log: log, lost: make(chan struct{})}
	e.lock = &lease{e: e, Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: cluster.FieldManager},
		Client:     leasesByName{client},
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + hex.EncodeToString(suffix)},
	}}
	e.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: e.lock, Name: cluster.FieldManager,
		LeaseDuration: leaseTime, RenewDeadline: renewDeadline, RetryPeriod: electionRetry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {}, // the lease itself tells, in order
			OnStoppedLeading: func() {},
			OnNewLeader:      func(leader string) { log.Info().Str("leader", bound.Text(leader)).Msg("there is a new leader") },
		},
	})
	return e, err
}

// Guard refuses every write while the Lease is not sure to be ours.
func (e *Election) Guard(next http.RoundTripper) http.RoundTripper { return &guard{e, next} }

// Start competes for the Lease until resign is called, which gives it back. No election leads at once.
func (e *Election) Start(lead func(), failed func(error)) (resign func()) {
	if e == nil {
		lead()
		return func() {}
	}
	e.lead, e.failed = lead, failed
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.elector.Run(ctx)
		e.lose()
	}()
	return func() {
		cancel()
		<-ended
	}
}

// Leads reports whether this process is the one that works.
func (e *Election) Leads() bool { return e == nil || e.state.Load() == leading }

// Holds reports whether the Lease is sure to be ours: nobody else takes it before leaseTime has passed since the last
// renewal.
func (e *Election) Holds() bool {
	if e == nil {
		return true
	}
	sent := e.renewed.Load()
	return e.Leads() && sent != nil && elapsed(*sent) < renewDeadline
}

// Lost is closed when the Lease is lost.
func (e *Election) Lost() <-chan struct{} {
	if e == nil {
		return nil
	}
	return e.lost
}

func (e *Election) win() {
	if e.state.CompareAndSwap(standingBy, leading) {
		e.log.Info().Str("lease", e.lock.Describe()).Str("identity", e.lock.Identity()).Msg("leading")
		e.lead()
	}
}

func (e *Election) lose() {
	if e.state.CompareAndSwap(leading, leaseLost) {
		close(e.lost)
	}
}

// elapsed is how long ago something was by the clock that runs on while the process is stopped, or by the one that
// runs on while the machine is; whatever is longer.
func elapsed(since time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// guard is the http.RoundTripper of Election.Guard.
type guard struct {
	e    *Election
	next http.RoundTripper
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !g.e.Holds() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errNotLeader
	}
	return g.next.RoundTrip(r)
}
