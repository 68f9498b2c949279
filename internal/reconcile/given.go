package reconcile

import (
	"bytes"
	"context"
	"encoding/base64"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// credentialInterval is how often a given credential is read again. The kubelet changes a mounted file by swapping a
// symlink some directories above it; reading it is simpler than following that, and costs nothing.
const credentialInterval = time.Second

// Credential is a registry credential from outside the cluster, a file or a flag's value. It stands in for the Secret
// of the name that it has as a source.
type Credential struct {
	Source types.NamespacedName
	Read   func() ([]byte, error) // the bytes of a .dockerconfigjson
}

// givenSource follows a Credential.
type givenSource struct {
	Credential
	projector *cluster.Projector

	mu    sync.Mutex
	value []byte // as it was read last; nil when it could not be
	state policy.SourceState
}

func newGivenSource(credential Credential, projector *cluster.Projector) *givenSource {
	g := &givenSource{Credential: credential, projector: projector, state: policy.NewSourceState(nil, cluster.Installation{})}
	g.look()
	return g
}

// look reads the credential, and reports whether it is another one than before. One that cannot be read is a source
// that is missing, and one that is broken a source that is broken: both keep what there is.
func (g *givenSource) look() (changed bool) {
	value, err := g.Read()
	if err != nil {
		value = nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if (value == nil) == (g.value == nil) && bytes.Equal(value, g.value) {
		return false
	}
	g.value = value
	if value == nil {
		g.state = policy.NewSourceState(nil, cluster.Installation{})
		return true
	}
	g.state = policy.NewSourceState(g.projector.Source(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": cluster.TypeDockerConfigJSON,
		"metadata": map[string]any{"namespace": g.Source.Namespace, "name": g.Source.Name},
		"data":     map[string]any{cluster.KeyDockerConfigJSON: base64.StdEncoding.EncodeToString(value)},
	}}), cluster.Installation{})
	return true
}

func (g *givenSource) current() policy.SourceState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// follow looks again and again until ctx ends.
func (g *givenSource) follow(ctx context.Context, changed func()) {
	tick := time.NewTicker(credentialInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if g.look() {
			changed()
		}
	}
}

// watchedSources are the sources of a policy that are in the cluster.
func (c *Controller) watchedSources(p *policy.Policy) (out []types.NamespacedName) {
	for _, key := range p.Sources() {
		if c.given == nil || c.given.Source != key {
			out = append(out, key)
		}
	}
	return out
}

// fixed reports whether the policy was given with flags. Then there is no policy ConfigMap, and so nobody could confirm
// a removal or read an annotation: nothing is removed, and what is to be said is said in the log and, where they are
// permitted, in the status ConfigMap and its Events.
func (j *judge) fixed() bool { return j.c.Documents != nil }

// explain words a reason. There is nothing to annotate where the policy was given with flags.
func (c *Controller) explain(r plan.Reason) string {
	if r == plan.PruneHeld && c.Documents != nil {
		return "something of an earlier policy is left that the flags do not ask for; it is kept"
	}
	return r.Explain()
}

// say logs a state that is new, and writes an Event about it if there is a status ConfigMap.
func (j *judge) say() {
	state, message := j.state(), j.message()
	if said := (said{state, message}); said == j.said {
		return
	} else {
		j.said = said
	}
	level, eventType := levelInfo, corev1.EventTypeNormal
	if state != status.Ready {
		level, eventType = levelWarn, corev1.EventTypeWarning
	}
	j.c.Log.WithLevel(level).Str("status", state).Msg(message)
	if saved := j.statusMap(); saved != nil && state != j.restoredState {
		j.c.events.emit(saved, eventType, state, message)
	}
	j.restoredState = ""
}

// said is what was said of the state.
type said struct{ state, message string }
