package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// ownCredential is the rule of the one namespace, which stands before harness.OneRule.
const ownCredential = `
- name: own
  secrets: [{source: {name: own}, name: PREFIXreg}]
  namespaces: {include: ["PREFIXshop"]}
  override: true
`

// wantNoTrouble holds that the policy and its status ConfigMap have no Event but those that say it is Ready, and that nothing was
// complained of.
func (s *sandbox) wantNoTrouble(r *harness.Running) {
	s.T.Helper()
	list, err := s.Client.Resource(api.Events).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
	harness.Must(s.T, err)
	for _, e := range list.Items {
		if e.Object["type"] != "Normal" || e.Object["reason"] != "Ready" {
			s.T.Errorf("an Event: %v %v: %v", e.Object["type"], e.Object["reason"], e.Object["message"])
		}
	}
	if lines := r.Reported(); len(lines) > 0 {
		s.T.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
	r.WantMetrics(`pullsecrets_policy_state{state="Ready"} 1`)
	s.Eventually("the status has no problems", func() error {
		data, _ := s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); !strings.Contains(text, `"problemCount": 0`) {
			return fmt.Errorf("it says %s", text)
		}
		return nil
	})
}

// One namespace has a credential of its own. That comes and goes in place, by either way to pods, and is no trouble.
func TestOneNamespaceHasACredentialOfItsOwn(t *testing.T) {
	for _, attach := range []string{"", "  attach: pods\n"} {
		t.Run("attach"+strings.TrimSpace(attach), func(t *testing.T) {
			start := newSandbox
			if attach != "" {
				start = newAdmissionSandbox
			}
			s := start(t)
			hub, own := api.Credential("hub.example", "everybody's"), api.Credential("hub.example", "their own")
			s.Source("hub", hub)
			s.Source("own", own)
			shop, other := s.Namespace("shop"), s.Namespace("other")
			general, exception := harness.OneRule+attach, ownCredential+attach
			names := func(ns string) {
				t.Helper()
				if attach == "" {
					s.WantList(ns, "default", "+reg")
					s.WantLedger(ns, "default", "reg")
					return
				}
				s.WantPod(ns, "default", []string{"theirs"}, "theirs", "+reg")
				s.WantNothingOfOurs(ns, "default")
			}
			r := s.Start()
			s.Revised("Ready", general)
			first := s.WantCopy(shop, "reg", hub)
			names(shop)
			account := s.Get(api.Accounts, shop, "default")
			for _, c := range []struct {
				why, rules, content, rule string
			}{
				{"the exception comes", exception + general, own, "own"},
				{"it goes", general, hub, "hub"},
				{"it comes again", exception + general, own, "own"},
			} {
				s.Revised("Ready", c.rules)
				copied := s.WantCopy(shop, "reg", c.content)
				if copied.GetUID() != first.GetUID() || copied.GetAnnotations()["pullsecrets/rule"] != c.rule {
					t.Errorf("%s: the copy is %s of rule %s, and was %s", c.why, copied.GetUID(), copied.GetAnnotations()["pullsecrets/rule"], first.GetUID())
				}
				s.WantCopy(other, "reg", hub)
				names(shop)
				names(other)
				if now := s.Get(api.Accounts, shop, "default"); now.GetResourceVersion() != account.GetResourceVersion() {
					t.Errorf("%s: the account was written", c.why)
				}
			}
			s.WantStatus("Ready", "in force in all namespaces")
			s.wantNoTrouble(r)
			s.WantStatusOf("own", 1)
			s.WantStatusOf("hub", 1) // the other namespace's

			// Both sources rotate, each for its own.
			s.Source("hub", api.Credential("hub.example", "everybody's new one"))
			s.Source("own", api.Credential("hub.example", "their new one"))
			if copied := s.WantCopy(shop, "reg", api.Credential("hub.example", "their new one")); copied.GetUID() != first.GetUID() {
				t.Error("it was made anew")
			}
			s.WantCopy(other, "reg", api.Credential("hub.example", "everybody's new one"))

			r.Stop()
			before := s.Get(api.Secrets, shop, s.Name("reg"))
			r = s.Start()
			s.WantStatus("Ready", "in force in all namespaces")
			s.Untouched(before)
			s.wantNoTrouble(r)
		})
	}
}

// What the winner cannot give, the later rule does not give in its place.
func TestAWinnerWithoutASourceIsNotReplaced(t *testing.T) {
	s := newSandbox(t)
	hub, own := api.Credential("hub.example", "everybody's"), api.Credential("hub.example", "their own")
	s.Source("hub", hub)
	s.Source("own", own)
	rules := strings.ReplaceAll(ownCredential, `"PREFIXshop"`, `"PREFIXshop*"`) + harness.OneRule
	shop, other := s.Namespace("shop"), s.Namespace("other")
	s.Start()
	s.Revised("Ready", rules)
	before := s.WantCopy(shop, "reg", own)
	s.Delete(api.Secrets, api.Home, "own")
	s.WantStatus("Degraded", "rule own", "SourceMissing")
	late := s.Namespace("shop-late")
	s.Source("hub", api.Credential("hub.example", "new"))
	s.WantCopy(other, "reg", api.Credential("hub.example", "new")) // so it was looked at everything since
	s.WantCopy(s.Namespace("other-late"), "reg", api.Credential("hub.example", "new"))
	s.Untouched(before)
	s.WantNoCopy(late, "reg")
	s.WantNothingOfOurs(late, "default")

	s.Source("own", own)
	s.WantCopy(late, "reg", own)
	s.WantStatus("Ready")
	s.Untouched(before)
}

