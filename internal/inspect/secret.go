package inspect

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// ReadSecret reads a single secret with the bytes of its credential; nil if it does not exist.
func ReadSecret(ctx context.Context, client dynamic.Interface, key types.NamespacedName) (*cluster.Source, error) {
	return secretOf(liveLookup{ctx, client}, key)
}

// Secret is ReadSecret for a dump.
func (d *Dump) Secret(key types.NamespacedName) (*cluster.Source, error) {
	return secretOf(dumpLookup(d.all), key)
}

func secretOf(from lookup, key types.NamespacedName) (*cluster.Source, error) {
	u, err := from.get(kube.Secrets, key)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret %s: %w", key, err)
	}
	return state.NewProjector().Source(u), nil
}
