package election

import (
	"context"
	"errors"
	"time"

	v1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// lease is client-go's lock on a Lease, strict where the elector is not:
//
//   - The elector counts from when it read the answer to a renewal, which can be long after it was given. Here the time
//     at which the request was sent counts.
//   - The elector goes on trying when another process has the Lease, and leads again, with what it knew before, if it
//     gets it back. Here a Lease that was lost once is lost.
//   - The elector that is told to end empties the Lease even if another process has it by now. Here it does not.
//
// Only the elector calls it, from one goroutine.
type lease struct {
	resourcelock.Interface
	e      *Election
	holder string // as it was seen last
}

var errNotHeld = errors.New("the Lease is somebody else's")

func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	l.report(ctx, err)
	if err != nil {
		return record, raw, err
	}
	l.holder = record.HolderIdentity
	if l.holder != l.Identity() {
		l.e.lose()
	}
	return record, raw, nil
}

func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if !l.mayTake() {
		return errNotHeld
	}
	return l.write(ctx, record, l.Interface.Create)
}

func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if giveBack := record.HolderIdentity == ""; giveBack && l.holder != l.Identity() || !giveBack && !l.mayTake() {
		return errNotHeld
	}
	return l.write(ctx, record, l.Interface.Update)
}

// mayTake reports whether the Lease may be taken or renewed, and takes note when it was not renewed in time.
func (l *lease) mayTake() bool {
	if l.e.Leads() && !l.e.Holds() {
		l.e.lose()
	}
	return l.e.state.Load() != leaseLost
}

func (l *lease) write(ctx context.Context, record resourcelock.LeaderElectionRecord, do func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	sent := time.Now()
	err := do(ctx, record)
	l.report(ctx, err)
	if err != nil {
		return err
	}
	l.holder = record.HolderIdentity
	if l.holder == l.Identity() {
		l.e.renewed.Store(&sent)
		l.e.win()
	}
	return nil
}

// report says what keeps the election from working; client-go itself is silenced. That another process was faster, or
// that there is no Lease yet, is part of the game.
func (l *lease) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && kube.Classify(err) != kube.Stale && !apierrors.IsNotFound(err) {
		l.e.failed(err)
	}
}

// leasesByName makes a Lease by updating one that does not exist. Only then is making it authorised with its name, and
// can a role be limited to that.
type leasesByName struct{ coordinationv1.LeasesGetter }

func (l leasesByName) Leases(namespace string) coordinationv1.LeaseInterface {
	return leaseByName{l.LeasesGetter.Leases(namespace)}
}

type leaseByName struct{ coordinationv1.LeaseInterface }

func (l leaseByName) Create(ctx context.Context, lease *v1.Lease, _ metav1.CreateOptions) (*v1.Lease, error) {
	made, err := l.Update(ctx, lease, metav1.UpdateOptions{})
	if apierrors.IsInvalid(err) { // somebody made it in between: an update needs a resourceVersion
		return nil, apierrors.NewAlreadyExists(v1.Resource("leases"), lease.Name)
	}
	return made, err
}
