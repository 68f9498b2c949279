package e2e

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cli"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
)

// grant applies the roles that pullsecrets rbac prints for these rules, and the guard that the base ships with them.
//
// It waits for the end of earlier tests: a controller that finds no status takes the names in use from the accounts,
// and to have no permission for those of another test would be a problem to report.
func (s *sandbox) grant(rules string, also ...string) {
	s.t.Helper()
	s.alone()
	p, problems := policy.Parse(map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.expand(rules)},
		policy.Options{Namespace: home, SourceNamespaces: s.sources})
	if p == nil {
		s.t.Fatal(problems)
	}
	roles, err := rbac.YAML(rbac.Roles(p, rbac.Options{
		Namespace: home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status", Also: also, Admission: s.admission,
	}))
	must(s.t, err)
	guard, err := os.ReadFile("../../kustomize/base/guard.yaml")
	must(s.t, err)
	for doc := range strings.SplitSeq(string(roles)+"\n---\n"+string(guard), "\n---\n") {
		u := &unstructured.Unstructured{}
		must(s.t, yaml.Unmarshal([]byte(doc), &u.Object))
		s.manifest(u)
	}
	for _, name := range p.CopyNames() {
		s.untilPermitted("list", name, true)
		s.untilPermitted("create", name, true)
	}
}

