package activation

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

// statusPatience is how long to wait before the status ConfigMap is tried again where it may not be written or has no
// namespace, and the policy was given with flags: nothing depends on it then.
const statusPatience = time.Minute

// save writes names and policy before the first copy of a new name is made, so that a restart can prune what was
// written before it.
func (a *Activator) save(ctx context.Context, names []string) error {
	if a.fixed() {
		a.names.inUse = names
		return nil // nothing is pruned, so nothing is lost if they are written only with the status, or never
	}
	packed, err := status.PackPolicy(a.evaluator.lastGood.documents)
	if err != nil {
		return err
	}
	text, problems := "", []byte(nil)
	if saved := a.Cluster.StatusMap(); saved != nil {
		text, problems = saved.Data[status.KeyRecord], saved.BinaryData[status.KeyProblems]
		if !bytes.Equal(packed, saved.BinaryData[status.KeyPolicy]) {
			text = status.NotRolledOut(text)
		}
	}
	if len(problems) > status.RoomForProblems(len(strings.Join(names, "\n"))+len(text)+len(packed)) {
		problems = nil // there is no room for them beside this text; the next write of the whole status has the first
	}
	if err := a.writeStatus(ctx, names, text, packed, problems); err != nil {
		return err
	}
	a.names.inUse = names
	return nil
}

// saveStatus writes the whole status, when it changed and the last time is long enough ago.
func (a *Activator) saveStatus(ctx context.Context) time.Duration {
	if a.fixed() && a.Cluster.StatusForbidden() {
		return 0
	}
	text, err := status.Record{
		Status: a.state(), Observed: a.evaluator.evaluation.hash, Revision: a.evaluator.evaluation.revision,
		RolledOut: a.rolledOut(), Confirmed: a.spentConfirmation(), Attached: a.attached(), SourceHosts: a.sourceHosts(), Verified: a.Verifier.Known(), Totals: a.Reporter.Totals(),
		Rules: a.rules(), Summaries: a.sourceSummaries(),
	}.Encode()
	if err == nil {
		if saved := a.Cluster.StatusMap(); saved != nil && (saved.Data[status.KeyRecord] != text || a.full.behind(a.Reporter, saved)) {
			if wait := a.StatusInterval - time.Since(a.statusWritten); wait > 0 {
				return wait
			}
		}
		err = a.writeAll(ctx, text)
	}
	if kube.Classify(err) == kube.Stale {
		return writeAgain
	}
	if err != nil {
		a.Throttled.WriteFailed("the status ConfigMap", err)
		if a.fixed() && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err)) {
			return statusPatience
		}
		return writeAgain
	}
	return 0
}

// writeAll applies the status ConfigMap with all problems, as far as there is room for them beside the rest.
func (a *Activator) writeAll(ctx context.Context, text string) error {
	packed, err := status.PackPolicy(a.evaluator.lastGood.documents)
	if err != nil {
		return err
	}
	names := a.names.inUse
	room := status.RoomForProblems(len(strings.Join(names, "\n")) + len(text) + len(packed))
	problems, err := a.full.pack(a.Reporter, room)
	if err != nil {
		return err
	}
	return a.writeStatus(ctx, names, text, packed, problems)
}

// sourceHosts are the registries that the sources of the policy in force are for.
func (a *Activator) sourceHosts() []status.SourceHosts {
	p := a.Active()
	if p == nil {
		return nil
	}
	return status.HostsOf(a.Cluster.Sources(p))
}

// rolledOut is the hash of the text in force, once every namespace was tried under it.
func (a *Activator) rolledOut() string {
	if !a.tried() {
		return ""
	}
	return a.evaluator.inForce()
}

// writeStatus applies the status ConfigMap, if that changes it. packed is the policy.
func (a *Activator) writeStatus(ctx context.Context, names []string, text string, packed, problems []byte) error {
	data := map[string]string{status.KeyNames: strings.Join(names, "\n"), status.KeyRecord: text}
	saved := a.Cluster.StatusMap()
	if saved != nil && maps.Equal(saved.Data, data) && bytes.Equal(saved.BinaryData[status.KeyPolicy], packed) &&
		bytes.Equal(saved.BinaryData[status.KeyProblems], problems) {
		return nil
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": a.StatusName, "namespace": a.Namespace,
			"labels": map[string]any{cluster.LabelManagedBy: cluster.FieldManager},
		},
		"data": map[string]any{status.KeyNames: data[status.KeyNames], status.KeyRecord: text},
	}}
	a.pin(obj, saved)
	binary := map[string]any{}
	for key, value := range map[string][]byte{status.KeyPolicy: packed, status.KeyProblems: problems} {
		if value != nil {
			binary[key] = base64.StdEncoding.EncodeToString(value)
		}
	}
	if len(binary) > 0 {
		obj.Object["binaryData"] = binary
	}
	if err := a.apply(ctx, obj); err != nil {
		return err
	}
	a.statusWritten = time.Now()
	return nil
}

// pin has the status written only over the version that was looked at, or where there was none: another controller's
// names in use must not be lost. What may not be looked at is written as it is.
func (a *Activator) pin(obj *unstructured.Unstructured, saved *cluster.ConfigMap) {
	switch {
	case saved != nil:
		obj.SetUID(saved.UID)
		obj.SetResourceVersion(saved.ResourceVersion)
	case !a.Cluster.StatusForbidden():
		obj.SetResourceVersion(kube.MustNotExist)
	}
}

// apply writes one of our two ConfigMaps.
func (a *Activator) apply(ctx context.Context, obj *unstructured.Unstructured) error {
	return a.Cluster.Writes.Do(kube.KindConfigMap, kube.NameOf(obj), func() (cluster.Object, error) {
		applied, err := a.Client.Apply(ctx, kube.ConfigMaps, obj, true)
		if err != nil {
			a.Metrics.WriteFailed(kube.KindConfigMap, err)
			return nil, err
		}
		return cluster.NewConfigMap(applied), nil
	})
}
