package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestAFightSlowsDownAloneAndNamesTheOther has a GitOps tool that insists on its own list.
func TestAFightSlowsDownAloneAndNamesTheOther(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	var ours atomic.Int32
	r := s.start(before(func(r *http.Request) {
		if isWrite(r, ns, "serviceaccounts", "default") {
			ours.Add(1)
		}
	}))
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	insist := func() {
		_, err := s.client.Resource(accounts).Namespace(ns).Patch(s.ctx, "default", types.ApplyPatchType,
			[]byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"},"imagePullSecrets":[{"name":"git"}]}`),
			metav1.PatchOptions{FieldManager: "argocd-controller", Force: ptr(true)})
		must(t, err)
	}
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		insist()
	}
	if n := ours.Load(); n > 8 {
		t.Errorf("%d writes in 4 s of fighting", n)
	}
	lines := r.lines("was undone and repaired", `argocd-controller`, "Argo CD: spec.ignoreDifferences", "RespectIgnoreDifferences=true")
	if len(lines) == 0 || strings.Contains(lines[0], "Flux") {
		t.Errorf("no line names the other and what ends the fight: %v", lines)
	}
	s.wantStatus("Degraded", "Contested", "argocd-controller")
	s.eventually("there is an Event", func() error {
		list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Object["reason"] == "Contested" {
				return nil
			}
		}
		return fmt.Errorf("none of %d events", len(list.Items))
	})
	other := s.namespace("b") // the others keep their pace
	started := time.Now()
	s.wantList(other, "default", "+reg")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("another namespace waited %s", took)
	}
	s.wantList(ns, "default", "git", "+reg") // the other one has stopped
	s.wantStatus("Ready")
}

func ptr[T any](v T) *T { return &v }