// alone waits until the namespaces of earlier tests are gone.
func (s *sandbox) alone() {
	s.t.Helper()
	s.eventually("the namespaces of earlier tests are gone", func() error {
		list, err := s.client.Resource(namespaces).List(s.ctx, metav1.ListOptions{})
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

// untilPermitted waits until the API server, which reads roles from a cache of its own, does or does not permit the
// controller a verb on secrets of a name.
func (s *sandbox) untilPermitted(verb, name string, want bool) {
	s.t.Helper()
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews"}
	s.eventually(fmt.Sprintf("%s on secrets named %s is permitted: %v", verb, name, want), func() error {
		review := object("authorization.k8s.io/v1", "SubjectAccessReview", "", "")
		review.Object["spec"] = map[string]any{
			"user":               "system:serviceaccount:pullsecrets:pullsecrets",
			"resourceAttributes": map[string]any{"verb": verb, "resource": "secrets", "name": name},
		}
		answer, err := s.client.Resource(reviews).Create(s.ctx, review, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if allowed, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed"); allowed != want {
			return fmt.Errorf("permitted: %v", allowed)
		}
		return nil
	})
}

// manifest applies an object until the test ends.
func (s *sandbox) manifest(u *unstructured.Unstructured) {
	s.t.Helper()
	gvk := u.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if stem, ok := strings.CutSuffix(plural, "ys"); ok {
		plural = stem + "ies"
	}
	resource := gvk.GroupVersion().WithResource(plural)
	var scoped dynamic.ResourceInterface = s.client.Resource(resource)
	if u.GetNamespace() != "" {
		scoped = s.client.Resource(resource).Namespace(u.GetNamespace())
	}
	_, err := scoped.Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	must(s.t, err)
	s.t.Cleanup(func() { _ = scoped.Delete(s.ctx, u.GetName(), metav1.DeleteOptions{}) })
}

// token makes the controller's service account and returns a token for it, as a pod of it would have.
func (s *sandbox) token() string {
	s.t.Helper()
	s.manifest(object("v1", "ServiceAccount", home, "pullsecrets"))
	request := object("authentication.k8s.io/v1", "TokenRequest", home, "pullsecrets")
	answer, err := s.client.Resource(accounts).Namespace(home).Create(s.ctx, request, metav1.CreateOptions{}, "token")
	must(s.t, err)
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	if token == "" {
		s.t.Fatal("the API server gave no token")
	}
	return token
}

// with has the controller work with a token, and with nothing else.
func with(token string) func(*rest.Config) {
	return func(config *rest.Config) {
		*config = rest.Config{Host: config.Host, TLSClientConfig: rest.TLSClientConfig{CAFile: config.CAFile}, BearerToken: token, QPS: -1}
	}
}

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
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.account(ns, "lonely")
	s.merge(accounts, ns, "lonely", `{"metadata":{"annotations":{"theirs":"x"}}}`)
	// To take over by force: one in place, one of another type, which has to be deleted and made again.
	s.create(secrets, secret(ns, s.name("two"), credential("theirs.example", "x")))
	opaque := object("v1", "Secret", ns, s.name("three"))
	opaque.Object["stringData"] = map[string]any{"key": "value"}
	s.create(secrets, opaque)
	// To adopt from imagepullsecret-patcher.
	adopted := s.namespace("b")
	ancestors := secret(adopted, s.name("reg"), credential("hub.example", "old"))
	ancestors.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	s.create(secrets, ancestors)

	s.grant(everyJob)
	r := s.start(with(s.token()))
	s.revised("Ready", everyJob)
	s.wantList(ns, "default", "theirs", "+reg", "+two", "+three")
	for _, n := range []string{ns, adopted} {
		for _, name := range []string{"reg", "two", "three"} {
			s.wantCopy(n, name, credential("hub.example", "one"))
		}
	}
	s.source("hub", credential("hub.example", "two")) // rotation
	s.wantCopy(ns, "two", credential("hub.example", "two"))
	s.merge(secrets, ns, s.name("reg"), `{"data":{".dockerconfigjson":"e30="}}`) // drift
	s.delete(secrets, adopted, s.name("reg"))
	s.wantCopy(ns, "reg", credential("hub.example", "two"))
	s.wantCopy(adopted, "reg", credential("hub.example", "two"))
	late := s.namespace("late")
	s.wantList(late, "default", "+reg", "+two", "+three")

	s.revised("Ready", noRules)
	for _, n := range []string{ns, adopted, late} {
		s.wantNoCopy(n, "reg")
		s.wantNoCopy(n, "three")
	}
	s.wantList(ns, "default", "theirs")
	s.wantList(late, "default")
	s.wantNames()
	s.eventually("an Event tells of it", func() error {
		list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=pullsecrets-policy"})
		if err != nil || len(list.Items) == 0 {
			return fmt.Errorf("%d Events, %v", len(list.Items), err)
		}
		return nil
	})
	for _, word := range []string{"permi", "orbidden", "denied"} {
		if bad := r.lines(word); len(bad) > 0 {
			t.Errorf("something is not permitted:\n%s", strings.Join(bad, "\n"))
		}
	}
	for _, what := range []string{"Adopted", "TakenOver", "TypeChanged", "SourceChanged", "Drifted", "NotWanted"} {
		if len(r.lines(`"reason":"`+what+`"`)) == 0 {
			t.Errorf("nothing was %s: this test no longer does every job", what)
		}
	}
}

func TestASecretThatIsNotPermittedIsReportedAndTheRestGoesOn(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "two"))
	ns := s.namespace("a")
	s.grant(oneRule)
	r := s.start(with(s.token()))
	both := oneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.revised("Degraded", both)
	s.wantStatus("Degraded", "rule ghcr", "CopyForbidden", "listed and watched", "pullsecrets rbac -f POLICY")
	s.wantList(ns, "default", "+reg")
	for _, want := range []string{
		fmt.Sprintf(`secrets named %s in all namespaces`, s.name("ghcr")),
		"secrets named ghcr in namespace pullsecrets",
	} {
		if n := len(r.lines("no permission to list and watch", want, "cannot list resource", "pullsecrets rbac -f POLICY")); n != 1 {
			t.Errorf("%q was said %d times, want 1", want, n)
		}
	}
	// The role comes: no restart, no edit of the policy.
	s.grant(both)
	s.wantList(ns, "default", "+reg", "+ghcr")
	s.wantCopy(ns, "ghcr", credential("ghcr.example", "two"))
	s.wantStatus("Ready")
}

