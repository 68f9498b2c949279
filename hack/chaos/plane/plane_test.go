package plane_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestProcessesComeBack kills each process once, and wants the data back; then stops one, and fills etcd.
func TestProcessesComeBack(t *testing.T) {
	p := plane.Up(t)
	ctx := context.Background()
	create := func(name string) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := p.Client.Resource(api.ConfigMaps).Namespace("default").Create(ctx, api.Object("v1", "ConfigMap", "default", name), metav1.CreateOptions{})
		return err
	}
	remove := func(name string) error {
		return p.Client.Resource(api.ConfigMaps).Namespace("default").Delete(ctx, name, metav1.DeleteOptions{})
	}
	harness.Must(t, create("first"))
	for _, name := range []string{plane.Etcd, plane.APIServer, plane.ControllerManager} {
		p.Process(name).Kill()
		if err := create("in-between-" + name); (err == nil) != (name == plane.ControllerManager) {
			t.Errorf("without %s, a write says: %v", name, err)
		}
		p.Process(name).Start()
		p.Ready()
		harness.Must(t, remove("first"))
		harness.Must(t, create("first"))
	}

	p.Process(plane.Etcd).Signal(syscall.SIGSTOP)
	if err := create("while-it-sleeps"); err == nil {
		t.Error("a write succeeded while etcd was stopped")
	}
	p.Process(plane.Etcd).Signal(syscall.SIGCONT)
	p.Ready()

	p.Fill()
	if err := create("no-room"); err == nil {
		t.Error("a write succeeded in a full etcd")
	} else {
		t.Log("a full etcd says: ", err)
	}
	harness.Must(t, remove("first"))
	p.Empty()
	harness.Must(t, create("first"))
}
