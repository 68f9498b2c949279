package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// WantList waits until a service account's list is exactly these names; those that start with + are the sandbox's.
func (s *Sandbox) WantList(ns, account string, want ...string) {
	s.T.Helper()
	expected := []string{}
	for _, name := range want {
		if short, own := strings.CutPrefix(name, "+"); own {
			name = s.Name(short)
		}
		expected = append(expected, name)
	}
	s.Eventually(fmt.Sprintf("%s/%s has %v", ns, account, expected), func() error {
		got, err := s.ListOf(ns, account)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// ListOf returns the names of a service account's list.
func (s *Sandbox) ListOf(ns, name string) ([]string, error) {
	u, err := s.Client.Resource(api.Accounts).Namespace(ns).Get(s.Ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return api.PullSecrets(u), nil
}

// WantLedger waits until the ledger of an account holds these names of the sandbox, in any order.
func (s *Sandbox) WantLedger(ns, account string, want ...string) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("the ledger of %s/%s is %v", ns, account, want), func() error {
		u, err := s.Client.Resource(api.Accounts).Namespace(ns).Get(s.Ctx, account, metav1.GetOptions{})
		if err != nil {
			return err
		}
		got := slices.Clone(cluster.Installation{Home: api.Home}.NotedOn(cluster.NewServiceAccount(u)))
		for i, name := range got {
			got[i] = strings.TrimPrefix(name, s.Prefix)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// Ledger is the annotation for names of the sandbox that the controller added.
func (s *Sandbox) Ledger(ns string, short ...string) string {
	var names []string
	for _, n := range short {
		names = append(names, s.Name(n))
	}
	return cluster.Installation{Home: api.Home}.Ledger(ns, names)
}

// WantNothingOfOurs waits until an account has neither a name nor a mark of ours.
func (s *Sandbox) WantNothingOfOurs(ns, account string) {
	s.T.Helper()
	s.Eventually("nothing of ours is left on "+ns+"/"+account, func() error {
		u, err := s.Client.Resource(api.Accounts).Namespace(ns).Get(s.Ctx, account, metav1.GetOptions{})
		if err != nil {
			return err
		}
		sa := cluster.NewServiceAccount(u)
		if len(sa.PullSecrets) > 0 || sa.HasLedger || sa.Applied {
			return fmt.Errorf("list %v, ledger %q, applied %v", sa.PullSecrets, sa.Ledger, sa.Applied)
		}
		return nil
	})
}

// WantCopy waits until a copy has this content, and returns it.
func (s *Sandbox) WantCopy(ns, short, content string) (u *unstructured.Unstructured) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("%s has the copy %s", ns, short), func() (err error) {
		u, err = s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, s.Name(short), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if api.Content(u) != content {
			return errors.New("it has other content")
		}
		return nil
	})
	return u
}

// WantNoCopy waits until a copy is gone.
func (s *Sandbox) WantNoCopy(ns, short string) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("%s has no copy %s", ns, short), func() error {
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, s.Name(short), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there, or: %v", err)
	})
}

// Has reports whether a namespace has a secret of that name now.
func (s *Sandbox) Has(ns, short string) bool {
	s.T.Helper()
	list, err := s.Client.Resource(api.Secrets).Namespace(ns).List(s.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + s.Name(short)})
	Must(s.T, err)
	return len(list.Items) > 0
}

// Untouched checks that an object is as it was.
func (s *Sandbox) Untouched(before *unstructured.Unstructured) {
	s.T.Helper()
	now, err := s.Client.Resource(api.Secrets).Namespace(before.GetNamespace()).Get(s.Ctx, before.GetName(), metav1.GetOptions{})
	if err != nil || now.GetUID() != before.GetUID() || now.GetResourceVersion() != before.GetResourceVersion() {
		s.T.Errorf("%s/%s was touched: %v", before.GetNamespace(), before.GetName(), err)
	}
}

// WantAll checks that all namespaces have their copy and reference now, or that none has.
func (s *Sandbox) WantAll(all []string, there bool) {
	s.T.Helper()
	for _, ns := range all {
		list, err := s.ListOf(ns, "default")
		Must(s.T, err)
		_, err = s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, s.Name("reg"), metav1.GetOptions{})
		if (len(list) > 0) != there || (err == nil) != there {
			s.T.Errorf("%s: list %v, copy %v; want them there: %t", ns, list, err == nil, there)
		}
	}
}
