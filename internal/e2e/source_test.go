package e2e

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestTheSourceIsNeverWritten(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("other", api.Credential("other.example", "two"))
	ns := s.Namespace("a")
	s.Start()
	before := s.Get(api.Secrets, api.Home, "hub")
	// Both rules match the controller's own namespace; the second would overwrite the source of the first there.
	s.Revised("Degraded", `
- name: own
  secrets: [{source: {name: hub}}]
  namespaces: {include: ["PREFIX*", pullsecrets]}
  serviceAccounts: {include: []}
- name: other
  secrets: [{source: {name: other}, name: hub}]
  namespaces: {include: [pullsecrets]}
  serviceAccounts: {include: []}
  force: true
`)
	s.Eventually("the namespace has its copy", func() error {
		u, err := s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, "hub", metav1.GetOptions{})
		if err == nil && api.Content(u) != api.Credential("hub.example", "one") {
			err = errors.New("other content")
		}
		return err
	})
	s.Revised("Ready", harness.NoRules)
	if got := s.Get(api.Secrets, api.Home, "hub"); got.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the source was written")
	}
}

func TestASourceThatIsMissingOrBrokenKeepsTheCopies(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	s.Start()
	s.Policy(harness.OneRule)
	s.WantStatus("Degraded", "rule hub", "the source secret does not exist", "SourceMissing")
	s.WantList(ns, "default")
	s.Source("hub", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
	before := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantStatus("Ready")

	for _, broken := range []struct{ why, patch, status string }{
		{"no registry host", `{"data":{".dockerconfigjson":"e30="}}`, "NoRegistry"},
		{"no JSON of the right shape", `{"data":{".dockerconfigjson":"eyJhdXRocyI6W119"}}`, ""},
	} {
		u, err := s.Client.Resource(api.Secrets).Namespace(api.Home).Patch(s.Ctx, "hub", "application/merge-patch+json", []byte(broken.patch), metav1.PatchOptions{})
		if err != nil {
			continue // the API server refused it itself
		}
		_ = u
		s.WantStatus("Degraded", "SourceInvalid", broken.status)
		s.WantList(ns, "default", "+reg")
	}
	s.Delete(api.Secrets, api.Home, "hub")
	s.WantStatus("Degraded", "SourceMissing")
	opaque := api.Object("v1", "Secret", api.Home, "hub")
	opaque.Object["type"] = "Opaque"
	s.Create(api.Secrets, opaque)
	s.WantStatus("Degraded", "SourceInvalid", "WrongType")
	s.WantList(ns, "default", "+reg")
	if after := s.WantCopy(ns, "reg", api.Credential("hub.example", "one")); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("the copy was written while its source was broken")
	}
	s.Delete(api.Secrets, api.Home, "hub")
	s.Source("hub", api.Credential("hub.example", "two"))
	if after := s.WantCopy(ns, "reg", api.Credential("hub.example", "two")); after.GetUID() != before.GetUID() {
		t.Error("the copy was re-created when its source was")
	}
	s.WantStatus("Ready")
}

// badSource is a value of a source that is of no use to the kubelet, and what is said of it.
type badSource struct{ why, value, defect, cause string }

// The kubelet fails every pull of every pod that names a secret which it cannot parse.
func TestASourceThatTheKubeletRefusesKeepsTheCopies(t *testing.T) {
	wantSourceRefused(t,
		badSource{"auth is not base64", `{"auths":{"hub.example":{"auth":"robot:two"}}}`, "BadAuth", "auth of hub.example is not base64"},
		badSource{"auth is a token alone", `{"auths":{"hub.example":{"auth":"QUtDcC10b2tlbi1hbG9uZQ=="}}}`, "BadAuth", "auth of hub.example is base64 of a text without a colon"},
		badSource{"auth is base64 for URLs", `{"auths":{"hub.example":{"auth":"dXNlcjE6cGFzc3d-cmQ"}}}`, "BadAuth", "auth of hub.example is base64 of the alphabet for URLs"},
		badSource{"a number", `{"auths":{"hub.example":{"username":"robot","password":20261126}}}`, "BadField", "password of hub.example is a number"})
}

