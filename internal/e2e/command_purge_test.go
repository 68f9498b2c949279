package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestPurgeRemovesWhatIsOursAndNothingElse(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, other := s.Namespace("a"), s.Namespace("b")
	s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	theirs := s.Create(api.Secrets, api.Secret(other, s.Name("reg"), api.Credential("theirs.example", "x")))
	r := s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantList(ns, "default", "theirs", "+reg")

	p, err := s.Purge()
	harness.Must(t, err)
	if err := p.Run(s.Ctx); err == nil || !strings.Contains(err.Error(), "a controller still") {
		t.Errorf("a purge beside a running controller said: %v", err)
	}
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "theirs", "+reg")
	r.Stop()
	s.Merge(api.Secrets, ns, s.Name("reg"), `{"metadata":{"labels":null}}`) // a stripped label hides nothing
	p, err = s.Purge()
	harness.Must(t, err)
	if n := p.Count(); n.Copies != 1 || n.Accounts != 1 || n.Namespaces != 1 {
		t.Errorf("it would remove %+v", n)
	}
	harness.Must(t, p.Run(s.Ctx))
	s.WantList(ns, "default", "theirs")
	s.WantNoCopy(ns, "reg")
	if got := s.Get(api.Secrets, other, s.Name("reg")); got.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("a secret of somebody else was touched")
	}
	p, err = s.Purge()
	harness.Must(t, err)
	if n := p.Count(); n.Namespaces != 0 {
		t.Errorf("something is left: %+v", n)
	}
}

func TestPurgeRefusesWhileAControllerHoldsTheLease(t *testing.T) {
	s := newSandbox(t)
	lease := api.Object("coordination.k8s.io/v1", "Lease", api.Home, "pullsecrets")
	lease.Object["spec"] = map[string]any{
		"holderIdentity": "pod-1", "leaseDurationSeconds": int64(15), "renewTime": time.Now().UTC().Format(metav1.RFC3339Micro),
	}
	s.Create(api.Leases, lease)
	t.Cleanup(func() { s.Delete(api.Leases, api.Home, "pullsecrets") })
	if _, err := s.Purge(); err == nil || !strings.Contains(err.Error(), "pod-1 is at work") {
		t.Errorf("got %v", err)
	}
	s.Merge(api.Leases, api.Home, "pullsecrets", `{"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}}`)
	if _, err := s.Purge(); err != nil {
		t.Errorf("an expired lease stops it: %v", err)
	}
}