// TestSourcesElsewhereAreForTheAdministratorToAllow is the difference between who edits the policy and who installs.
func TestSourcesElsewhereAreForTheAdministratorToAllow(t *testing.T) {
	s := newSandbox(t)
	vault, ns := s.namespace("vault"), s.namespace("a")
	s.create(secrets, secret(vault, "hub", credential("hub.example", "one")))
	rules := fmt.Sprintf("- name: hub\n  secrets: [{source: {name: hub, namespace: %s}, name: PREFIXreg}]\n  namespaces: {include: [%s]}\n", vault, ns)
	s.grant(noRules)
	token := s.token()
	r := s.start(with(token))
	s.revised("Invalid", rules)
	s.wantStatus("Invalid", vault, "-source-namespaces")
	r.stop()

	s.sources = []string{vault}
	s.grant(rules)
	s.start(with(token))
	s.wantStatus("Ready")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
}

func TestAVerbThatIsMissingIsNamed(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.namespace("a")
	s.namespace("b")
	s.grant(oneRule)
	s.withoutVerb("create")
	s.untilPermitted("create", s.name("reg"), false)
	r := s.start(with(s.token()))
	s.revised("Degraded", oneRule)
	s.wantStatus("Degraded", "rule hub", s.name("reg"), "CopyForbidden", "the verb create is not permitted", "pullsecrets rbac -f POLICY")
	if n := len(r.lines("the verb create is not permitted")); n != 1 {
		t.Errorf("one cause was logged %d times", n)
	}
	s.grant(oneRule)
	s.wantCopy(s.name("b"), "reg", credential("hub.example", "one"))
	s.wantStatus("Ready")
}

// withoutVerb takes a verb on the copies out of the ClusterRole.
func (s *sandbox) withoutVerb(verb string) {
	s.t.Helper()
	roles := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	u, err := s.client.Resource(roles).Get(s.ctx, "pullsecrets", metav1.GetOptions{})
	must(s.t, err)
	rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
	for _, r := range rules {
		rule := r.(map[string]any)
		if resources, _, _ := unstructured.NestedStringSlice(rule, "resources"); resources[0] == "secrets" {
			verbs, _, _ := unstructured.NestedStringSlice(rule, "verbs")
			verbs = slices.DeleteFunc(verbs, func(v string) bool { return v == verb })
			must(s.t, unstructured.SetNestedStringSlice(rule, verbs, "verbs"))
		}
	}
	must(s.t, unstructured.SetNestedSlice(u.Object, rules, "rules"))
	_, err = s.client.Resource(roles).Update(s.ctx, u, metav1.UpdateOptions{})
	must(s.t, err)
}

// TestANameThatLeftTheRolesTooEarly is what happens when policy and roles are applied in one go without -also: once to
// a controller that still knows the copies, once to one that starts anew and cannot see them.
func TestANameThatLeftTheRolesTooEarly(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %v", restarted), func(t *testing.T) {
			s := newSandbox(t)
			s.source("hub", credential("hub.example", "one"))
			first, second := s.namespace("a"), s.namespace("b")
			s.grant(oneRule)
			token := s.token()
			r := s.start(with(token))
			s.revised("Ready", oneRule)
			s.wantList(second, "default", "+reg")
			s.wantCopy(first, "reg", credential("hub.example", "one"))
			if restarted {
				r.stop()
			}
			s.grant(noRules)
			s.untilPermitted("delete", s.name("reg"), false)
			if restarted {
				s.start(with(token))
			}
			s.revised("Degraded", noRules)
			s.wantList(first, "default") // the references go all the same
			s.wantList(second, "default")
			s.wantStatus("Degraded", "LeftForbidden", "pullsecrets rbac -f POLICY -also "+s.name("reg"))
			if !restarted {
				s.wantProblem(s.name("reg"), 2)
			}
			s.wantCopy(first, "reg", credential("hub.example", "one"))

			s.grant(noRules, s.name("reg"))
			s.wantNoCopy(first, "reg")
			s.wantNoCopy(second, "reg")
			s.wantStatus("Ready")
		})
	}
}

