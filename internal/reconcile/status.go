package reconcile

import (
	"bytes"
	"context"
	"encoding/base64"
	"maps"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// statusInterval is how often the status ConfigMap is written at most, but for names and policy, which are saved
// before they are acted on.
const statusInterval = 5 * time.Second

// statusPatience is how long a status waits that there is no place for, where nothing depends on it.
const statusPatience = time.Minute

// save writes names and policy before the first copy of a new name is made, so that a restart can prune what was
// written before it.
func (j *judge) save(ctx context.Context, names []string) error {
	if j.fixed() {
		j.inUse = names
		return nil // nothing is pruned, so nothing is lost if they are written only with the status, or never
	}
	text := ""
	if saved := j.statusMap(); saved != nil {
		text = saved.Data[status.KeyRecord]
	}
	if err := j.writeStatus(ctx, names, text); err != nil {
		return err
	}
	j.inUse = names
	return nil
}

// tellStatus writes the whole status, when it changed and the last time is long enough ago.
func (j *judge) tellStatus(ctx context.Context) time.Duration {
	if j.fixed() && j.c.watches.status.forbidden() {
		return 0
	}
	text, err := status.Record{
		Status: j.state(), Observed: j.verdict.hash, Revision: j.verdict.revision, Confirmed: j.spent, Totals: j.c.report.totals(),
	}.Encode()
	if err == nil {
		if saved := j.statusMap(); saved != nil && saved.Data[status.KeyRecord] != text {
			if wait := statusInterval - time.Since(j.statusWritten); wait > 0 && !j.c.once {
				return wait
			}
		}
		err = j.writeStatus(ctx, j.inUse, text)
	}
	if kube.Classify(err) == kube.Stale {
		return judgeRetry
	}
	if err != nil {
		j.c.troubles.write("the status ConfigMap", err)
		if j.fixed() && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err)) {
			return statusPatience
		}
		return judgeRetry
	}
	return 0
}

// writeStatus applies the status ConfigMap, if that changes it.
func (j *judge) writeStatus(ctx context.Context, names []string, text string) error {
	data := map[string]string{status.KeyNames: strings.Join(names, "\n"), status.KeyRecord: text}
	packed, err := status.PackPolicy(j.accepted.documents)
	if err != nil {
		return err
	}
	saved := j.statusMap()
	if saved != nil && maps.Equal(saved.Data, data) && bytes.Equal(saved.BinaryData[status.KeyPolicy], packed) {
		return nil
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": j.c.StatusName, "namespace": j.c.Namespace,
			"labels": map[string]any{cluster.LabelManagedBy: cluster.FieldManager},
		},
		"data": map[string]any{status.KeyNames: data[status.KeyNames], status.KeyRecord: text},
	}}
	j.pin(obj, saved)
	if packed != nil {
		obj.Object["binaryData"] = map[string]any{status.KeyPolicy: base64.StdEncoding.EncodeToString(packed)}
	}
	if err := j.apply(ctx, obj); err != nil {
		return err
	}
	j.statusWritten = time.Now()
	return nil
}

// pin has the status written only over the version that was looked at, or where there was none: another controller's
// names in use must not be lost. What may not be looked at is written as it is.
func (j *judge) pin(obj *unstructured.Unstructured, saved *cluster.ConfigMap) {
	switch {
	case saved != nil:
		obj.SetUID(saved.UID)
		obj.SetResourceVersion(saved.ResourceVersion)
	case !j.c.watches.status.forbidden():
		obj.SetResourceVersion(kube.MustNotExist)
	}
}

// apply writes one of our two ConfigMaps.
func (j *judge) apply(ctx context.Context, obj *unstructured.Unstructured) error {
	return j.c.written.request(kube.KindConfigMap, kube.NameOf(obj), func() (cluster.Object, error) {
		applied, err := j.c.api.Apply(ctx, kube.ConfigMaps, obj, true)
		if err != nil {
			j.c.metrics.writeFailed(kube.KindConfigMap, err)
			return nil, err
		}
		return cluster.NewConfigMap(applied), nil
	})
}
