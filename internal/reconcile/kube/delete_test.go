package kube

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestADeletionIsDoneWhenTheAnswerSaysSo with a status, or with the object where a finalizer keeps it: of core resources, of others, and
// of those without a namespace.
func TestADeletionIsDoneWhenTheAnswerSaysSo(t *testing.T) {
	status := func(s metav1.Status) *metav1.Status {
		s.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
		return &s
	}
	going := func(name string) *unstructured.Unstructured {
		u := written("Secret", name)
		u.SetUID("uid")
		u.SetDeletionTimestamp(new(metav1.Now()))
		return u
	}
	live := written("Secret", "reg")
	live.SetUID("uid")
	success := status(metav1.Status{Status: metav1.StatusSuccess})
	for _, c := range []struct {
		answer any
		code   int
		want   string // of the error, whole; "ok" for none
	}{
		{success, http.StatusOK, "ok"}, {going("reg"), http.StatusOK, "ok"}, {going("reg"), http.StatusAccepted, "ok"},
		{status(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: 404}), http.StatusNotFound, "ok"},
		{status(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonConflict, Code: 409, Message: "its words"}), http.StatusConflict, "its words"},
		{status(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonConflict, Code: 409, Message: "its words"}), http.StatusOK, "its words"},
		{written("Secret", "reg"), http.StatusOK, string(errNotDeleted)}, {live, http.StatusOK, string(errNotDeleted)}, {going("other"), http.StatusOK, string(errNotDeleted)},
		{"{}", http.StatusOK, string(errNotDeleted)}, {"null", http.StatusOK, string(errNotDeleted)}, {"", http.StatusNoContent, string(errNotDeleted)},
	} {
		for resource, path := range map[schema.GroupVersionResource]string{
			Secrets: "/api/v1/namespaces/team/secrets/reg", AdmissionRules: "/apis/pullsecrets.internal/v1alpha1/namespaces/team/admissionrules/reg",
		} {
			client, asked := writing(t, runtime.ContentTypeJSON, c.code, c.answer)
			err := client.Delete(t.Context(), resource, &cluster.Secret{Meta: cluster.Meta{Namespace: "team", Name: "reg", UID: "uid", ResourceVersion: "7"}})
			got := "ok"
			if err != nil {
				got = err.Error()
			}
			if got != c.want || apierrors.IsConflict(err) != (c.want == "its words") {
				t.Errorf("%v: %s, not %s", c.answer, got, c.want)
			}
			request := "DELETE " + path + "? application/json, accepts application/json: " +
				`{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"uid","resourceVersion":"7"}}` + "\n"
			if text := strings.Join(*asked, "\n"); text != request {
				t.Errorf("asked for\n%s, not\n%s", text, request)
			}
		}
	}
}

// TestADeletionStaysInItsPath: without a name it would be of all.
func TestADeletionStaysInItsPath(t *testing.T) {
	for _, name := range []string{"", "..", "a/b"} {
		client, asked := writing(t, runtime.ContentTypeJSON, http.StatusOK, "{}")
		err := client.Delete(t.Context(), Secrets, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}})
		if err == nil || errors.Is(err, errNotDeleted) || len(*asked) > 0 {
			t.Errorf("%q: %v, asked for %q", name, err, *asked)
		}
	}
}

// TestAPathThatAProxyDoesNotKnowSaysNothingOfAnObject: what is not found there may well be there. A resource that is not served has no objects.
func TestAPathThatAProxyDoesNotKnowSaysNothingOfAnObject(t *testing.T) {
	for contentType, body := range map[string]string{"text/html": "<html>default backend", "text/plain": "404 page not found", runtime.ContentTypeJSON: `{"type":"error","status":404}`} {
		client, _ := writing(t, contentType, http.StatusNotFound, body)
		if _, err := client.Apply(t.Context(), Secrets, written("Secret", "reg"), true); !errors.Is(err, errOtherAnswer) || Classify(err) != Failed {
			t.Errorf("%s, to a write: %v", body, err)
		}
		of := &cluster.Secret{Meta: cluster.Meta{Namespace: "team", Name: "reg", UID: "uid", ResourceVersion: "7"}}
		if err := client.Delete(t.Context(), Secrets, of); !errors.Is(err, errNotDeleted) || Classify(err) != Failed {
			t.Errorf("%s, to a deletion: %v", body, err)
		}
		if err := client.Delete(t.Context(), AdmissionRules, of); err != nil {
			t.Errorf("%s, to a deletion of what is not served: %v", body, err)
		}
	}
}
