package kube

import (
	"encoding/json"
	"errors"
	"fmt"
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

// answering is a server that lists two secrets in two pages, in protobuf or in JSON, and takes note of what it is asked for.
func answering(t *testing.T, contentType string) (*rest.Config, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("fieldSelector")+" "+r.URL.Query().Get("limit")+" "+r.URL.Query().Get("continue"))
		if accept := r.Header.Get("Accept"); !strings.HasPrefix(accept, runtime.ContentTypeProtobuf) {
			t.Errorf("asked for %s", accept)
		}
		w.Header().Set("Content-Type", contentType)
		name, next := "a", "more"
		if r.URL.Query().Get("continue") != "" {
			name, next = "b", ""
		}
		if contentType == runtime.ContentTypeJSON {
			fmt.Fprintf(w, `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":%q},"items":[{"metadata":{"name":%q}}]}`, next, name)
			return
		}
		list := &corev1.SecretList{
			ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: next},
			Items:    []corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Name: name}}},
		}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
		if err := protobuf.NewSerializer(nil, nil).Encode(list, w); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}, &asked
}

// TestAListIsOfTypesWhereTheAnswerIs and of maps where a proxy answers in JSON; with the same requests.
func TestAListIsOfTypesWhereTheAnswerIs(t *testing.T) {
	for contentType, want := range map[string]string{runtime.ContentTypeProtobuf: "*v1.Secret", runtime.ContentTypeJSON: "*unstructured.Unstructured"} {
		for namespace, path := range map[string]string{"": "/api/v1/secrets", "team": "/api/v1/namespaces/team/secrets"} {
			config, asked := answering(t, contentType)
			client, err := NewDynamic(config)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = Target{Resource: Secrets, Namespace: namespace, Name: "reg"}.EachTyped(t.Context(), client, func(o metav1.Object) error {
				got = append(got, fmt.Sprintf("%T %s", o, o.GetName()))
				return nil
			})
			if text := strings.Join(got, ", "); err != nil || text != want+" a, "+want+" b" {
				t.Errorf("%s: %s, %v", contentType, text, err)
			}
			page := path + " metadata.name=reg 500 "
			if text := strings.Join(*asked, "\n"); text != page+"\n"+page+"more" {
				t.Errorf("%s: asked for\n%s", contentType, text)
			}
			list, err := List(t.Context(), Target{Resource: Secrets, Namespace: namespace}.In(client), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if l, ok := list.(metav1.ListInterface); !ok || l.GetResourceVersion() != "7" {
				t.Errorf("%s: a %T without its version", contentType, list)
			}
		}
	}
}

// TestAListThatIsRefusedIsAnError of the API server, in whatever it answers, and whatever a proxy says the status is.
func TestAListThatIsRefusedIsAnError(t *testing.T) {
	forbidden := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}
	expired := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired}
	tooLarge := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}}}
	for _, c := range []struct {
		status metav1.Status
		code   int
		is     func(error) bool
	}{
		{forbidden, http.StatusForbidden, apierrors.IsForbidden},
		{forbidden, http.StatusOK, apierrors.IsForbidden},
		{expired, http.StatusGone, apierrors.IsResourceExpired},
		{tooLarge, http.StatusGatewayTimeout, func(err error) bool {
			return apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
		}},
	} {
		c.status.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
		for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(c.code)
				if contentType == runtime.ContentTypeJSON {
					_ = json.NewEncoder(w).Encode(c.status)
				} else if err := protobuf.NewSerializer(nil, nil).Encode(&c.status, w); err != nil {
					t.Error(err)
				}
			}))
			client, err := NewDynamic(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := List(t.Context(), client.Resource(Secrets), metav1.ListOptions{}); !c.is(err) {
				t.Errorf("%d with a %s in %s: %v", c.code, c.status.Reason, contentType, err)
			}
			if contentType == runtime.ContentTypeJSON {
				if _, err := List(t.Context(), client.Resource(AdmissionRules).Namespace("home"), metav1.ListOptions{}); !c.is(err) {
					t.Errorf("%d with a %s, of maps: %v", c.code, c.status.Reason, err)
				}
			}
			server.Close()
		}
	}
}

// TestAListOfAnotherPathIsNotAskedFor: a namespace is one segment of it.
func TestAListOfAnotherPathIsNotAskedFor(t *testing.T) {
	config, asked := answering(t, runtime.ContentTypeProtobuf)
	client, err := NewDynamic(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"..", ".", "a/b", "a%2fb"} {
		if _, err := List(t.Context(), client.Resource(Secrets).Namespace(namespace), metav1.ListOptions{}); err == nil {
			t.Errorf("%q: no error", namespace)
		}
	}
	if len(*asked) > 0 {
		t.Errorf("asked for %q", *asked)
	}
}

// TestWhatIsNoListIsAnError and not a list without items, as if all were gone: a proxy can answer in place of the API server.
func TestWhatIsNoListIsAnError(t *testing.T) {
	for _, text := range []string{
		`{"kind":"SecretList","apiVersion":"v1","items":[]}`, `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":""},"items":[]}`,
		`{"kind":"Status","apiVersion":"v1","status":"Success"}`, `{"kind":"Secret","apiVersion":"v1"}`, `{"kind":"Login","items":null}`,
		`{"kind":"SecretList","apiVersion":"v1","metadata":{}}`, `{"kind":"SecretList","apiVersion":"v1","items":"x"}`, `{}`, `null`, `[]`, ``,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", runtime.ContentTypeJSON)
			fmt.Fprint(w, text)
		}))
		client, err := NewDynamic(&rest.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range []schema.GroupVersionResource{Secrets, AdmissionRules} { // one of types, and one of maps
			if list, err := List(t.Context(), client.Resource(resource), metav1.ListOptions{}); err == nil {
				t.Errorf("%s in place of %s: it is a %T", text, resource.Resource, list)
			}
			if err := (Target{Resource: resource}).Each(t.Context(), client, metav1.ListOptions{}, func(*unstructured.Unstructured) error { return nil }); err == nil {
				t.Errorf("%s in place of each of %s: no error", text, resource.Resource)
			}
		}
		server.Close()
	}
}

// TestAListOfAnotherKindIsNone of a core resource, whose kind is known.
func TestAListOfAnotherKindIsNone(t *testing.T) {
	kind := func(o runtime.Object, kind string) runtime.Object {
		o.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		return o
	}
	version := metav1.ListMeta{ResourceVersion: "7"}
	for answer, want := range map[runtime.Object]bool{
		kind(&corev1.SecretList{ListMeta: version}, "SecretList"):                 true,
		kind(&corev1.SecretList{}, "SecretList"):                                  false,
		kind(&corev1.ServiceAccountList{ListMeta: version}, "ServiceAccountList"): false,
		kind(secret(func(*corev1.Secret) {}), "Secret"):                           false,
	} {
		for _, contentType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				if contentType == runtime.ContentTypeJSON {
					_ = json.NewEncoder(w).Encode(answer)
				} else if err := protobuf.NewSerializer(nil, nil).Encode(answer, w); err != nil {
					t.Error(err)
				}
			}))
			client, err := NewDynamic(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			list, err := List(t.Context(), client.Resource(Secrets).Namespace("team"), metav1.ListOptions{})
			if (err == nil) != want || err != nil && !errors.Is(err, errNoList) {
				t.Errorf("%v in %s: it is a %T, %v", answer, contentType, list, err)
			}
			server.Close()
		}
	}
}
