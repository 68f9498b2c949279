package e2e

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestABadEditLeavesTheLastGoodPolicyInForceAndIsReported(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	s.revised("Invalid", oneRule+"\n  namspaces: {}\n")
	s.wantStatus("Invalid", `unknown field "namspaces": did you mean "namespaces"?`, "line")
	other := s.namespace("b")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "+reg")
	if len(r.lines("the policy was refused; the last good policy stays in force", "namspaces")) != 1 {
		t.Error("the log does not say it exactly once")
	}
	s.eventually("there is an Event on the ConfigMap", func() error {
		list, err := s.client.Resource(events).Namespace(home).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			message, _ := e.Object["message"].(string)
			if e.Object["reason"] == "Invalid" && e.Object["type"] == "Warning" && strings.Contains(message, "namspaces") {
				return nil
			}
		}
		return fmt.Errorf("none of %d events", len(list.Items))
	})
	s.revised("Ready", oneRule)
}

// TestAPolicyThatIsNoTextIsRefusedWithTheCause: kubectl puts a file that is not UTF-8 under binaryData.
func TestAPolicyThatIsNoTextIsRefusedWithTheCause(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	good := s.get(configMaps, home, "pullsecrets-policy").Object["data"].(map[string]any)["policy.yaml"].(string)
	asPowerShell := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(good)) {
		asPowerShell = binary.LittleEndian.AppendUint16(asPowerShell, unit)
	}
	put := func(content []byte) {
		s.merge(configMaps, home, "pullsecrets-policy",
			fmt.Sprintf(`{"data": null, "binaryData": {"policy.yaml": %q}}`, base64.StdEncoding.EncodeToString(content)))
	}
	put(asPowerShell)
	s.wantStatus("Invalid", "the last good policy stays in force", "binaryData/policy.yaml", "UTF-16", "Out-File -Encoding utf8")
	other := s.namespace("b")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "+reg")
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if status, _, errs := s.command("plan", "-kubeconfig", kubeconfig); status != 2 || !strings.Contains(errs, "is UTF-16") {
		t.Errorf("plan ended with %d: %s", status, errs)
	}
	if status, text, errs := s.command("explain", "-kubeconfig", kubeconfig, ns); status != 0 || !strings.Contains(text, "is UTF-16") {
		t.Errorf("explain ended with %d: %s%s", status, text, errs)
	}
	if status, _, errs := s.command("plan", "-kubeconfig", kubeconfig, "-cluster", s.dump()); status != 2 || !strings.Contains(errs, "is UTF-16") {
		t.Errorf("plan of a dump ended with %d: %s", status, errs)
	}
	put([]byte(good)) // another text is judged anew
	s.wantStatus("Invalid", "stands under binaryData", "under data only")
	if n := len(r.lines("there is no policy")); n > 0 {
		t.Errorf("it said %d times that there is no policy", n)
	}
	s.merge(configMaps, home, "pullsecrets-policy", `{"binaryData": null}`)
	s.revised("Ready", oneRule)
}

func TestTheLastGoodPolicySurvivesARestart(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	r.stop()
	s.policyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: {}\n")
	r = s.start()
	s.wantStatus("Invalid", "rules: line 3")
	other := s.namespace("b")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "+reg")

	r.stop()
	s.delete(configMaps, home, "pullsecrets-policy")
	s.start()
	other = s.namespace("c")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "+reg")
}

func TestAMissingPolicyIsWaitedForAndADeletedOneRemovesNothing(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.eventually("it is ready without a policy, and says that it waits", func() error {
		if !r.c.Ready() || len(r.lines("there is no policy ConfigMap pullsecrets/pullsecrets-policy", "waiting for one")) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
	s.policy(oneRule)
	s.wantList(ns, "default", "+reg")
	s.delete(configMaps, home, "pullsecrets-policy")
	s.eventually("it says that the policy is gone", func() error {
		if len(r.lines("there is no policy ConfigMap", "the last good policy stays in force")) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
	other := s.namespace("b")
	s.wantList(other, "default", "+reg")
	s.wantList(ns, "default", "+reg")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.revised("Ready", oneRule)
}

func TestWhatWasRemovedWhileTheControllerWasDownIsPruned(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "two"))
	ns := s.namespace("a")
	r := s.start()
	both := oneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.revised("Ready", both)
	s.wantList(ns, "default", "+reg", "+ghcr")
	r.stop()
	s.policy(oneRule)
	r = s.start()
	s.wantList(ns, "default", "+reg")
	s.wantNoCopy(ns, "ghcr")
	s.wantNames("+reg")
	r.stop()

	s.delete(secrets, home, "hub") // the source of a rule that is gone is no reason to keep its copies
	s.policy(noRules)
	s.start()
	s.wantList(ns, "default")
	s.wantNoCopy(ns, "reg")
	s.wantNames()
}

// wantNames waits until the status ConfigMap lists exactly these copy names as in use.
func (s *sandbox) wantNames(want ...string) {
	s.t.Helper()
	for i := range want {
		want[i] = s.name(strings.TrimPrefix(want[i], "+"))
	}
	s.eventually("the names in use are right", func() error {
		u, err := s.client.Resource(configMaps).Namespace(home).Get(s.ctx, "pullsecrets-status", metav1.GetOptions{})
		if err != nil {
			return err
		}
		names, _ := u.Object["data"].(map[string]any)["names"].(string)
		if names != strings.Join(want, "\n") {
			return fmt.Errorf("names: %q, want %q", names, want)
		}
		return nil
	})
}

func TestASourceThatIsMissingOrBrokenKeepsTheCopies(t *testing.T) {
	s := newSandbox(t)
	ns := s.namespace("a")
	s.start()
	s.policy(oneRule)
	s.wantStatus("Degraded", "rule hub", "the source secret does not exist", "SourceMissing")
	s.wantList(ns, "default")
	s.source("hub", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
	before := s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantStatus("Ready")

	for _, broken := range []struct{ why, patch, status string }{
		{"no registry host", `{"data":{".dockerconfigjson":"e30="}}`, "NoRegistry"},
		{"no JSON of the right shape", `{"data":{".dockerconfigjson":"eyJhdXRocyI6W119"}}`, ""},
	} {
		u, err := s.client.Resource(secrets).Namespace(home).Patch(s.ctx, "hub", "application/merge-patch+json", []byte(broken.patch), metav1.PatchOptions{})
		if err != nil {
			continue // the API server refused it itself
		}
		_ = u
		s.wantStatus("Degraded", "SourceInvalid", broken.status)
		s.wantList(ns, "default", "+reg")
	}
	s.delete(secrets, home, "hub")
	s.wantStatus("Degraded", "SourceMissing")
	opaque := object("v1", "Secret", home, "hub")
	opaque.Object["type"] = "Opaque"
	s.create(secrets, opaque)
	s.wantStatus("Degraded", "SourceInvalid", "WrongType")
	s.wantList(ns, "default", "+reg")
	if after := s.wantCopy(ns, "reg", credential("hub.example", "one")); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the copy was written while its source was broken")
	}
	s.delete(secrets, home, "hub")
	s.source("hub", credential("hub.example", "two"))
	if after := s.wantCopy(ns, "reg", credential("hub.example", "two")); after.GetUID() != before.GetUID() {
		t.Error("the copy was re-created when its source was")
	}
	s.wantStatus("Ready")
}
