package reconcile

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// The keys of the status ConfigMap.
const (
	statusPolicy = "policy"      // the last good text: its documents as JSON, gzipped
	statusNames  = "names"       // the copy names in use, a line each
	statusJSON   = "status.json" // for people and scripts
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
	if status := j.statusMap(); status != nil {
		text = status.Data[statusJSON]
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
	text, err := j.c.report.totals().json(j.verdict, j.state(), j.spent)
	if err == nil {
		if status := j.statusMap(); status != nil && status.Data[statusJSON] != text {
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
	data := map[string]string{statusNames: strings.Join(names, "\n"), statusJSON: text}
	packed, err := packPolicy(j.accepted.documents)
	if err != nil {
		return err
	}
	status := j.statusMap()
	if status != nil && maps.Equal(status.Data, data) && bytes.Equal(status.BinaryData[statusPolicy], packed) {
		return nil
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": j.c.StatusName, "namespace": j.c.Namespace,
			"labels": map[string]any{cluster.LabelManagedBy: cluster.FieldManager},
		},
		"data": map[string]any{statusNames: data[statusNames], statusJSON: text},
	}}
	j.pin(obj, status)
	if packed != nil {
		obj.Object["binaryData"] = map[string]any{statusPolicy: base64.StdEncoding.EncodeToString(packed)}
	}
	if err := j.apply(ctx, obj); err != nil {
		return err
	}
	j.statusWritten = time.Now()
	return nil
}

// pin has the status written only over the version that was looked at, or where there was none: another controller's
// names in use must not be lost. What may not be looked at is written as it is.
func (j *judge) pin(obj *unstructured.Unstructured, status *cluster.ConfigMap) {
	switch {
	case status != nil:
		obj.SetUID(status.UID)
		obj.SetResourceVersion(status.ResourceVersion)
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

// parseSpent reads from the status which confirmation was used up.
func parseSpent(text string) string {
	var status struct {
		Confirmed string `json:"confirmed"`
	}
	_ = json.Unmarshal([]byte(text), &status) // somebody may have edited it; then nothing was used up
	return status.Confirmed
}

// parseState reads from the status what it said last of the policy.
func parseState(text string) string {
	var status struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal([]byte(text), &status) // somebody may have edited it; then it is said again
	return status.Status
}

// packPolicy encodes documents; the same documents always give the same bytes.
func packPolicy(documents map[string]string) ([]byte, error) {
	if documents == nil {
		return nil, nil
	}
	kept := map[string]string{}
	for name, text := range documents {
		if policy.IsDocument(name) {
			kept[name] = text
		}
	}
	text, err := json.Marshal(kept) // writes keys in order
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b) // writes no time
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpackPolicy decodes what packPolicy made. No bytes are no documents.
func unpackPolicy(packed []byte) (map[string]string, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", statusPolicy, err)
	}
	// Somebody may have edited it: whatever it unpacks to, no more than a policy can be is read.
	text, err := io.ReadAll(io.LimitReader(z, 4*policy.MaxSize))
	if err != nil {
		return nil, fmt.Errorf("key %s is no gzip: %w", statusPolicy, err)
	}
	var documents map[string]string
	if err := json.Unmarshal(text, &documents); err != nil {
		return nil, fmt.Errorf("key %s holds no documents: %w", statusPolicy, err)
	}
	return documents, nil
}
