package state

import (
	"bytes"
	"context"
	"encoding/base64"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
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

// credentialFile follows a Credential.
type credentialFile struct {
	Credential
	projector *cluster.Projector

	mu    sync.Mutex
	value []byte // as it was read last; nil when it could not be
	state policy.SourceState
}

func newCredentialFile(credential Credential, projector *cluster.Projector) *credentialFile {
	f := &credentialFile{Credential: credential, projector: projector, state: policy.NewSourceState(nil, cluster.Installation{})}
	f.look()
	return f
}

// look reads the credential, and reports whether it is another one than before. One that cannot be read is a source
// that is missing, and one that is broken a source that is broken: both keep what there is.
func (f *credentialFile) look() (changed bool) {
	value, err := f.Read()
	if err != nil {
		value = nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if (value == nil) == (f.value == nil) && bytes.Equal(value, f.value) {
		return false
	}
	f.value = value
	if value == nil {
		f.state = policy.NewSourceState(nil, cluster.Installation{})
		return true
	}
	f.state = policy.NewSourceState(f.projector.Source(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": cluster.TypeDockerConfigJSON,
		"metadata": map[string]any{"namespace": f.Source.Namespace, "name": f.Source.Name},
		"data":     map[string]any{cluster.KeyDockerConfigJSON: base64.StdEncoding.EncodeToString(value)},
	}}), cluster.Installation{})
	return true
}

func (f *credentialFile) current() policy.SourceState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// follow looks again and again until ctx ends.
func (f *credentialFile) follow(ctx context.Context, changed func()) {
	tick := time.NewTicker(credentialInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.look() {
			changed()
		}
	}
}
