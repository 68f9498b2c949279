package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const podsRule = harness.OneRule + "  attach: pods\n"

// A rule that attaches to pods writes copies and nothing else. Its pods have the names: those that name secrets of their own too.
func TestPodsHaveTheNamesAndAccountsDoNot(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	account := s.Get(api.Accounts, ns, "default")
	untouched := func() {
		t.Helper()
		if now := s.Get(api.Accounts, ns, "default"); now.GetResourceVersion() != account.GetResourceVersion() {
			t.Errorf("the account was written: %v", now.Object)
		}
	}
	r := s.Start()
	s.Revised("Ready", podsRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantPod(ns, "default", nil, "reg")
	s.WantPod(ns, "default", []string{"theirs"}, "theirs", "+reg")
	s.WantPod(ns, "default", []string{s.Name("reg"), "theirs"}, "+reg", "theirs")
	later := s.Namespace("later")
	s.WantPod(later, "default", nil, "reg") // before anybody wrote anything there
	s.WantCopy(later, "reg", api.Credential("hub.example", "one"))
	untouched()
	s.WantNothingOfOurs(later, "default")
	r.WantMetrics("pullsecrets_rules_fallen_back 0")
	if lines := r.Lines("references written"); len(lines) > 0 {
		t.Errorf("it wrote to accounts:\n%s", strings.Join(lines, "\n"))
	}
	r.Stop()
	s.Start()
	s.WantStatus("Ready", "in force in all namespaces")
	untouched()
}

// Without the option there is nothing that adds names to pods, and it is said where people look; it is no trouble of the policy.
func TestWithoutAdmissionARuleAttachesToAccounts(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", podsRule)
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Ready", "attach: pods has no effect in the rules hub", "without -admission")
	r.WantMetrics("pullsecrets_rules_fallen_back 1")
}

// An API server that is too old is known to be only once it answered so.
func TestAnOlderAPIServerHasRulesAttachToAccounts(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Admission = true
	answers := make(chan bool, 100)
	s.Mutates = func(context.Context) (bool, error) {
		select {
		case answer := <-answers:
			return answer, nil
		default:
			return false, fmt.Errorf("no answer")
		}
	}
	s.Start()
	s.Policy(podsRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	if list, err := s.ListOf(ns, "default"); err != nil || len(list) > 0 {
		t.Errorf("while nobody knows, an account gets %v, %v", list, err)
	}
	answers <- false
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Degraded", "needs Kubernetes 1.36", "attach: pods has no effect in the rules hub")
}

// The roles that pullsecrets rbac prints where every rule attaches to pods cannot write a service account, and are enough: also to
// see that the API server acts, and to remove what no rule asks for any more.
func TestTheRolesForPodsAloneAreEnough(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Grant(podsRule)
	r := s.Start(harness.WithToken(s.Token()))
	s.Revised("Ready", podsRule)
	s.WantPod(ns, "default", []string{"theirs"}, "theirs", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantNothingOfOurs(ns, "default")
	s.Revised("Ready", harness.NoRules)
	s.WantNoCopy(ns, "reg")
	if lines := r.Reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
}

// WantPod waits until a pod would have these names when it is created now, in this order: +reg is the sandbox's reg, and so is reg
// alone in a list of one.
func (s *sandbox) WantPod(ns, account string, own []string, want ...string) {
	s.T.Helper()
	var expected []string
	for _, w := range want {
		if short, ours := strings.CutPrefix(w, "+"); ours || len(own) == 0 {
			w = s.Name(short)
		}
		expected = append(expected, w)
	}
	s.Eventually(fmt.Sprintf("a pod of %s/%s has %v", ns, account, expected), func() error {
		got, err := s.bornPod(podWith(ns, account, own...))
		if err == nil && !slices.Equal(got, expected) {
			err = fmt.Errorf("it has %v", got)
		}
		return err
	})
}