// Nothing is to be gained from a source without a single credential.
func TestASourceWithoutACredentialKeepsTheCopies(t *testing.T) {
	const empty = "there is no username, password or auth for hub.example"
	wantSourceRefused(t,
		badSource{"a credential store", `{"auths":{"https://index.docker.io/v1/":{},"hub.example":{}},"credsStore":"desktop"}`, "NoCredential", "credential store (credsStore)"},
		badSource{"null", `{"auths":{"hub.example":null}}`, "NoCredential", empty},
		badSource{"a template", `{"auths":{"hub.example":{"username":"robot","password":"${PASSWORD}"}}}`, "NotRendered", "password of hub.example is a template"},
		badSource{"empty values", `{"auths":{"hub.example":{"username":"","password":"","auth":""}}}`, "NoCredential", empty},
		badSource{"the other form", `{"hub.example":{"auth":"cm9ib3Q6dHdv"}}`, "NoRegistry", "this is the form of kubernetes.io/dockercfg"})
}

// wantSourceRefused has a good source turn into bad ones, one after the other, and into a good one again. There are few,
// because a status that changes more often is written more slowly.
func wantSourceRefused(t *testing.T, values ...badSource) {
	t.Helper()
	s := newSandbox(t)
	ns := s.Namespace("a")
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Start()
	s.Policy(harness.OneRule)
	before := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Ready")
	for _, bad := range values {
		s.Source("hub", bad.value)
		s.WantStatus("Degraded", "SourceInvalid", bad.defect, bad.cause)
		s.WantList(ns, "default", "+reg")
		if after := s.WantCopy(ns, "reg", api.Credential("hub.example", "one")); after.GetResourceVersion() != before.GetResourceVersion() {
			t.Errorf("%s: the copy was written", bad.why)
		}
		if _, text, errs := s.Command("explain", "-kubeconfig", s.Kubeconfig, ns); !strings.Contains(text, bad.cause) {
			t.Errorf("%s: explain does not tell it:\n%s%s", bad.why, text, errs)
		}
	}
	s.Source("hub", api.Credential("hub.example", "two"))
	if after := s.WantCopy(ns, "reg", api.Credential("hub.example", "two")); after.GetUID() != before.GetUID() {
		t.Error("the copy was made anew")
	}
	s.WantStatus("Ready")
}

// Go's JSON, and so the kubelet, ignores the case of keys, and auth is username:password.
func TestTheSameCredentialInAnotherFormIsEqual(t *testing.T) {
	s := newSandbox(t)
	login, template, caps := s.Namespace("login"), s.Namespace("template"), s.Namespace("caps")
	s.Source("hub", api.Credential("hub.example", "one"))
	for ns, value := range map[string]string{
		login:    `{"auths":{"hub.example":{"auth":"cm9ib3Q6b25l"}}}`,
		template: `{"auths":{"hub.example":{"username":"robot","password":"one"}}}`,
		caps:     `{"Auths":{"hub.example":{"Username":"robot","Password":"one","email":"robot@hub.example"}}}`,
	} {
		s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), value))
	}
	s.Start()
	s.Policy(harness.Forced)
	s.WantStatus("Ready")
	for _, ns := range []string{login, template, caps} {
		s.WantList(ns, "default", "+reg")
		if fields := s.Get(api.Secrets, ns, s.Name("reg")).GetManagedFields(); len(fields) != 1 || fields[0].Manager != "somebody" {
			t.Errorf("%s: the secret was written: %v", ns, fields)
		}
	}
	s.Source("hub", `{"AUTHS":{"hub.example":{"AUTH":"cm9ib3Q6dHdv"}}}`)
	s.WantCopy(login, "reg", `{"AUTHS":{"hub.example":{"AUTH":"cm9ib3Q6dHdv"}}}`)
}
