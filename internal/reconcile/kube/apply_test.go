package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
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
	for contentType, want := range map[string]string{runtime.ContentTypeProtobuf: "*v1.Secret", runtime.ContentTypeJSON: "*unstructured.Unstructured"} {
		client, asked := writing(t, contentType, http.StatusOK, secret(func(*corev1.Secret) {}))
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
	rule := written("AdmissionRule", "a")
	rule.SetAPIVersion("pullsecrets.internal/v1alpha1")
	answer := rule.DeepCopy()
	answer.SetResourceVersion("7")
	answer.SetUID("uid")
	client, asked := writing(t, runtime.ContentTypeJSON, http.StatusOK, answer)
	got, err := client.Apply(t.Context(), AdmissionRules, rule, true)
	if _, ok := got.(*unstructured.Unstructured); err != nil || !ok {
		t.Errorf("a %T, %v", got, err)
	}
	if text := strings.Join(*asked, "\n"); strings.Contains(text, runtime.ContentTypeProtobuf) {
		t.Errorf("asked for %s", text)
	}
}

// TestAWriteThatIsRefusedIsAnError of the API server, in whatever it answers, and whatever a proxy says the status is.
func TestAWriteThatIsRefusedIsAnError(t *testing.T) {
	for reason, code := range map[metav1.StatusReason]int{metav1.StatusReasonConflict: http.StatusConflict, metav1.StatusReasonForbidden: http.StatusForbidden,
		metav1.StatusReasonNotFound: http.StatusNotFound, metav1.StatusReasonInvalid: http.StatusUnprocessableEntity} {
		status := &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "the server's words",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: ".data"}}}}
		status.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
		for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			for _, answered := range []int{code, http.StatusOK} {
				client, _ := writing(t, contentType, answered, status)
				_, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), false)
				if apierrors.ReasonForError(err) != reason || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) || !strings.Contains(err.Error(), "the server's words") {
					t.Errorf("%d for a %d in %s: %v", answered, code, contentType, err)
				}
			}
		}
	}
}

// secret is an answer.
func secret(change func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "reg", Namespace: "team", UID: "uid", ResourceVersion: "7"}}
	s.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	change(s)
	return s
}

// TestWhatIsNotTheObjectIsNoAnswerToAWrite of any kind: to believe it would be to remember a write that nobody saw, and to hold the next
// one to a version that is none.
func TestWhatIsNotTheObjectIsNoAnswerToAWrite(t *testing.T) {
	success := &metav1.Status{Status: metav1.StatusSuccess}
	success.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "reg", Namespace: "team", UID: "uid", ResourceVersion: "7"}}
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	wrong := []any{
		success, account, "", "{}", "null", "[]", "k8s\x00\xff", "<html>",
		secret(func(s *corev1.Secret) { s.Name = "other" }), secret(func(s *corev1.Secret) { s.Namespace = "other" }),
		secret(func(s *corev1.Secret) { s.UID = "another" }), secret(func(s *corev1.Secret) { s.ResourceVersion = "" }),
		secret(func(s *corev1.Secret) { s.UID = "" }),
	}
	sent := written("Secret", "reg")
	sent.SetUID("uid")
	sent.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: cluster.FieldManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:data":{}}`)},
		{Manager: "old", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:type":{}}`)},
	})
	writes := map[string]func(Client) (metav1.Object, error){
		"apply":   func(c Client) (metav1.Object, error) { return c.Apply(t.Context(), Secrets, sent, true) },
		"release": func(c Client) (metav1.Object, error) { return c.ReleaseOwnership(t.Context(), Secrets, sent) },
		"take": func(c Client) (metav1.Object, error) {
			return c.TakeOwnership(t.Context(), Secrets, sent, sets.New("old"))
		},
	}
	for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		for what, write := range writes {
			client, asked := writing(t, contentType, http.StatusOK, secret(func(*corev1.Secret) {}))
			if got, err := write(client); err != nil || got.GetResourceVersion() != "7" || len(*asked) != 1 {
				t.Errorf("%s in %s: %v", what, contentType, err)
			}
			for _, answer := range wrong {
				client, _ := writing(t, contentType, http.StatusOK, answer)
				if got, err := write(client); err == nil || got != nil {
					t.Errorf("%s, %v in %s: it is a %T, %v", what, answer, contentType, got, err)
				}
			}
		}
	}
	client, _ := writing(t, runtime.ContentTypeProtobuf, http.StatusOK, account)
	touched := written("ServiceAccount", "reg")
	if got, err := client.Touch(t.Context(), touched); err != nil || got.GetResourceVersion() != "7" {
		t.Errorf("touch: %v", err)
	}
	client, _ = writing(t, runtime.ContentTypeJSON, http.StatusOK, success)
	if got, err := client.Touch(t.Context(), touched); err == nil {
		t.Errorf("touch: it is a %T", got)
	}
}

