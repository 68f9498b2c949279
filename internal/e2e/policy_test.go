package e2e

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestABadEditLeavesTheLastGoodPolicyInForceAndIsReported(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Revised("Invalid", harness.OneRule+"\n  namspaces: {}\n")
	s.WantStatus("Invalid", `unknown field "namspaces": did you mean "namespaces"?`, "line")
	other := s.Namespace("b")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "+reg")
	if len(r.Lines("the policy was refused; the last good policy stays in force", "namspaces")) != 1 {
		t.Error("the log does not say it exactly once")
	}
	s.Eventually("there is an Event on the ConfigMap", func() error {
		list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
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
	s.Revised("Ready", harness.OneRule)
}

// TestAPolicyThatIsNoTextIsRefusedWithTheCause: kubectl puts a file that is not UTF-8 under binaryData.
func TestAPolicyThatIsNoTextIsRefusedWithTheCause(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	good := s.Get(api.ConfigMaps, api.Home, "pullsecrets-policy").Object["data"].(map[string]any)["policy.yaml"].(string)
	asPowerShell := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(good)) {
		asPowerShell = binary.LittleEndian.AppendUint16(asPowerShell, unit)
	}
	put := func(content []byte) {
		s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy",
			fmt.Sprintf(`{"data": null, "binaryData": {"policy.yaml": %q}}`, base64.StdEncoding.EncodeToString(content)))
	}
	put(asPowerShell)
	s.WantStatus("Invalid", "the last good policy stays in force", "binaryData/policy.yaml", "UTF-16", "Out-File -Encoding utf8")
	other := s.Namespace("b")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "+reg")
	kubeconfig := s.Kubeconfig
	if status, _, errs := s.Command("plan", "-kubeconfig", kubeconfig); status != 2 || !strings.Contains(errs, "is UTF-16") {
		t.Errorf("plan ended with %d: %s", status, errs)
	}
	if status, text, errs := s.Command("explain", "-kubeconfig", kubeconfig, ns); status != 0 || !strings.Contains(text, "is UTF-16") {
		t.Errorf("explain ended with %d: %s%s", status, text, errs)
	}
	if status, _, errs := s.Command("plan", "-kubeconfig", kubeconfig, "-cluster", s.Dump()); status != 2 || !strings.Contains(errs, "is UTF-16") {
		t.Errorf("plan of a dump ended with %d: %s", status, errs)
	}
	put([]byte(good)) // another text is judged anew
	s.WantStatus("Invalid", "stands under binaryData", "under data only")
	if n := len(r.Lines("there is no policy")); n > 0 {
		t.Errorf("it said %d times that there is no policy", n)
	}
	s.Merge(api.ConfigMaps, api.Home, "pullsecrets-policy", `{"binaryData": null}`)
	s.Revised("Ready", harness.OneRule)
}

func TestTheLastGoodPolicySurvivesARestart(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	r.Stop()
	s.PolicyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: {}\n")
	r = s.Start()
	s.WantStatus("Invalid", "rules: line 3")
	other := s.Namespace("b")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "+reg")

	r.Stop()
	s.Delete(api.ConfigMaps, api.Home, "pullsecrets-policy")
	s.Start()
	other = s.Namespace("c")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "+reg")
}

func TestAMissingPolicyIsWaitedForAndADeletedOneRemovesNothing(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Eventually("it is ready without a policy, and says that it waits", func() error {
		if !r.Controller.Ready() || len(r.Lines("there is no policy ConfigMap pullsecrets/pullsecrets-policy", "waiting for one")) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
	s.Policy(harness.OneRule)
	s.WantList(ns, "default", "+reg")
	s.Delete(api.ConfigMaps, api.Home, "pullsecrets-policy")
	s.Eventually("it says that the policy is gone", func() error {
		if len(r.Lines("there is no policy ConfigMap", "the last good policy stays in force")) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
	other := s.Namespace("b")
	s.WantList(other, "default", "+reg")
	s.WantList(ns, "default", "+reg")
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.Revised("Ready", harness.OneRule)
}

// Somebody deletes the status while we are away, and a rule goes too: what the ledgers name is still ours.
func TestALostStatusIsRecoveredFromTheLedgers(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	r.Stop()
	s.Delete(api.ConfigMaps, api.Home, "pullsecrets-status")
	s.Policy(harness.NoRules)
	s.Start()
	s.WantList(ns, "default")
	s.WantNoCopy(ns, "reg")
	s.WantStatus("Ready")
}
