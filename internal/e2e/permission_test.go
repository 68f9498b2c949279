package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cli"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// everyJob needs all that a controller ever asks of the API server.
const everyJob = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
- name: two
  secrets: [{source: {name: hub}, name: PREFIXtwo}, {source: {name: hub}, name: PREFIXthree}]
  namespaces: {include: ["PREFIX*"]}
  force: true
`

func TestTheControllersOwnTokenIsEnoughForEveryJob(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Merge(api.Accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.Account(ns, "lonely")
	s.Merge(api.Accounts, ns, "lonely", `{"metadata":{"annotations":{"theirs":"x"}}}`)
	// To take over by force: one in place, one of another type, which has to be deleted and made again.
	s.Create(api.Secrets, api.Secret(ns, s.Name("two"), api.Credential("theirs.example", "x")))
	opaque := api.Object("v1", "Secret", ns, s.Name("three"))
	opaque.Object["stringData"] = map[string]any{"key": "value"}
	s.Create(api.Secrets, opaque)
	// To adopt from imagepullsecret-patcher.
	adopted := s.Namespace("b")
	ancestors := api.Secret(adopted, s.Name("reg"), api.Credential("hub.example", "old"))
	ancestors.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	s.Create(api.Secrets, ancestors)

	s.Grant(everyJob)
	r := s.Start(harness.WithToken(s.Token()))
	s.Revised("Ready", everyJob)
	s.WantList(ns, "default", "theirs", "+reg", "+two", "+three")
	for _, n := range []string{ns, adopted} {
		for _, name := range []string{"reg", "two", "three"} {
			s.WantCopy(n, name, api.Credential("hub.example", "one"))
		}
	}
	s.Source("hub", api.Credential("hub.example", "two")) // rotation
	s.WantCopy(ns, "two", api.Credential("hub.example", "two"))
	s.Merge(api.Secrets, ns, s.Name("reg"), `{"data":{".dockerconfigjson":"e30="}}`) // drift
	s.Delete(api.Secrets, adopted, s.Name("reg"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
	s.WantCopy(adopted, "reg", api.Credential("hub.example", "two"))
	late := s.Namespace("late")
	s.WantList(late, "default", "+reg", "+two", "+three")

	s.Revised("Ready", harness.NoRules)
	for _, n := range []string{ns, adopted, late} {
		s.WantNoCopy(n, "reg")
		s.WantNoCopy(n, "three")
	}
	s.WantList(ns, "default", "theirs")
	s.WantList(late, "default")
	s.WantNames()
	s.Eventually("an Event tells of it", func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=pullsecrets-policy"})
		if err != nil || len(list.Items) == 0 {
			return fmt.Errorf("%d Events, %v", len(list.Items), err)
		}
		return nil
	})
	for _, word := range []string{"permi", "orbidden", "denied"} {
		if bad := r.Lines(word); len(bad) > 0 {
			t.Errorf("something is not permitted:\n%s", strings.Join(bad, "\n"))
		}
	}
	for _, what := range []string{"Adopted", "TakenOver", "TypeChanged", "SourceChanged", "Drifted", "NotWanted"} {
		if len(r.Lines(`"reason":"`+what+`"`)) == 0 {
			t.Errorf("nothing was %s: this test no longer does every job", what)
		}
	}
}

func TestASecretThatIsNotPermittedIsReportedAndTheRestGoesOn(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("ghcr", api.Credential("ghcr.example", "two"))
	ns := s.Namespace("a")
	s.Grant(harness.OneRule)
	r := s.Start(harness.WithToken(s.Token()))
	both := harness.OneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.Revised("Degraded", both)
	s.WantStatus("Degraded", "rule ghcr", "CopyForbidden", "listed and watched", "pullsecrets rbac -f POLICY")
	s.WantList(ns, "default", "+reg")
	for _, want := range []string{
		fmt.Sprintf(`secrets named %s in all namespaces`, s.Name("ghcr")),
		"secrets named ghcr in namespace pullsecrets",
	} {
		if n := len(r.Lines("no permission to list and watch", want, "cannot list resource", "pullsecrets rbac -f POLICY")); n != 1 {
			t.Errorf("%q was said %d times, want 1", want, n)
		}
	}
	// The role comes: no restart, no edit of the policy.
	s.Grant(both)
	s.WantList(ns, "default", "+reg", "+ghcr")
	s.WantCopy(ns, "ghcr", api.Credential("ghcr.example", "two"))
	s.WantStatus("Ready")
}

// TestSourcesElsewhereAreForTheAdministratorToAllow is the difference between who edits the policy and who installs.
func TestSourcesElsewhereAreForTheAdministratorToAllow(t *testing.T) {
	s := newSandbox(t)
	vault, ns := s.Namespace("vault"), s.Namespace("a")
	s.Create(api.Secrets, api.Secret(vault, "hub", api.Credential("hub.example", "one")))
	rules := fmt.Sprintf("- name: hub\n  secrets: [{source: {name: hub, namespace: %s}, name: PREFIXreg}]\n  namespaces: {include: [%s]}\n", vault, ns)
	s.Grant(harness.NoRules)
	token := s.Token()
	r := s.Start(harness.WithToken(token))
	s.Revised("Invalid", rules)
	s.WantStatus("Invalid", vault, "-source-namespaces")
	r.Stop()

	s.Sources = []string{vault}
	s.Grant(rules)
	s.Start(harness.WithToken(token))
	s.WantStatus("Ready")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
}

func TestAVerbThatIsMissingIsNamed(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Namespace("a")
	s.Namespace("b")
	s.Grant(harness.OneRule)
	s.withoutVerb("secrets", "create")
	s.UntilPermitted("create", s.Name("reg"), false)
	r := s.Start(harness.WithToken(s.Token()))
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "rule hub", s.Name("reg"), "CopyForbidden", "the verb create is not permitted", "pullsecrets rbac -f POLICY")
	if n := len(r.Lines("the verb create is not permitted")); n != 1 {
		t.Errorf("one cause was logged %d times", n)
	}
	s.Grant(harness.OneRule)
	s.WantCopy(s.Name("b"), "reg", api.Credential("hub.example", "one"))
	s.WantStatus("Ready")
}

// withoutVerb takes a verb on the copies, or on service accounts, out of the ClusterRole.
func (s *sandbox) withoutVerb(resource, verb string) {
	s.T.Helper()
	roles := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	u, err := s.Client.Resource(roles).Get(s.Ctx, "pullsecrets", metav1.GetOptions{})
	harness.Must(s.T, err)
	rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
	for _, r := range rules {
		rule := r.(map[string]any)
		if resources, _, _ := unstructured.NestedStringSlice(rule, "resources"); resources[0] == resource {
			verbs, _, _ := unstructured.NestedStringSlice(rule, "verbs")
			verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == verb })
			harness.Must(s.T, unstructured.SetNestedStringSlice(rule, verbs, "verbs"))
		}
	}
	harness.Must(s.T, unstructured.SetNestedSlice(u.Object, rules, "rules"))
	_, err = s.Client.Resource(roles).Update(s.Ctx, u, metav1.UpdateOptions{})
	harness.Must(s.T, err)
}

// TestANameThatLeftTheRolesTooEarly is what happens when policy and roles are applied in one go without -also: once to
// a controller that still knows the copies, once to one that starts anew and cannot see them.
func TestANameThatLeftTheRolesTooEarly(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %v", restarted), func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			first, second := s.Namespace("a"), s.Namespace("b")
			s.Grant(harness.OneRule)
			token := s.Token()
			r := s.Start(harness.WithToken(token))
			s.Revised("Ready", harness.OneRule)
			s.WantList(second, "default", "+reg")
			s.WantCopy(first, "reg", api.Credential("hub.example", "one"))
			if restarted {
				r.Stop()
			}
			s.Grant(harness.NoRules)
			s.UntilPermitted("delete", s.Name("reg"), false)
			if restarted {
				s.Start(harness.WithToken(token))
			}
			s.Revised("Degraded", harness.NoRules)
			s.WantList(first, "default") // the references go all the same
			s.WantList(second, "default")
			s.WantStatus("Degraded", "LeftForbidden", "pullsecrets rbac -f POLICY -also "+s.Name("reg"))
			if !restarted {
				s.wantProblem(s.Name("reg"), 2)
			}
			s.WantCopy(first, "reg", api.Credential("hub.example", "one"))

			s.Grant(harness.NoRules, s.Name("reg"))
			s.WantNoCopy(first, "reg")
			s.WantNoCopy(second, "reg")
			s.WantStatus("Ready")
		})
	}
}

// TestANameInALedgerThatMayNotBeReadIsNobodysTrouble has a tenant write any name into the ledger of its own account, and
// accounts with the ledger of another installation, in the form of an earlier version, which names none.
func TestANameInALedgerThatMayNotBeReadIsNobodysTrouble(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	tenant, others, both := s.Namespace("after-a"), s.Namespace("b"), s.Namespace("after-c")
	for _, ns := range []string{others, both} {
		u := api.Secret(ns, s.Name("old"), api.Credential("old.example", "one"))
		u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
		u.SetAnnotations(map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "elsewhere/hub"})
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
		harness.Must(t, err)
		account := api.Object("v1", "ServiceAccount", ns, "default")
		account.SetAnnotations(map[string]string{"pullsecrets/added": s.Name("old")})
		account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.Name("old")}}
		_, err = s.Client.Resource(api.Accounts).Namespace(ns).Apply(s.Ctx, "default", account, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
		harness.Must(t, err)
	}
	rules := s.Expand(`
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXafter-*"]}
`)
	s.Grant(rules)
	token := s.Token()
	r := s.Start(harness.WithToken(token)) // there is no status yet, so what was in use is asked of the ledgers
	s.Revised("Ready", rules)
	s.WantList(tenant, "default", "+reg")
	s.Merge(api.Accounts, tenant, "default", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/added":%q}}}`, s.Ledger(tenant, "reg", "bogus")))
	for _, name := range []string{"old", "bogus"} {
		s.Eventually(name+" is told once", func() error {
			if n := len(r.Lines("may not be listed and watched", s.Name(name)+" in their ledgers")); n != 1 {
				return fmt.Errorf("%d lines", n)
			}
			return nil
		})
	}
	check := func() {
		s.After()
		s.WantStatus("Ready")
		for _, ns := range []string{others, both} {
			list, err := s.ListOf(ns, "default")
			ledger := s.Get(api.Accounts, ns, "default").GetAnnotations()["pullsecrets/added"]
			if err != nil || !slices.Contains(list, s.Name("old")) || !strings.HasPrefix(ledger, s.Name("old")) {
				t.Errorf("%s has %v, and noted %q: %v", ns, list, ledger, err)
			}
		}
		names, _, _ := unstructured.NestedString(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object, "data", "names")
		if names != s.Name("reg") {
			t.Errorf("names in use: %q", names)
		}
	}
	check()
	r.Stop()
	s.Start(harness.WithToken(token))
	check()
}

