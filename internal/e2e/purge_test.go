package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/purge"
)

func (s *sandbox) purge() (*purge.Purge, error) {
	return purge.New(s.ctx, s.client, inspect.Place{Namespace: home, StatusName: "pullsecrets-status"}, zerolog.Nop())
}

func TestPurgeRemovesWhatIsOursAndNothingElse(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns, other := s.namespace("a"), s.namespace("b")
	s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	theirs := s.create(secrets, secret(other, s.name("reg"), credential("theirs.example", "x")))
	r := s.start()
	s.revised("Degraded", oneRule)
	s.wantList(ns, "default", "theirs", "+reg")

	p, err := s.purge()
	must(t, err)
	if err := p.Run(s.ctx); err == nil || !strings.Contains(err.Error(), "a controller still") {
		t.Errorf("a purge beside a running controller said: %v", err)
	}
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "theirs", "+reg")
	r.stop()
	s.merge(secrets, ns, s.name("reg"), `{"metadata":{"labels":null}}`) // a stripped label hides nothing
	p, err = s.purge()
	must(t, err)
	if n := p.Count(); n.Copies != 1 || n.Accounts != 1 || n.Namespaces != 1 {
		t.Errorf("it would remove %+v", n)
	}
	must(t, p.Run(s.ctx))
	s.wantList(ns, "default", "theirs")
	s.wantNoCopy(ns, "reg")
	if got := s.get(secrets, other, s.name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("a secret of somebody else was touched")
	}
	p, err = s.purge()
	must(t, err)
	if n := p.Count(); n.Namespaces != 0 {
		t.Errorf("something is left: %+v", n)
	}
}

func TestPurgeRefusesWhileAControllerHoldsTheLease(t *testing.T) {
	s := newSandbox(t)
	lease := object("coordination.k8s.io/v1", "Lease", home, "pullsecrets")
	lease.Object["spec"] = map[string]any{
		"holderIdentity": "pod-1", "leaseDurationSeconds": int64(15), "renewTime": time.Now().UTC().Format(metav1.RFC3339Micro),
	}
	s.create(leases, lease)
	t.Cleanup(func() { s.delete(leases, home, "pullsecrets") })
	if _, err := s.purge(); err == nil || !strings.Contains(err.Error(), "pod-1 is at work") {
		t.Errorf("got %v", err)
	}
	s.merge(leases, home, "pullsecrets", `{"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}}`)
	if _, err := s.purge(); err != nil {
		t.Errorf("an expired lease stops it: %v", err)
	}
}
