package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/rest"
)

// writing is a client of a server that answers each write with this status code and object, in protobuf or in JSON, or with a text;
// what it is asked for is noted.
func writing(t *testing.T, contentType string, code int, answer any) (Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, fmt.Sprintf("%s %s?%s %s, accepts %s: %s", r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Accept"), body))
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		if text, ok := answer.(string); ok {
			fmt.Fprint(w, text)
		} else if contentType == runtime.ContentTypeJSON {
			_ = json.NewEncoder(w).Encode(answer)
		} else if err := protobuf.NewSerializer(nil, nil).Encode(answer.(runtime.Object), w); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	client, err := NewDynamic(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return New(client), &asked
}

func written(kind, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: kind})
	u.SetNamespace("team")
	u.SetName(name)
	return u
}

// TestTheAnswerToAnApplyIsOfItsType where the API server answers in protobuf, and a map where a proxy does in JSON; the request is the same.
func TestTheAnswerToAnApplyIsOfItsType(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "reg", Namespace: "team", ResourceVersion: "7"}}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	for contentType, want := range map[string]string{runtime.ContentTypeProtobuf: "*v1.Secret", runtime.ContentTypeJSON: "*unstructured.Unstructured"} {
		client, asked := writing(t, contentType, http.StatusOK, secret)
		got, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), true)
		if err != nil || fmt.Sprintf("%T %s", got, got.GetResourceVersion()) != want+" 7" {
			t.Errorf("%s: a %T, %v", contentType, got, err)
		}
		request := "PATCH /api/v1/namespaces/team/secrets/reg?fieldManager=pullsecrets&fieldValidation=Ignore&force=true application/apply-patch+yaml, " +
			`accepts application/vnd.kubernetes.protobuf,application/json: {"apiVersion":"v1","kind":"Secret","metadata":{"name":"reg","namespace":"team"}}` + "\n"
		if text := strings.Join(*asked, "\n"); text != request {
			t.Errorf("%s: asked for\n%s, not\n%s", contentType, text, request)
		}
	}
}

// TestOnlyCoreTypesAreAskedForInProtobuf: the API server has no other encoding than JSON of a custom resource.
func TestOnlyCoreTypesAreAskedForInProtobuf(t *testing.T) {
	client, asked := writing(t, runtime.ContentTypeJSON, http.StatusOK, written("AdmissionRule", "a"))
	got, err := client.Apply(t.Context(), AdmissionRules, written("AdmissionRule", "a"), true)
	if _, ok := got.(*unstructured.Unstructured); err != nil || !ok {
		t.Errorf("a %T, %v", got, err)
	}
	if text := strings.Join(*asked, "\n"); strings.Contains(text, runtime.ContentTypeProtobuf) {
		t.Errorf("asked for %s", text)
	}
}

// TestAWriteThatIsRefusedIsAnError of the API server, in whatever it answers.
func TestAWriteThatIsRefusedIsAnError(t *testing.T) {
	for reason, code := range map[metav1.StatusReason]int{metav1.StatusReasonConflict: http.StatusConflict, metav1.StatusReasonForbidden: http.StatusForbidden,
		metav1.StatusReasonNotFound: http.StatusNotFound, metav1.StatusReasonInvalid: http.StatusUnprocessableEntity} {
		status := &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "the server's words",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".data"}}}}
		status.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
		for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			client, _ := writing(t, contentType, code, status)
			_, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), false)
			if apierrors.ReasonForError(err) != reason || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) || !strings.Contains(err.Error(), "the server's words") {
				t.Errorf("%d in %s: %v", code, contentType, err)
			}
		}
	}
}

// TestWhatIsNotTheObjectIsNoAnswerToAWrite: to believe it would be to remember a write that nobody saw.
func TestWhatIsNotTheObjectIsNoAnswerToAWrite(t *testing.T) {
	success := &metav1.Status{Status: metav1.StatusSuccess}
	success.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "team"}}
	other.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "reg", Namespace: "team"}}
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		for _, answer := range []any{success, other, account, "", "{}", "null", "[]", "k8s\x00\xff", "<html>"} {
			client, _ := writing(t, contentType, http.StatusOK, answer)
			if got, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), true); err == nil {
				t.Errorf("%v in %s: it is a %T", answer, contentType, got)
			}
		}
	}
}

// TestAWriteStaysInItsPath: names are one segment of it.
func TestAWriteStaysInItsPath(t *testing.T) {
	client, asked := writing(t, runtime.ContentTypeProtobuf, http.StatusOK, "")
	for _, name := range []string{"", "..", ".", "a/b", "a%2fb"} {
		if _, err := client.Apply(t.Context(), Secrets, written("Secret", name), true); err == nil {
			t.Errorf("%q: no error", name)
		}
		u := written("Secret", "reg")
		u.SetNamespace(name)
		if _, err := client.Apply(t.Context(), Secrets, u, true); err == nil && name != "" {
			t.Errorf("in %q: no error", name)
		}
	}
	for _, request := range *asked {
		if !strings.HasPrefix(request, "PATCH /api/v1/secrets/reg?") { // a namespace that is empty is none
			t.Errorf("asked for %s", request)
		}
	}
}