// TestRbacFromStatusKeepsTheNamesInUse asks the cluster for what the policy that is to come no longer tells.
func TestRbacFromStatusKeepsTheNamesInUse(t *testing.T) {
	s := newSandbox(t)
	s.Alone()
	s.Source("hub", api.Credential("hub.example", "one"))
	s.wantCopies(harness.OneRule, s.Namespace("a"))
	var out, errs bytes.Buffer
	next := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	status := cli.Main(s.Ctx, []string{"rbac", "-f", "-", "-from-status", "-kubeconfig", s.Kubeconfig},
		strings.NewReader(next), &out, &errs)
	want := "  resourceNames:\n  - " + s.Name("reg") + "\n  resources:\n  - secrets\n"
	if status != 0 || errs.Len() > 0 || !strings.Contains(out.String(), want) {
		t.Errorf("exit %d, %s, want %q in\n%s", status, errs.String(), want, out.String())
	}
}

// wantCopies runs a controller until it has made the copies of a policy.
func (s *sandbox) wantCopies(rules, ns string) {
	s.T.Helper()
	r := s.Start()
	s.Revised("Ready", rules)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	r.Stop()
}

// wantProblem waits until status.json has one problem, with a secret of this name in so many namespaces.
func (s *sandbox) wantProblem(name string, in int) {
	s.T.Helper()
	s.Eventually("the status counts the namespaces", func() error {
		text, _, _ := unstructured.NestedString(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object, "data", "status.json")
		for _, want := range []string{`"problemCount": 1`, fmt.Sprintf(`"name": %q`, name), fmt.Sprintf(`"namespaces": %d,`, in)} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%s is missing in %s", want, text)
			}
		}
		return nil
	})
}

func TestNotBeingAllowedToListIsNotReady(t *testing.T) {
	for _, resource := range []string{"namespaces", "serviceaccounts"} {
		t.Run(resource, func(t *testing.T) {
			s := newSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			s.Namespace("a")
			s.Start(harness.Around(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if r.URL.Path == "/api/v1/"+resource {
					return harness.Forbidden(), nil
				}
				return next.RoundTrip(r)
			}))
			s.Policy(harness.OneRule)
			s.WantStatus("Degraded", "may not be listed and watched")
		})
	}
}
