package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
)

const canary = "cAnArY-7fe1"

// TestNoCredentialLeavesOnAnyPath runs at the highest verbosity through the paths on which a secret comes back from
// the API server or is compared, and looks for it in everything that we write for people.
func TestNoCredentialLeavesOnAnyPath(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", canary))
	broken := secret(home, "broken", fmt.Sprintf(`{"auths":[%q]}`, canary))
	s.create(secrets, broken)
	s.source("urlish", fmt.Sprintf(`{"auths":{"https://robot:%s@hub.example/v1":{"auth":%q}}}`, canary, base64.StdEncoding.EncodeToString([]byte("robot:"+canary))))
	s.source("plain", fmt.Sprintf(`{"auths":{"plain.example":{"auth":"robot:%s"}}}`, canary))
	s.source("token", fmt.Sprintf(`{"auths":{"token.example":{"auth":%q}}}`, base64.StdEncoding.EncodeToString([]byte(canary))))
	s.source("store", fmt.Sprintf(`{"auths":{"store.example":{}},"credsStore":%q}`, canary))
	s.source("odd", fmt.Sprintf(`{"auths":{"odd.example":{"username":"robot","password":"%s\n"},"robot:%s@empty.example":{}}}`, canary, canary))

	foreign, denied, raced := s.namespace("foreign"), s.namespace("denied", "deny="+s.name("x")), s.namespace("raced")
	s.create(secrets, secret(foreign, s.name("reg"), fmt.Sprintf(`{"auths":{"%s@old.example":{"password":%q}},"x":%q}`, canary, canary, canary)))
	s.denyAndEcho(denied)

	var once sync.Once
	r := s.start(before(func(r *http.Request) {
		if isWrite(r, raced, "secrets", s.name("reg")) {
			once.Do(func() { s.create(secrets, secret(raced, s.name("reg"), credential("theirs.example", canary))) })
		}
	}))
	s.revised("Degraded", forced+`
- name: broken
  secrets: [{source: {name: broken}, name: PREFIXbroken}, {source: {name: urlish}, name: PREFIXurlish}]
  namespaces: {include: ["PREFIXforeign"]}
- name: odd
  secrets:
  - {source: {name: plain}, name: PREFIXplain}
  - {source: {name: token}, name: PREFIXtoken}
  - {source: {name: store}, name: PREFIXstore}
  - {source: {name: odd}, name: PREFIXodd}
  namespaces: {include: ["PREFIXforeign"]}
`)
	s.wantStatus("Degraded", "SourceInvalid", "denied by ValidatingAdmissionPolicy")
	s.wantCopy(foreign, "reg", credential("hub.example", canary))
	s.wantCopy(raced, "reg", credential("hub.example", canary))
	s.wantList(denied, "default", "+reg") // its copy may still come

	s.merge(secrets, foreign, s.name("reg"), fmt.Sprintf(`{"data":{".dockerconfigjson":%q}}`,
		base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"auths":{"x":{"password":"%s-2"}}}`, canary))))
	s.wantCopy(foreign, "reg", credential("hub.example", canary))
	// The whole policy text is quoted by its errors, and somebody may paste a credential into it.
	s.policyText(fmt.Sprintf("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\npassword: %s\n", canary))
	s.eventually("it is refused", func() error {
		if len(r.lines("the policy was refused")) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	s.eventually("the Event of the refusal is written", func() error {
		if !strings.Contains(s.everythingWritten(), "unknown field") {
			return errors.New("not yet")
		}
		return nil
	})
	metrics := r.metrics()
	if !strings.Contains(metrics, `pullsecrets_write_errors_total{kind="Secret"`) {
		t.Errorf("the metrics do not show the refusal:\n%s", ours(metrics))
	}
	r.stop()
	for _, told := range []string{"auth of plain.example is not base64", "auth of token.example is base64 of a text without a colon",
		"the credentials are in a credential store (credsStore)", "password of odd.example ends in a newline", "the entry of empty.example holds no"} {
		if !strings.Contains(r.log.String(), told) {
			t.Errorf("the log does not tell %q", told)
		}
	}

	written := r.log.String() + s.everythingWritten() + metrics
	for what, form := range map[string]string{
		"raw":                          canary,
		"base64 of the password":       base64.StdEncoding.EncodeToString([]byte(canary))[:12],
		"base64 of user:password":      base64.StdEncoding.EncodeToString([]byte("robot:" + canary))[:18],
		"base64 of the whole":          base64.StdEncoding.EncodeToString([]byte(credential("hub.example", canary)))[:40],
		"base64 of base64 in the data": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("robot:" + canary))))[:16],
	} {
		for line := range strings.SplitSeq(written, "\n") {
			if strings.Contains(line, form) {
				t.Errorf("%s leaked: %s", what, line)
			}
		}
	}
}

// TestNoCredentialLeavesInAPanic ends a controller, a process of its own, by a panic while it writes a credential.
func TestNoCredentialLeavesInAPanic(t *testing.T) {
	if os.Getenv("PULLSECRETS_TEST_PANIC") != "" {
		panicWhileWriting(t)
		return
	}
	s := newSandbox(t)
	s.source("hub", credential("hub.example", canary))
	s.namespace("a")
	s.policy(oneRule)
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.timeout", "60s")
	child.Env = append(os.Environ(), "PULLSECRETS_TEST_PANIC=yes", "GOTRACEBACK=all")
	out, err := child.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: while a copy is written")) {
		t.Fatalf("it did not end by the panic: %v\n%s", err, out)
	}
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte("robot:" + canary))[:18],
		base64.StdEncoding.EncodeToString([]byte(credential("hub.example", canary)))[:40]} {
		if bytes.Contains(out, []byte(form)) {
			t.Errorf("the panic's trace holds the credential as %s", form)
		}
	}
}

func panicWhileWriting(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
	must(t, err)
	(&sandbox{t: t, ctx: context.Background(), config: config}).start(before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/secrets/") {
			panic("while a copy is written")
		}
	}))
	time.Sleep(50 * time.Second)
}

// everythingWritten is what we wrote into the cluster for people to read.
func (s *sandbox) everythingWritten() string {
	s.t.Helper()
	var out strings.Builder
	list, err := s.client.Resource(events).List(s.ctx, metav1.ListOptions{})
	must(s.t, err)
	for _, e := range list.Items {
		text, _ := json.Marshal(e.Object)
		out.Write(append(text, '\n'))
	}
	status, _ := json.Marshal(s.get(configMaps, home, "pullsecrets-status").Object["data"])
	out.Write(append(status, '\n'))
	policy, _ := json.Marshal(s.get(configMaps, home, "pullsecrets-policy").GetAnnotations())
	out.Write(append(policy, '\n'))
	return out.String()
}

// denyAndEcho has the API server refuse copies in a namespace with a message that holds the whole credential.
func (s *sandbox) denyAndEcho(ns string) {
	s.t.Helper()
	group := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1"}
	policy := object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", s.name("deny"))
	policy.Object["spec"] = map[string]any{
		"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
			"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"secrets"},
		}}},
		"validations": []any{map[string]any{
			"expression":        "false",
			"messageExpression": `"no: " + string(object.data[".dockerconfigjson"])`,
		}},
	}
	binding := object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "", s.name("deny"))
	binding.Object["spec"] = map[string]any{
		"policyName": s.name("deny"), "validationActions": []any{"Deny"},
		"matchResources": map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"deny": s.name("x")}}},
	}
	for resource, u := range map[string]*unstructured.Unstructured{"validatingadmissionpolicies": policy, "validatingadmissionpolicybindings": binding} {
		client := s.client.Resource(group.GroupVersion().WithResource(resource))
		_, err := client.Create(s.ctx, u, metav1.CreateOptions{})
		must(s.t, err)
		s.t.Cleanup(func() { _ = client.Delete(s.ctx, u.GetName(), metav1.DeleteOptions{}) })
	}
	s.eventually("the API server refuses and echoes", func() error {
		u := secret(ns, "probe", credential("probe.example", canary))
		_, err := s.client.Resource(secrets).Namespace(ns).Create(s.ctx, u, metav1.CreateOptions{DryRun: []string{"All"}})
		if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			return fmt.Errorf("it does not: %v", err)
		}
		if !strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte(credential("probe.example", canary)))) {
			return fmt.Errorf("it does not echo: %v", err)
		}
		return nil
	})
}

func TestAReplaceWhoseCreateFailsIsFinishedAfterARestart(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	theirs := secret(ns, s.name("reg"), "{}")
	theirs.Object["type"] = "Opaque"
	s.create(secrets, theirs)
	ctxDone := make(chan struct{})
	var stopOnce sync.Once
	r := s.start(before(func(r *http.Request) {
		if r.Method == http.MethodPatch && isWrite(r, ns, "secrets", s.name("reg")) {
			stopOnce.Do(func() { close(ctxDone) })
			<-r.Context().Done() // the process dies between the deletion and the creation
		}
	}))
	s.policy(forced)
	<-ctxDone
	s.wantNoCopy(ns, "reg")
	r.stop()
	s.start()
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	s.wantList(ns, "default", "+reg")
	s.wantStatus("Ready")
}
