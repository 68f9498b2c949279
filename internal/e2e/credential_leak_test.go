package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// TestNoCredentialLeavesOnAnyPath runs at the highest verbosity through the paths on which a secret comes back from
// the API server or is compared, and looks for it in everything that we write for people.
func TestNoCredentialLeavesOnAnyPath(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	broken := api.Secret(api.Home, "broken", fmt.Sprintf(`{"auths":[%q]}`, harness.Canary))
	s.Create(api.Secrets, broken)
	s.Source("urlish", fmt.Sprintf(`{"auths":{"https://robot:%s@hub.example/v1":{"auth":%q}}}`, harness.Canary, base64.StdEncoding.EncodeToString([]byte("robot:"+harness.Canary))))
	s.Source("plain", fmt.Sprintf(`{"auths":{"plain.example":{"auth":"robot:%s"}}}`, harness.Canary))
	s.Source("token", fmt.Sprintf(`{"auths":{"token.example":{"auth":%q}}}`, base64.StdEncoding.EncodeToString([]byte(harness.Canary))))
	s.Source("store", fmt.Sprintf(`{"auths":{"store.example":{}},"credsStore":%q}`, harness.Canary))
	s.Source("odd", fmt.Sprintf(`{"auths":{"odd.example":{"username":"robot","password":"%s\n"},"robot:%s@empty.example":{}}}`, harness.Canary, harness.Canary))

	// Of a token and of what its owner says of it, nothing but the time may be told.
	ended := api.Secret(api.Home, "ended", api.Credential("ended.example", token(harness.Canary, time.Now().Add(-time.Hour))))
	ended.SetAnnotations(map[string]string{"pullsecrets/expires": harness.Canary})
	s.Create(api.Secrets, ended)

	foreign, denied, raced := s.Namespace("foreign"), s.Namespace("denied", "deny="+s.Name("x")), s.Namespace("raced")
	s.Create(api.Secrets, api.Secret(foreign, s.Name("reg"), fmt.Sprintf(`{"auths":{"%s@old.example":{"password":%q}},"x":%q}`, harness.Canary, harness.Canary, harness.Canary)))
	s.DenyAndEcho(denied)

	var once sync.Once
	r := s.Start(harness.Before(func(r *http.Request) {
		if harness.IsWrite(r, raced, "secrets", s.Name("reg")) {
			once.Do(func() {
				s.Create(api.Secrets, api.Secret(raced, s.Name("reg"), api.Credential("theirs.example", harness.Canary)))
			})
		}
	}))
	s.Revised("Degraded", harness.Forced+`
- name: broken
  secrets: [{source: {name: broken}, name: PREFIXbroken}, {source: {name: urlish}, name: PREFIXurlish}]
  namespaces: {include: ["PREFIXforeign"]}
- name: odd
  secrets:
  - {source: {name: plain}, name: PREFIXplain}
  - {source: {name: token}, name: PREFIXtoken}
  - {source: {name: store}, name: PREFIXstore}
  - {source: {name: odd}, name: PREFIXodd}
  - {source: {name: ended}, name: PREFIXended}
  namespaces: {include: ["PREFIXforeign"]}
`)
	s.WantStatus("Degraded", "SourceInvalid", "denied by ValidatingAdmissionPolicy")
	s.WantCopy(foreign, "reg", api.Credential("hub.example", harness.Canary))
	s.WantCopy(raced, "reg", api.Credential("hub.example", harness.Canary))
	s.WantList(denied, "default", "+reg") // its copy may still come

	s.Merge(api.Secrets, foreign, s.Name("reg"), fmt.Sprintf(`{"data":{".dockerconfigjson":%q}}`,
		base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"auths":{"x":{"password":"%s-2"}}}`, harness.Canary))))
	s.WantCopy(foreign, "reg", api.Credential("hub.example", harness.Canary))
	page := s.ui(s.Kubeconfig)
	page.wants("", []string{"SourceInvalid", "denied by ValidatingAdmissionPolicy"})
	queries, pages := []string{"", "?q=" + foreign, "?q=" + denied, "?q=" + raced, "?q=" + foreign + "&of=sa/default"}, ""
	for _, query := range queries {
		pages += page.get(query)
	}
	// The whole policy text is quoted by its errors, and somebody may paste a credential into it.
	s.PolicyText(fmt.Sprintf("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\npassword: %s\n", harness.Canary))
	s.Eventually("it is refused", func() error {
		if len(r.Lines("the policy was refused")) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	s.Eventually("the Event of the refusal is written", func() error {
		if !strings.Contains(s.EverythingWritten(), "unknown field") {
			return errors.New("not yet")
		}
		return nil
	})
	told := s.everyStatus()
	metrics := r.Metrics()
	if !strings.Contains(metrics, `pullsecrets_write_errors_total{kind="Secret"`) {
		t.Errorf("the metrics do not show the refusal:\n%s", harness.OurMetrics(metrics))
	}
	r.Stop()
	for _, told := range []string{"auth of plain.example is not base64", "auth of token.example is base64 of a text without a colon",
		"the credentials are in a credential store (credsStore)", "password of odd.example ends in a newline", "the entry of empty.example holds no",
		"the credential for ended.example expired at", "no time of RFC 3339"} {
		if !strings.Contains(r.Log.String(), told) {
			t.Errorf("the log does not tell %q", told)
		}
	}

	written := r.Log.String() + s.EverythingWritten() + metrics + told + pages
	page.wants("", []string{"The policy was refused", "unknown field"})
	for _, query := range queries {
		written += page.get(query)
	}
	for what, form := range map[string]string{
		"raw":                          harness.Canary,
		"base64 of the password":       base64.StdEncoding.EncodeToString([]byte(harness.Canary))[:12],
		"base64 of user:password":      base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))[:18],
		"base64 of the whole":          base64.StdEncoding.EncodeToString([]byte(api.Credential("hub.example", harness.Canary)))[:40],
		"base64 of base64 in the data": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))))[:16],
	} {
		for line := range strings.SplitSeq(written, "\n") {
			if strings.Contains(line, form) {
				t.Errorf("%s leaked: %s", what, line)
			}
		}
	}
}

// TestNoCredentialLeavesByARegistrysWords has a registry repeat what it was sent in all that it says, where it refuses the
// credential and where it gives no answer.
func TestNoCredentialLeavesByARegistrysWords(t *testing.T) {
	s := newSandbox(t)
	s.newStandIn()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		username, password, _ := r.BasicAuth()
		said, _ := json.Marshal(map[string]any{"errors": []any{map[string]any{
			"code": r.Header.Get("Authorization"), "message": username + ":" + password, "detail": password,
		}}, "details": password})
		w.Header().Set("Www-Authenticate", fmt.Sprintf(`Basic realm=%q,error=%q`, password, r.Header.Get("Authorization")))
		w.Header().Set("Location", "https://"+password+".example/")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(map[bool]int{true: http.StatusUnauthorized, false: http.StatusServiceUnavailable}[username != "away" || password == ""])
		_, _ = w.Write(said)
	}))
	t.Cleanup(echo.Close)
	host := strings.TrimPrefix(echo.URL, "http://")
	checker := registry.New(registry.Options{PlainHTTP: []string{host}})
	s.Ask, s.Patience.Window = verify.Registries(func() *registry.Checker { return checker }), time.Second
	s.Source("hub", api.Credential(host, harness.Canary))
	s.Source("away", strings.ReplaceAll(api.Credential(host, harness.Canary), base64.StdEncoding.EncodeToString([]byte("robot:"+harness.Canary)),
		base64.StdEncoding.EncodeToString([]byte("away:"+harness.Canary))))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Degraded", `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg, verify: true}, {source: {name: away}, name: PREFIXaway, verify: true}]
  namespaces: {include: ["PREFIX*"]}
`)
	s.WantStatus("Degraded", "SourceRefused", "401 Unauthorized")
	s.wantUnverified(true)
	s.wantEvent("SourceUnverified", "503 Service Unavailable")
	s.wantEvent("SourceRefused", "401 Unauthorized")
	_, explained, errs := s.Command("explain", "-kubeconfig", s.Kubeconfig, ns)
	_, planned, more := s.Command("plan", "-kubeconfig", s.Kubeconfig, "-o", "json")
	metrics := r.Metrics() + s.everyStatus()
	r.Stop()
	written := r.Log.String() + s.EverythingWritten() + metrics + explained + planned + errs + more
	for _, form := range []string{harness.Canary, base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))[:18],
		base64.StdEncoding.EncodeToString([]byte("away:" + harness.Canary))[:18]} {
		for line := range strings.SplitSeq(written, "\n") {
			if strings.Contains(line, form) {
				t.Errorf("leaked: %s", line)
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
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	s.Namespace("a")
	s.Policy(harness.OneRule)
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.timeout", "60s")
	child.Env = append(os.Environ(), "PULLSECRETS_TEST_PANIC=yes", "GOTRACEBACK=all")
	out, err := child.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: while a copy is written")) {
		t.Fatalf("it did not end by the panic: %v\n%s", err, out)
	}
	for _, form := range []string{harness.Canary, base64.StdEncoding.EncodeToString([]byte("robot:" + harness.Canary))[:18],
		base64.StdEncoding.EncodeToString([]byte(api.Credential("hub.example", harness.Canary)))[:40]} {
		if bytes.Contains(out, []byte(form)) {
			t.Errorf("the panic's trace holds the credential as %s", form)
		}
	}
}

func panicWhileWriting(t *testing.T) {
	s := harness.Sandbox{Cluster: harness.NewCluster(t, "test")}
	s.Start(harness.Before(func(r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/secrets/") {
			panic("while a copy is written")
		}
	}))
	time.Sleep(50 * time.Second)
}

// TestAWebhookThatEchoesTheCredentialIsNotRepeated has a real admission webhook refuse copies with the credential in
// every field that its answer has for words.
func TestAWebhookThatEchoesTheCredentialIsNotRepeated(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusConflict, http.StatusNotFound} { // whichever it likes
		t.Run(http.StatusText(code), func(t *testing.T) { echoed(t, code) })
	}
}

func echoed(t *testing.T, code int) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	ns := s.Namespace("a", "deny="+s.Name("x"))
	s.echoingWebhook(code)
	r := s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantStatus("Degraded", "WriteFailed", `denied by admission webhook "echo.example.com"`)
	metrics := r.Metrics() + s.everyStatus()
	r.Stop()
	s.WantNoCopy(ns, "reg")
	for line := range strings.SplitSeq(r.Log.String()+s.EverythingWritten()+metrics, "\n") {
		if strings.Contains(line, harness.Canary) {
			t.Errorf("leaked: %s", line)
		}
	}
}

// echoingWebhook refuses the copies in the namespaces with the label deny. Its answer comes to the controller as it is:
// the API server adds no more than the webhook's name.
func (s *sandbox) echoingWebhook(code int) {
	s.T.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID    string         `json:"uid"`
				Object map[string]any `json:"object"`
			} `json:"request"`
		}
		_ = json.NewDecoder(r.Body).Decode(&review)
		data, _ := review.Request.Object["data"].(map[string]any)
		encoded, _ := data[".dockerconfigjson"].(string)
		text, _ := base64.StdEncoding.DecodeString(encoded)
		echo := string(text)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": map[string]any{
			"uid": review.Request.UID, "allowed": false,
			"status": map[string]any{"code": code, "message": echo, "reason": echo, "details": map[string]any{
				"name": echo, "kind": echo, "causes": []any{map[string]any{"reason": echo, "message": echo, "field": echo}},
			}},
		}})
	}))
	s.T.Cleanup(server.Close)
	configuration := api.Object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", s.Name("echo"))
	configuration.Object["webhooks"] = []any{map[string]any{
		"name": "echo.example.com", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "failurePolicy": "Fail",
		"clientConfig": map[string]any{"url": server.URL, "caBundle": base64.StdEncoding.EncodeToString(
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))},
		"rules":             []any{map[string]any{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"secrets"}}},
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{"deny": s.Name("x")}},
	}}
	client := s.Client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"})
	_, err := client.Create(s.Ctx, configuration, metav1.CreateOptions{})
	harness.Must(s.T, err)
	s.T.Cleanup(func() { _ = client.Delete(s.Ctx, configuration.GetName(), metav1.DeleteOptions{}) })
	s.Eventually("the API server asks the webhook", func() error {
		probe := api.Secret(s.Name("a"), "probe", api.Credential("probe.example", harness.Canary))
		_, err := s.Client.Resource(api.Secrets).Namespace(s.Name("a")).Create(s.Ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return wantEcho(err)
	})
}

// wantEcho wants a refusal that holds the credential in the reason and in the causes, or the test would prove nothing.
func wantEcho(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return fmt.Errorf("no refusal: %v", err)
	}
	answer := status.Status()
	if answer.Details == nil || len(answer.Details.Causes) == 0 ||
		!strings.Contains(string(answer.Reason), harness.Canary) || !strings.Contains(answer.Details.Causes[0].Field, harness.Canary) {
		return fmt.Errorf("no echo: %+v", answer)
	}
	return nil
}
