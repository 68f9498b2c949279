package e2e

import (
	"os"
	"strings"
	"testing"
)

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
	ns := s.namespace("a")
	s.source("hub", credential("hub.example", "one"))
	s.start()
	s.policy(oneRule)
	before := s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
	s.wantStatus("Ready")
	for _, bad := range values {
		s.source("hub", bad.value)
		s.wantStatus("Degraded", "SourceInvalid", bad.defect, bad.cause)
		s.wantList(ns, "default", "+reg")
		if after := s.wantCopy(ns, "reg", credential("hub.example", "one")); after.GetResourceVersion() != before.GetResourceVersion() {
			t.Errorf("%s: the copy was written", bad.why)
		}
		if _, text, errs := s.command("explain", "-kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), ns); !strings.Contains(text, bad.cause) {
			t.Errorf("%s: explain does not tell it:\n%s%s", bad.why, text, errs)
		}
	}
	s.source("hub", credential("hub.example", "two"))
	if after := s.wantCopy(ns, "reg", credential("hub.example", "two")); after.GetUID() != before.GetUID() {
		t.Error("the copy was made anew")
	}
	s.wantStatus("Ready")
}

// Go's JSON, and so the kubelet, ignores the case of keys, and auth is username:password.
func TestTheSameCredentialInAnotherFormIsEqual(t *testing.T) {
	s := newSandbox(t)
	login, template, caps := s.namespace("login"), s.namespace("template"), s.namespace("caps")
	s.source("hub", credential("hub.example", "one"))
	for ns, value := range map[string]string{
		login:    `{"auths":{"hub.example":{"auth":"cm9ib3Q6b25l"}}}`,
		template: `{"auths":{"hub.example":{"username":"robot","password":"one"}}}`,
		caps:     `{"Auths":{"hub.example":{"Username":"robot","Password":"one","email":"robot@hub.example"}}}`,
	} {
		s.create(secrets, secret(ns, s.name("reg"), value))
	}
	s.start()
	s.policy(forced)
	s.wantStatus("Ready")
	for _, ns := range []string{login, template, caps} {
		s.wantList(ns, "default", "+reg")
		if fields := s.get(secrets, ns, s.name("reg")).GetManagedFields(); len(fields) != 1 || fields[0].Manager != "somebody" {
			t.Errorf("%s: the secret was written: %v", ns, fields)
		}
	}
	s.source("hub", `{"AUTHS":{"hub.example":{"AUTH":"cm9ib3Q6dHdv"}}}`)
	s.wantCopy(login, "reg", `{"AUTHS":{"hub.example":{"AUTH":"cm9ib3Q6dHdv"}}}`)
}
