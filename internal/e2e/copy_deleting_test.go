package e2e

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// hold deletes the copy, which a finalizer holds.
func (s *sandbox) hold(ns string) (held *unstructured.Unstructured) {
	s.T.Helper()
	u := s.Merge(api.Secrets, ns, s.Name("reg"), `{"metadata":{"finalizers":["example.com/hold"]}}`)
	s.Delete(api.Secrets, ns, s.Name("reg"))
	s.T.Cleanup(func() { s.release(ns) })
	return u
}

// release takes the finalizers off all secrets, so that the namespace can go.
func (s *sandbox) release(ns string) {
	s.T.Helper()
	list, err := s.Client.Resource(api.Secrets).Namespace(ns).List(s.Ctx, metav1.ListOptions{})
	harness.Must(s.T, err)
	for _, u := range list.Items {
		if len(u.GetFinalizers()) > 0 {
			s.Merge(api.Secrets, ns, u.GetName(), `{"metadata":{"finalizers":null}}`)
		}
	}
}

// TestARotationReachesACopyThatIsBeingDeleted has another tool's finalizer hold a copy that somebody deleted.
func TestARotationReachesACopyThatIsBeingDeleted(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	held := s.hold(ns)
	s.Source("hub", api.Credential("hub.example", "two"))
	if got := s.WantCopy(ns, "reg", api.Credential("hub.example", "two")); got.GetUID() != held.GetUID() || got.GetDeletionTimestamp() == nil {
		t.Error("it is another object, or not being deleted")
	}
	s.WantStatus("Ready")
	s.release(ns)
	s.Eventually("a new one is made", func() error {
		if got := s.WantCopy(ns, "reg", api.Credential("hub.example", "two")); got.GetUID() == held.GetUID() {
			return errors.New("not yet")
		}
		return nil
	})
	s.WantStatus("Ready")
}

func TestACopyThatCannotBeReplacedWhileItIsBeingDeletedIsTold(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Merge(api.Secrets, ns, s.Name("reg"), `{"immutable":true}`)
	s.hold(ns)
	s.Source("hub", api.Credential("hub.example", "two"))
	s.WantStatus("Degraded", "DeletionPending", "registry hub.example: password changed")
	s.WantList(ns, "default", "+reg")
	s.release(ns)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantStatus("Ready")
}

func TestASecretOfSomebodyElseThatIsBeingDeletedIsTold(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")))
	held := s.hold(ns)
	s.Start()
	s.Revised("Degraded", harness.Forced)
	s.WantStatus("Degraded", "DeletionPending")
	s.WantList(ns, "default")
	if got := s.Get(api.Secrets, ns, s.Name("reg")); got.GetUID() != held.GetUID() || api.Content(got) != api.Credential("theirs.example", "x") {
		t.Error("it was taken over on its way out")
	}
	s.release(ns)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Ready")
}

func TestAnAccountThatIsBeingDeletedGetsItsNames(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Account(ns, "app")
	s.Merge(api.Accounts, ns, "app", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	s.Delete(api.Accounts, ns, "app")
	s.Start()
	s.Revised("Ready", harness.OneRule+harness.ForApp)
	s.WantList(ns, "app", "+reg")
	s.Merge(api.Accounts, ns, "app", `{"metadata":{"finalizers":null}}`)
	s.WantStatus("Ready")
}