// TestAWriteStaysInItsPath: names are one segment of it.
func TestAWriteStaysInItsPath(t *testing.T) {
	for _, name := range []string{"", "..", ".", "a/b", "a%2fb"} {
		for _, in := range []struct{ namespace, name string }{{"team", name}, {name, "reg"}} {
			if in.namespace == "" {
				continue // that is none
			}
			client, asked := writing(t, runtime.ContentTypeProtobuf, http.StatusOK, secret(func(s *corev1.Secret) { s.Namespace, s.Name = in.namespace, in.name }))
			u := written("Secret", in.name)
			u.SetNamespace(in.namespace)
			if _, err := client.Apply(t.Context(), Secrets, u, true); err == nil || len(*asked) > 0 {
				t.Errorf("%q in %q: %v, asked for %q", in.name, in.namespace, err, *asked)
			}
		}
	}
}

// TestAnErrorHoldsNothingOfAnAnswer that is meant as a refusal and is none of the API server's.
func TestAnErrorHoldsNothingOfAnAnswer(t *testing.T) {
	for _, body := range []string{
		`{"kind":"Status","status":"Failure","code":403,"reason":"Forbidden","echo":{"data":"VALUE"}}`,
		`{"kind":"Status","apiVersion":"proxy.example/v1","status":"Failure","code":403,"reason":"Forbidden","echo":"VALUE"}`,
		`{"kind":"Status","apiVersion":"v1","status":"Failure","code":"VALUE"}`,
		`{"kind":"Status","apiVersion":"v1","status":"Failure","details":"VALUE"}`,
		`{"kind":"Status","apiVersion":"v1","status":"Failure","message":{"a":"VALUE"}}`,
		`<html>VALUE`, `"VALUE"`, `["VALUE"]`, `{"VALUE"`,
	} {
		for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf, "text/html"} {
			client, _ := writing(t, contentType, http.StatusOK, body)
			_, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), true)
			if !errors.Is(err, errOtherAnswer) {
				t.Errorf("%s in %s: %v", body, contentType, err)
			}
			err = client.Delete(t.Context(), Secrets, secret(func(*corev1.Secret) {}))
			if !errors.Is(err, errNotDeleted) && !apierrors.IsForbidden(err) || strings.Contains(fmt.Sprintf("%v %#v", err, err), "VALUE") {
				t.Errorf("%s in %s, to a deletion: %v", body, contentType, err)
			}
		}
	}
}

// TestARedirectMakesNoWriteARead: what is there already would pass for what was written, and what is not there for gone.
func TestARedirectMakesNoWriteARead(t *testing.T) {
	for code, follows := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.Path)
			if !strings.HasPrefix(r.URL.Path, "/there") {
				http.Redirect(w, r, "/there"+r.URL.String(), code)
				return
			}
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
			answer := secret(func(s *corev1.Secret) { s.DeletionTimestamp = new(metav1.Now()) })
			if err := protobuf.NewSerializer(nil, nil).Encode(answer, w); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(server.Close)
		dynamic, err := NewDynamic(&rest.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		client, path := New(dynamic), "/api/v1/namespaces/team/secrets/reg"
		_, err = client.Apply(t.Context(), Secrets, written("Secret", "reg"), true)
		want := []string{"PATCH " + path}
		if follows {
			want = append(want, "PATCH /there"+path)
		}
		if (err == nil) != follows || !slices.Equal(asked, want) {
			t.Errorf("%d: %v, asked for %q", code, err, asked)
		}
		asked = nil
		if err := client.Delete(t.Context(), Secrets, secret(func(*corev1.Secret) {})); !follows && (err == nil || len(asked) != 1) {
			t.Errorf("%d, a deletion: %v, asked for %q", code, err, asked)
		}
		asked = nil
		if _, err := List(t.Context(), dynamic.Resource(Secrets).Namespace("team"), metav1.ListOptions{}); err == nil || len(asked) != 2 {
			t.Errorf("%d, a list, which is a read anyway: %v, asked for %q", code, err, asked)
		}
	}
}
