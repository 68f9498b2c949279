package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// serializers are the dynamic client's own for JSON, and ours.
func serializers(t *testing.T) (theirs, ours runtime.Serializer) {
	t.Helper()
	of := dynamic.ConfigFor(&rest.Config{}).NegotiatedSerializer
	find := func(types []runtime.SerializerInfo) runtime.Serializer {
		info, ok := runtime.SerializerInfoForMediaType(types, runtime.ContentTypeJSON)
		if !ok {
			t.Fatal("no JSON")
		}
		return info.Serializer
	}
	ours = find(decodedOnce(of).SupportedMediaTypes())
	return find(of.SupportedMediaTypes()), ours
}

// TestWhatIsDecodedOnceIsDecodedAlike by apimachinery: objects, lists, numbers, and what is no object.
func TestWhatIsDecodedOnceIsDecodedAlike(t *testing.T) {
	theirs, ours := serializers(t)
	for _, text := range []string{
		`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","generation":3},"data":{"x":"eA=="},"n":1,"f":1.5,"big":9007199254740993,"none":null,"b":true}`,
		`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"items":["x"]}`,
		`{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c","remainingItemCount":2},"items":[{"metadata":{"name":"a"}},{"kind":"X","apiVersion":"y/v1","metadata":{"name":"b"}},{"kind":"Y","metadata":{}}]}`,
		`{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[]}`,
		`{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":null}`,
		`{"apiVersion":"v1","metadata":{"name":"a"}}`, `{}`, `{"kind":`, `[]`, `"x"`, ``, `null`,
	} {
		for _, list := range []bool{false, true} {
			into := func() runtime.Object {
				if list {
					return &unstructured.UnstructuredList{}
				}
				return &unstructured.Unstructured{}
			}
			want, got := into(), into()
			_, wantKind, wantErr := theirs.Decode([]byte(text), nil, want)
			out, kind, err := ours.Decode([]byte(text), nil, got)
			if list && !strings.Contains(text, `List"`) { // apimachinery makes a list without items of it
				wantErr = errNoList
			}
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s into a list %t: %v, want %v", text, list, err, wantErr)
				continue
			}
			if err != nil {
				continue
			}
			if out != got || *kind != *wantKind {
				t.Errorf("%s into a list %t: a %s, want %s", text, list, kind, wantKind)
			}
			if wantList, ok := want.(*unstructured.UnstructuredList); ok && len(wantList.Items) == 0 {
				wantList.Items, got.(*unstructured.UnstructuredList).Items = nil, nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s into a list %t:\n%s", text, list, diff)
			}
		}
	}
}

// TestAnErrorIsDecodedToAStatus, which is what client-go asks for.
func TestAnErrorIsDecodedToAStatus(t *testing.T) {
	_, ours := serializers(t)
	out, _, err := ours.Decode([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden"}`),
		&schema.GroupVersionKind{Version: "v1", Kind: "Status"}, nil)
	if s, ok := out.(*metav1.Status); err != nil || !ok || s.Code != 403 {
		t.Errorf("%T, %v", out, err)
	}
}

// TestAnAnswerWithoutAKindIsNotTold: it may hold a credential.
func TestAnAnswerWithoutAKindIsNotTold(t *testing.T) {
	_, ours := serializers(t)
	for _, into := range []runtime.Object{&unstructured.Unstructured{}, nil} {
		_, _, err := ours.Decode([]byte(`{"data":{"x":"hunter2"}}`), nil, into)
		if !runtime.IsMissingKind(err) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestAnEventIsDecodedToAnObjectOrToAStatus.
func TestAnEventIsDecodedToAnObjectOrToAStatus(t *testing.T) {
	_, ours := serializers(t)
	out, kind, err := ours.Decode([]byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","generation":3}}`), nil, nil)
	if u, ok := out.(*unstructured.Unstructured); err != nil || !ok || u.GetName() != "a" || u.GetGeneration() != 3 || kind.Kind != "Pod" {
		t.Errorf("%v, %v", out, err)
	}
	out, _, err = ours.Decode([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired"}`), nil, nil)
	if s, ok := out.(*metav1.Status); err != nil || !ok || s.Code != 410 {
		t.Errorf("%T, %v", out, err)
	}
}