// TestANameInALedgerThatMayNotBeReadIsNobodysTrouble has a tenant write any name into the ledger of its own account, and
// accounts with the ledger of another installation, in the form of an earlier version, which names none.
func TestANameInALedgerThatMayNotBeReadIsNobodysTrouble(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	tenant, others, both := s.namespace("after-a"), s.namespace("b"), s.namespace("after-c")
	for _, ns := range []string{others, both} {
		u := secret(ns, s.name("old"), credential("old.example", "one"))
		u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
		u.SetAnnotations(map[string]string{"pullsecrets/rule": "hub", "pullsecrets/source": "elsewhere/hub"})
		_, err := s.client.Resource(secrets).Namespace(ns).Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
		must(t, err)
		account := object("v1", "ServiceAccount", ns, "default")
		account.SetAnnotations(map[string]string{"pullsecrets/added": s.name("old")})
		account.Object["imagePullSecrets"] = []any{map[string]any{"name": s.name("old")}}
		_, err = s.client.Resource(accounts).Namespace(ns).Apply(s.ctx, "default", account, metav1.ApplyOptions{FieldManager: "pullsecrets", Force: true})
		must(t, err)
	}
	rules := s.expand(`
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXafter-*"]}
`)
	s.grant(rules)
	token := s.token()
	r := s.start(with(token)) // there is no status yet, so what was in use is asked of the ledgers
	s.revised("Ready", rules)
	s.wantList(tenant, "default", "+reg")
	s.merge(accounts, tenant, "default", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/added":%q}}}`, s.ledger(tenant, "reg", "bogus")))
	for _, name := range []string{"old", "bogus"} {
		s.eventually(name+" is told once", func() error {
			if n := len(r.lines("may not be listed and watched", s.name(name)+" in their ledgers")); n != 1 {
				return fmt.Errorf("%d lines", n)
			}
			return nil
		})
	}
	check := func() {
		s.after()
		s.wantStatus("Ready")
		for _, ns := range []string{others, both} {
			list, err := s.listOf(ns, "default")
			ledger := s.get(accounts, ns, "default").GetAnnotations()["pullsecrets/added"]
			if err != nil || !slices.Contains(list, s.name("old")) || !strings.HasPrefix(ledger, s.name("old")) {
				t.Errorf("%s has %v, and noted %q: %v", ns, list, ledger, err)
			}
		}
		names, _, _ := unstructured.NestedString(s.get(configMaps, home, "pullsecrets-status").Object, "data", "names")
		if names != s.name("reg") {
			t.Errorf("names in use: %q", names)
		}
	}
	check()
	r.stop()
	s.start(with(token))
	check()
}

// TestRbacFromStatusKeepsTheNamesInUse asks the cluster for what the policy that is to come no longer tells.
func TestRbacFromStatusKeepsTheNamesInUse(t *testing.T) {
	s := newSandbox(t)
	s.alone()
	s.source("hub", credential("hub.example", "one"))
	s.wantCopies(oneRule, s.namespace("a"))
	var out, errs bytes.Buffer
	next := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"
	status := cli.Main(s.ctx, []string{"rbac", "-f", "-", "-from-status", "-kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG")},
		strings.NewReader(next), &out, &errs)
	want := "  resourceNames:\n  - " + s.name("reg") + "\n  resources:\n  - secrets\n"
	if status != 0 || errs.Len() > 0 || !strings.Contains(out.String(), want) {
		t.Errorf("exit %d, %s, want %q in\n%s", status, errs.String(), want, out.String())
	}
}

// wantCopies runs a controller until it has made the copies of a policy.
func (s *sandbox) wantCopies(rules, ns string) {
	s.t.Helper()
	r := s.start()
	s.revised("Ready", rules)
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	r.stop()
}

// wantProblem waits until status.json has one problem, with a secret of this name in so many namespaces.
func (s *sandbox) wantProblem(name string, in int) {
	s.t.Helper()
	s.eventually("the status counts the namespaces", func() error {
		text, _, _ := unstructured.NestedString(s.get(configMaps, home, "pullsecrets-status").Object, "data", "status.json")
		for _, want := range []string{`"problemCount": 1`, fmt.Sprintf(`"name": %q`, name), fmt.Sprintf(`"namespaces": %d,`, in)} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%s is missing in %s", want, text)
			}
		}
		return nil
	})
}
