package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// wantRules waits until these parameters exist, each as RULE: NAMES.
func (s *sandbox) wantRules(want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the parameters are %v", want), func() error {
		list, err := s.client.Resource(admissionRules).Namespace(home).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		got := []string{}
		for _, u := range list.Items {
			if u.GetName() == "admission-probe" {
				continue
			}
			line := u.GetName() + ":"
			names, _, _ := unstructured.NestedSlice(u.Object, "spec", "names")
			for _, n := range names {
				if n.(map[string]any)["add"] != true { // promised where the copy is
					continue
				}
				line += " " + strings.TrimPrefix(n.(map[string]any)["name"].(string), s.prefix)
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	s.seen()
}

// wantBorn waits until an account of this name would be born with these names of the sandbox, in any order.
func (s *sandbox) wantBorn(ns, account string, want ...string) {
	s.t.Helper()
	expected := []string{}
	for _, short := range want {
		expected = append(expected, s.name(short))
	}
	slices.Sort(expected)
	s.eventually(fmt.Sprintf("%s/%s is born with %v", ns, account, expected), func() error {
		if diff := cmp.Diff(expected, append([]string{}, slices.Sorted(slices.Values(s.born(ns, account)))...)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// wantNothingOfOurs waits until an account has neither a name nor a mark of ours.
func (s *sandbox) wantNothingOfOurs(ns, account string) {
	s.t.Helper()
	s.eventually("nothing of ours is left on "+ns+"/"+account, func() error {
		u, err := s.client.Resource(accounts).Namespace(ns).Get(s.ctx, account, metav1.GetOptions{})
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

const twoRules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: ["*"]}
- name: more
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`

func TestAdmissionFollowsThePolicyAndLeavesNothingStale(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "one"))
	ns := s.namespace("a")
	r := s.start()

	s.revised("Ready", twoRules)
	s.wantRules("hub: reg", "more: reg ghcr")
	s.wantList(ns, "default", "+reg", "+ghcr")
	s.wantBorn(ns, "ci", "reg")
	later := s.namespace("b")
	s.wantLedger(later, "default", "ghcr", "reg")
	s.wantCopy(later, "ghcr", credential("ghcr.example", "one"))

	s.revised("Ready", oneRule)
	s.wantRules("hub: reg")
	for _, ns := range []string{ns, later} {
		s.wantNoCopy(ns, "ghcr")
		s.wantList(ns, "default", "+reg")
		s.wantLedger(ns, "default", "reg")
	}
	s.merge(accounts, later, "default", `{"metadata":{"annotations":{"pullsecrets/exclude":"true"}}}`)
	s.wantNothingOfOurs(later, "default")
	s.merge(namespaces, "", ns, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"true"}}}`)
	s.wantNothingOfOurs(ns, "default")
	s.wantNoCopy(ns, "reg")
	s.merge(namespaces, "", ns, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":null}}}`)
	s.wantList(ns, "default", "+reg")

	s.revised("Ready", noRules)
	s.wantRules()
	s.wantNothingOfOurs(ns, "default")
	s.wantNoCopy(ns, "reg")
	s.wantNoCopy(later, "reg")
	if lines := r.reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
}

// wantLedger waits until the ledger of an account holds these names of the sandbox, in any order.
func (s *sandbox) wantLedger(ns, account string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the ledger of %s/%s is %v", ns, account, want), func() error {
		u, err := s.client.Resource(accounts).Namespace(ns).Get(s.ctx, account, metav1.GetOptions{})
		if err != nil {
			return err
		}
		got := slices.Clone(cluster.Installation{Home: home}.NotedOn(cluster.NewServiceAccount(u)))
		for i, name := range got {
			got[i] = strings.TrimPrefix(name, s.prefix)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

func TestANameIsPromisedWhereItsCopyWillCome(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns, taken := s.namespace("a"), s.namespace("b")
	s.create(secrets, secret(taken, s.name("reg"), credential("theirs.example", "x")))
	s.start()
	s.revised("Degraded", twoRules) // ghcr has no source, and somebody's secret is in the way
	s.wantRules("hub: reg", "more: reg")
	s.wantBorn(ns, "ci", "reg")
	s.wantBorn(taken, "ci")

	s.source("ghcr", credential("ghcr.example", "one"))
	s.wantRules("hub: reg", "more: reg ghcr")
	s.wantList(ns, "default", "+reg", "+ghcr")
	s.delete(secrets, taken, s.name("reg"))
	s.wantCopy(taken, "reg", credential("hub.example", "one"))
	s.wantBorn(taken, "ci", "reg")
	s.wantStatus("Ready")

	s.delete(secrets, home, "ghcr")
	s.wantRules("hub: reg", "more: reg")
	s.wantList(ns, "default", "+reg", "+ghcr") // missing is not empty
	s.wantStatus("Degraded")
}

func TestTheComponentComesAndGoesUnderARunningController(t *testing.T) {
	s := newSandbox(t)
	s.admission = true
	s.source("hub", credential("hub.example", "one"))
	r := s.start()
	s.revised("Degraded", oneRule+"  serviceAccounts: {include: [\"*\"]}")
	s.wantStatus("Degraded", "install kustomize/components/admission")
	s.wantList(s.namespace("alone"), "default", "+reg") // the controller carries on without it
	if lines := r.lines(`"level":"warn"`, "components/admission"); len(lines) != 1 {
		t.Errorf("it is said %d times:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	s.eventually("an Event says so", func() error {
		list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if message, _, _ := unstructured.NestedString(e.Object, "message"); strings.Contains(message, "components/admission") {
				return nil
			}
		}
		return errors.New("none does")
	})
	t.Cleanup(s.removeComponent)
	for range 2 {
		s.applyComponent()
		s.wantRules("hub: reg")
		s.wantStatus("Ready")
		s.wantBorn(s.namespace(fmt.Sprintf("with-%d", revisions)), "ci", "reg")
		revisions++
		s.removeComponent()
		s.wantStatus("Degraded", "components/admission")
		s.wantList(s.namespace(fmt.Sprintf("without-%d", revisions)), "default", "+reg")
	}
}

// TestAnAPIServerBeforeMutatingPoliciesIsToldOf has the parameters' CRD where nothing acts on them.
func TestAnAPIServerBeforeMutatingPoliciesIsToldOf(t *testing.T) {
	s := newSandbox(t)
	s.component()
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.admission = true
	s.mutates = func(context.Context) (bool, error) { return false, nil }
	r := s.start()
	s.revised("Degraded", oneRule)
	s.wantStatus("Degraded", "AdmissionAbsent", "needs Kubernetes 1.36")
	s.wantList(ns, "default", "+reg")
	s.wantRules()
	if lines := r.lines("does not know MutatingAdmissionPolicy"); len(lines) != 1 {
		t.Errorf("it is said %d times", len(lines))
	}
	r.stop()
	s.mutates = func(context.Context) (bool, error) { return true, nil }
	s.start()
	s.wantRules("hub: reg")
	s.wantStatus("Ready")
}

func TestPurgeRemovesTheParametersFirst(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	r.stop()

	s.wantRules("hub: reg")
	born := s.namespace("born-without-us") // what is installed keeps working
	s.wantList(born, "default", "+reg")
	p, err := s.purge()
	must(t, err)
	must(t, p.Run(s.ctx))
	s.wantNothingOfOurs(ns, "default")
	s.wantNothingOfOurs(born, "default")
	s.wantNoCopy(ns, "reg")
	if list, err := s.client.Resource(admissionRules).Namespace(home).List(s.ctx, metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("parameters are left: %v, %v", list, err)
	}
}

// TestTheControllersOwnTokenIsEnoughForAdmission has the controller write and delete parameters under the roles that
// pullsecrets rbac -admission prints, and nothing of the policy or its binding.
func TestTheControllersOwnTokenIsEnoughForAdmission(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.grant(oneRule)
	r := s.start(with(s.token()))
	s.revised("Ready", oneRule)
	s.wantRules("hub: reg")
	s.wantList(ns, "default", "+reg")
	s.revised("Ready", noRules)
	s.wantRules()
	s.wantNothingOfOurs(ns, "default")
	if lines := r.reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}

	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	s.seen()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: %s}\nimagePullSecrets: [{name: theirs}]\n", ns)
	if out, err := s.kubectl(manifest, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		t.Fatal(err, out)
	}
	// The API server sorts field managers by the second of their last write, so the first apply in a later second than
	// that of the other managers may move its own.
	s.eventually("an apply changes nothing", func() error {
		before := s.get(accounts, ns, "default")
		if err := appliers["kubectl apply --server-side"](s, ns, manifest); err != nil { // and never again a conflict
			t.Fatal(err)
		}
		if after := s.get(accounts, ns, "default"); after.GetResourceVersion() != before.GetResourceVersion() {
			return fmt.Errorf("%v became %v", before.Object, after.Object)
		}
		return nil
	})
}

// TestWhileAPruneIsHeldItsPromiseStays because without it the next apply of somebody else's list would remove the name.
func TestWhileAPruneIsHeldItsPromiseStays(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	var last string
	for i := range 12 {
		last = s.namespace(fmt.Sprintf("n%d", i))
	}
	s.start()
	s.revised("Ready", oneRule)
	s.wantRules("hub: reg")
	s.wantList(last, "default", "+reg")
	s.revised("Degraded", strings.ReplaceAll(oneRule, "name: hub\n", "name: other\n")+"  serviceAccounts: {include: [ci]}\n")
	s.wantRules("hub: reg", "other: reg")
	s.wantBorn(last, "ci", "reg")
	s.merge(accounts, last, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.wantList(last, "default", "theirs", "+reg")

	observed := s.get(configMaps, home, "pullsecrets-policy").GetAnnotations()["pullsecrets/observed"]
	s.merge(configMaps, home, "pullsecrets-policy", `{"metadata":{"annotations":{"pullsecrets/confirm-prune":"`+observed+`"}}}`)
	s.wantRules("other: reg")
	s.wantList(last, "default", "theirs")
	s.wantStatus("Ready")
}
