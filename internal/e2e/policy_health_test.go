package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// tenants makes as many namespaces, and puts a secret of somebody else into the first of them, in the copy's place.
func (s *sandbox) tenants(n, foreign int) (all []string) {
	s.T.Helper()
	for i := range n {
		u := api.Object("v1", "Namespace", "", s.Name(fmt.Sprintf("n%03d", i)))
		_, err := s.Client.Resource(api.Namespaces).Create(s.Ctx, u, metav1.CreateOptions{})
		harness.Must(s.T, err)
		all = append(all, u.GetName())
		if i < foreign {
			s.foreign(u.GetName())
		}
	}
	return all
}

func (s *sandbox) foreign(ns string) {
	s.T.Helper()
	u := api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x"))
	_, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	harness.Must(s.T, err)
}

// TestATenantsTroubleIsNotThePlatforms goes across -max-failing and back, with a restart on either side.
func TestATenantsTroubleIsNotThePlatforms(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.tenants(30, 3)
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	tolerated := []string{"in force; 3 of 30 namespaces have problems of their own: 3 ForeignSecret; first: rule hub, Secret ", all[0] + " and others"}
	s.WantStatus("Ready", tolerated...)
	r.WantMetrics("pullsecrets_namespaces_selected 30", "pullsecrets_namespaces_failing 3", "pullsecrets_namespaces_failing_limit 3",
		`pullsecrets_problems{kind="Secret",reason="ForeignSecret"} 3`, `pullsecrets_policy_state{state="Ready"} 1`)
	if n := s.verdictEvents("Degraded"); n > 0 {
		t.Errorf("%d Events say Degraded", n)
	}
	r.Stop()
	r = s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantStatus("Ready", tolerated...)

	foreign := s.Name("late")
	s.Create(api.Namespaces, api.Object("v1", "Namespace", "", foreign))
	s.WantCopy(foreign, "reg", api.Credential("hub.example", "one"))
	s.Delete(api.Namespaces, "", all[29])
	s.Merge(api.Namespaces, "", foreign, `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.WantNoCopy(foreign, "reg") // pruned, so that nothing makes it anew before the foreign one is there
	s.foreign(foreign)
	s.Merge(api.Namespaces, "", foreign, `{"metadata":{"annotations":{"pullsecrets/exclude":null}}}`)
	above := "4 of 30 namespaces have problems of their own, more than the 3 that -max-failing allows: 4 ForeignSecret; first: rule hub, Secret "
	s.WantStatus("Degraded", above)
	r.WantMetrics("pullsecrets_namespaces_failing 4", "pullsecrets_namespaces_failing_limit 3", `pullsecrets_policy_state{state="Degraded"} 1`)
	r.Stop()
	r = s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", above)

	s.Delete(api.Secrets, foreign, s.Name("reg"))
	s.WantStatus("Ready", "in force; 3 of 30 namespaces")
	for _, ns := range all[:3] {
		s.Delete(api.Secrets, ns, s.Name("reg"))
		s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	}
	s.WantStatus("Ready", "in force in all namespaces that it selects")
	r.WantMetrics("pullsecrets_namespaces_failing 0")
}

// TestHowManyMayFailIsAFlag has the same cluster judged by other flags, and by one problem of the policy itself.
func TestHowManyMayFailIsAFlag(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.tenants(12, 1)
	for _, c := range []struct {
		flags                  []string
		state, message, policy string
	}{
		{nil, "Ready", "in force; 1 of 12 namespaces has problems of its own: 1 ForeignSecret", harness.OneRule},
		{[]string{"-max-failing=0"}, "Degraded", "1 of 12 namespaces has problems of its own, more than the 0 that -max-failing allows", harness.OneRule},
		{[]string{"-max-failing=8"}, "Degraded", "more than the 0", harness.OneRule},
		{[]string{"-max-failing=9"}, "Ready", "1 of 12", harness.OneRule},
		{[]string{"-max-failing=100"}, "Ready", "1 of 12", harness.OneRule},
		{[]string{"-max-failing=100"}, "Degraded", "(SourceMissing)", harness.OneRule + `
- name: other
  secrets: [{source: {name: nothing}, name: PREFIXother}]
  namespaces: {include: ["PREFIXn001"]}
`},
	} {
		p := s.Loop(append(c.flags, "-health-addr=", "-metrics-addr=")...)
		s.Revised(c.state, c.policy)
		s.WantStatus(c.state, c.message)
		p.Stop()
	}
}

// TestAMissingVerbOnAccountsIsThePolicys, though it is noticed in the one namespace alone where there is something to write.
func TestAMissingVerbOnAccountsIsThePolicys(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.tenants(12, 0)
	s.Grant(harness.OneRule)
	r := s.Start(harness.WithToken(s.Token()))
	s.Revised("Ready", harness.OneRule)
	s.withoutVerb("serviceaccounts", "patch")
	s.UntilPermittedOn("serviceaccounts", "patch", "default", false)
	late := s.Namespace("late")
	s.WantStatus("Degraded", "rule hub, ServiceAccount default in namespace "+late, "the verb patch is not permitted on service accounts", "AccountsForbidden")
	r.WantMetrics("pullsecrets_namespaces_failing 0", `pullsecrets_problems{kind="ServiceAccount",reason="AccountsForbidden"} 1`)
	s.Grant(harness.OneRule)
	s.WantList(late, "default", "+reg")
	s.WantStatus("Ready", "in force in all namespaces that it selects")
}

// TestWhatRefusesEverywhereDegradesByItself has the API server refuse copies in all namespaces, then in one, then in none.
func TestWhatRefusesEverywhereDegradesByItself(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	all := s.tenants(12, 0)
	var refused atomic.Int32
	refused.Store(12)
	s.Start(harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		for _, ns := range all[:refused.Load()] {
			if harness.IsWrite(r, ns, "secrets", s.Name("reg")) {
				return harness.Forbidden(), nil
			}
		}
		return next.RoundTrip(r)
	}))
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "12 of 12 namespaces have problems of their own, more than the 1 that -max-failing allows: 12 WriteFailed; first: rule hub, Secret ")
	refused.Store(1)
	s.WantStatus("Ready", "in force; 1 of 12 namespaces has problems of its own: 1 WriteFailed; first: rule hub, Secret "+s.Name("reg")+" in namespace "+all[0])
	refused.Store(0)
	s.WantStatus("Ready", "in force in all namespaces that it selects")
}
