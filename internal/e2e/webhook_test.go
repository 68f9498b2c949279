package e2e

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestAWebhookThatEchoesTheCredentialIsNotRepeated has a real admission webhook refuse copies with the credential in
// every field that its answer has for words.
func TestAWebhookThatEchoesTheCredentialIsNotRepeated(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusConflict, http.StatusNotFound} { // whichever it likes
		t.Run(http.StatusText(code), func(t *testing.T) { echoed(t, code) })
	}
}

func echoed(t *testing.T, code int) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", canary))
	ns := s.namespace("a", "deny="+s.name("x"))
	s.echoingWebhook(code)
	r := s.start()
	s.revised("Degraded", oneRule)
	s.wantStatus("Degraded", "WriteFailed", `denied by admission webhook "echo.example.com"`)
	metrics := r.metrics()
	r.stop()
	s.wantNoCopy(ns, "reg")
	for line := range strings.SplitSeq(r.log.String()+s.everythingWritten()+metrics, "\n") {
		if strings.Contains(line, canary) {
			t.Errorf("leaked: %s", line)
		}
	}
}

// echoingWebhook refuses the copies in the namespaces with the label deny. Its answer comes to the controller as it is:
// the API server adds no more than the webhook's name.
func (s *sandbox) echoingWebhook(code int) {
	s.t.Helper()
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
	s.t.Cleanup(server.Close)
	configuration := object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", s.name("echo"))
	configuration.Object["webhooks"] = []any{map[string]any{
		"name": "echo.example.com", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "failurePolicy": "Fail",
		"clientConfig": map[string]any{"url": server.URL, "caBundle": base64.StdEncoding.EncodeToString(
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))},
		"rules":             []any{map[string]any{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"secrets"}}},
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{"deny": s.name("x")}},
	}}
	client := s.client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"})
	_, err := client.Create(s.ctx, configuration, metav1.CreateOptions{})
	must(s.t, err)
	s.t.Cleanup(func() { _ = client.Delete(s.ctx, configuration.GetName(), metav1.DeleteOptions{}) })
	s.eventually("the API server asks the webhook", func() error {
		probe := secret(s.name("a"), "probe", credential("probe.example", canary))
		_, err := s.client.Resource(secrets).Namespace(s.name("a")).Create(s.ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
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
		!strings.Contains(string(answer.Reason), canary) || !strings.Contains(answer.Details.Causes[0].Field, canary) {
		return fmt.Errorf("no echo: %+v", answer)
	}
	return nil
}
