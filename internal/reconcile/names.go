package reconcile

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// NamesInUse reads from the status ConfigMap which names may have copies, sorted; none where there is no status.
func NamesInUse(ctx context.Context, client dynamic.Interface, namespace, statusName string) ([]string, error) {
	status, err := dynamicApplier{client}.Get(ctx, configMapResource, namespace, statusName)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return parseNames(cluster.NewConfigMap(status).Data[statusNames]), nil
}