// Without override, the same rules are a conflict, which is warned of when the policy is read and a problem where it happens.
func TestAWinnerThatIsNotMeantIsAConflict(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "everybody's"))
	s.Source("own", api.Credential("hub.example", "their own"))
	shop := s.Namespace("shop")
	r := s.Start()
	s.Revised("Degraded", strings.Replace(ownCredential, "override: true", "override: false", 1)+harness.OneRule)
	s.WantCopy(shop, "reg", api.Credential("hub.example", "their own"))
	s.WantStatus("Degraded", "rule hub", "RuleConflict", "override: true")
	if len(r.Lines(`"level":"warn"`, "the first rule wins")) == 0 {
		t.Error("the log has no warning of the text")
	}
	s.Revised("Ready", ownCredential+harness.OneRule)

	s.Revised("Degraded", harness.OneRule+ownCredential) // too late to win
	s.WantCopy(shop, "reg", api.Credential("hub.example", "everybody's"))
	if len(r.Lines(`"level":"warn"`, "put this rule before that one")) == 0 {
		t.Error("the log does not say what to do")
	}
}

// TestTheExampleOfAnOwnCredential has the controller run the example of docs/policy.md, and plan and explain say of it what the
// page shows.
func TestTheExampleOfAnOwnCredential(t *testing.T) {
	s := newSandbox(t)
	page, err := os.ReadFile("../../docs/policy.md")
	harness.Must(t, err)
	example := regexp.MustCompile("(?s)```yaml\n# own.yaml\n(.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("the page has no own.yaml")
	}
	rules := string(example[1])
	_, rules, _ = strings.Cut(rules, "rules:\n")
	here := strings.NewReplacer("name: regcred", "name: PREFIXregcred", "[shop]", `["PREFIXshop"]`, `exclude: ["kube-*"]`, `include: ["PREFIX*"]`)
	s.Source("dockerhub", api.Credential("https://index.docker.io/v1/", "everybody's"))
	s.Source("dockerhub-shop", api.Credential("https://index.docker.io/v1/", "the shop's"))
	shop, web := s.Namespace("shop"), s.Namespace("web")
	s.Account(shop, "checkout")
	r := s.Start()
	s.Revised("Ready", "\n"+here.Replace(rules))
	s.WantCopy(shop, "regcred", api.Credential("https://index.docker.io/v1/", "the shop's"))
	s.WantCopy(web, "regcred", api.Credential("https://index.docker.io/v1/", "everybody's"))
	for _, account := range []string{"default", "checkout"} {
		s.WantList(shop, account, "+regcred")
	}
	s.wantNoTrouble(r)

	asOnThePage := strings.NewReplacer(s.Prefix, "")
	show := func(args ...string) string {
		t.Helper()
		_, out, errs := s.Command(append(args, "-kubeconfig", s.Kubeconfig)...)
		if errs != "" {
			t.Errorf("%v: %s", args, errs)
		}
		return asOnThePage.Replace(out)
	}
	if out := show("plan"); !strings.Contains(string(page), "$ pullsecrets plan\n"+out) {
		t.Errorf("the page shows another plan than\n%s", out)
	}
	said := regexp.MustCompile(`(?s)secret regcred: .*`).FindString(regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(show("explain", shop), "2026-11-27T14:00:00Z"))
	if said == "" || !strings.Contains(string(page), said) {
		t.Errorf("the page shows another explanation than\n%s", said)
	}
	if _, out, _ := s.Command("plan", "-o", "markdown", "-kubeconfig", s.Kubeconfig); !strings.Contains(out, "| everybody | meant | rule everybody, secret "+s.Name("regcred")+" (Overridden)") {
		t.Errorf("plan -o markdown does not tell it:\n%s", out)
	}
	var p struct{ Overridden []change }
	_, out, _ := s.Command("plan", "-o", "json", "-kubeconfig", s.Kubeconfig)
	harness.Must(t, json.Unmarshal([]byte(out), &p))
	if want := (change{Namespace: shop, Verb: "none", Kind: "Secret", Name: s.Name("regcred"), Rule: "everybody", Reason: "Overridden"}); len(p.Overridden) != 1 ||
		fmt.Sprint(p.Overridden[0]) != fmt.Sprint(want) {
		t.Errorf("plan -o json has %v, want %v", p.Overridden, want)
	}
}
