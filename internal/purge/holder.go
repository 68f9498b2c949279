package purge

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

const (
	longestLook = time.Minute // at a Lease, whatever it says of how long it lasts
	lookEvery   = time.Second
)

// lease is what is of interest of one; zero where there is none.
type lease struct {
	holder  string
	lasts   time.Duration
	renewed string // RFC 3339, by the holder's clock
}

// fresh reports whether the Lease counts by this machine's clock.
func (l lease) fresh() bool {
	at, err := time.Parse(metav1.RFC3339Micro, l.renewed)
	return err == nil && time.Since(at).Abs() <= l.lasts
}

// holder returns who holds the Lease, if it did not expire. This machine's clock may be wrong, or the holder's: by which a
// Lease that is renewed looks like one that expired. So such a Lease is looked at for as long as it lasts.
func (p *Purge) holder(ctx context.Context) (string, error) {
	first, err := p.lease(ctx)
	switch {
	case err != nil || first.holder == "" || first.renewed == "":
		return "", err
	case first.fresh():
		return first.holder, nil
	}
	look := min(first.lasts, longestLook)
	p.log.Info().Str("holder", first.holder).Dur("for", look).Msg("a controller held the Lease, perhaps long ago; looking whether it renews it")
	for end := time.Now().Add(look); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(lookEvery):
		}
		now, err := p.lease(ctx)
		if err != nil {
			return "", err
		}
		if now != first {
			return now.holder, nil
		}
	}
	return "", nil
}

func (p *Purge) lease(ctx context.Context) (l lease, err error) {
	resource := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	u, err := p.requests.Get(ctx, resource, p.at.Namespace, cluster.FieldManager)
	if apierrors.IsNotFound(err) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read the lease: %w", err)
	}
	l.holder, _, _ = unstructured.NestedString(u.Object, "spec", "holderIdentity")
	l.renewed, _, _ = unstructured.NestedString(u.Object, "spec", "renewTime")
	seconds, _, _ := unstructured.NestedInt64(u.Object, "spec", "leaseDurationSeconds")
	l.lasts = time.Duration(seconds) * time.Second
	return l, nil
}
