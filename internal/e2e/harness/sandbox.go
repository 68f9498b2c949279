package harness

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
)

// Sandbox is one test's part of the cluster: namespaces whose names start with a prefix of its own, and the
// controller's namespace, emptied.
type Sandbox struct {
	*Cluster
	Prefix string

	// What the controllers get that are started from now on.
	Admission bool                                // they are started with -admission
	Mutates   func(context.Context) (bool, error) // whether the API server has mutating admission policies; nil: it has
	Sources   []string                            // other namespaces that sources may be in

	MaxFailing    int           // percent of the selected namespaces that may have problems of their own; as the flag's default at first
	ExpiryWarning time.Duration // before a credential ends, to say so; 0 for never
	Ask           verify.Ask    // asks registries; nil: none can be asked
	Patience      decide.Times  // with which they are asked; zero: the usual one
}

var sandboxes int

// NewSandbox skips the test where there is no API server. The namespaces are deleted when the test ends.
func NewSandbox(t *testing.T) *Sandbox {
	t.Helper()
	sandboxes++
	s := &Sandbox{
		Cluster:    NewCluster(t, "test"),
		MaxFailing: 10,
		Prefix:     fmt.Sprintf("t%d-%s-", sandboxes, strings.ToLower(fmt.Sprintf("%04x", time.Now().UnixNano()&0xffff))),
	}
	s.EmptyHome(api.Events)
	t.Cleanup(s.clean)
	return s
}

// clean deletes the namespaces. It does not wait until they are gone: a namespace that terminates is left alone by
// the next test's controller.
func (s *Sandbox) clean() {
	for _, ns := range s.OwnNamespaces() {
		_ = s.Client.Resource(api.Namespaces).Delete(s.Ctx, ns, metav1.DeleteOptions{})
	}
}

// OwnNamespaces returns the sandbox's namespaces, with those that are on their way out.
func (s *Sandbox) OwnNamespaces() (names []string) {
	list, err := s.Client.Resource(api.Namespaces).List(s.Ctx, metav1.ListOptions{})
	Must(s.T, err)
	for _, ns := range list.Items {
		if strings.HasPrefix(ns.GetName(), s.Prefix) {
			names = append(names, ns.GetName())
		}
	}
	return names
}

// Name returns a name of this sandbox.
func (s *Sandbox) Name(short string) string { return s.Prefix + short }

// Expand replaces PREFIX by the sandbox's prefix.
func (s *Sandbox) Expand(text string) string { return strings.ReplaceAll(text, "PREFIX", s.Prefix) }

// Alone waits until the namespaces of earlier tests are gone. A test may leave hundreds, and a cluster ends about five in
// a second.
func (s *Sandbox) Alone() {
	s.T.Helper()
	Eventually(s.T, 10*Patient, "the namespaces of earlier tests are gone", func() error {
		list, err := s.Client.Resource(api.Namespaces).List(s.Ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, ns := range list.Items {
			if ns.GetDeletionTimestamp() != nil {
				return fmt.Errorf("%s is still there", ns.GetName())
			}
		}
		return nil
	})
}

// After waits until the controller has worked on everything that happened before: on a namespace that is made now.
func (s *Sandbox) After() {
	s.T.Helper()
	Revisions++
	s.WantList(s.Namespace(fmt.Sprintf("after-%d", Revisions)), "default", "+reg")
}
