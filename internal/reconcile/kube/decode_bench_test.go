package kube

import (
	"bytes"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// BenchmarkEvent decodes a copy as it comes in an event of a watch, and projects it: to a map by the dynamic client's own way, to a map
// at once, to a map from CBOR, and to its type from protobuf.
func BenchmarkEvent(b *testing.B) {
	fields := `{"f:data":{".":{},"f:.dockerconfigjson":{}},"f:metadata":{"f:annotations":{".":{},"f:pullsecrets/for":{},"f:pullsecrets/rule":{},"f:pullsecrets/source":{}},"f:labels":{".":{},"f:app.kubernetes.io/managed-by":{}}},"f:type":{}}`
	now := metav1.Now()
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a", Name: "regcred", UID: "0b3f6a0e-8b0f-4c35-9d0f-2f0d3f3c9a11", ResourceVersion: "123456", CreationTimestamp: now,
			Labels:      map[string]string{cluster.LabelManagedBy: "pullsecrets"},
			Annotations: map[string]string{cluster.AnnotationRule: "hub", cluster.AnnotationSource: "pullsecrets/hub", cluster.AnnotationFor: "pullsecrets/team-a"},
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "pullsecrets", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", Time: &now, FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(fields),
			}},
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{"registry.example.com":{"username":"robot","password":"0123456789abcdef","auth":"cm9ib3Q6MDEyMzQ1Njc4OWFiY2RlZg=="}}}`)},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		b.Fatal(err)
	}
	encoded := func(by runtime.Encoder, object runtime.Object) []byte {
		var text bytes.Buffer
		if err := by.Encode(object, &text); err != nil {
			b.Fatal(err)
		}
		return text.Bytes()
	}
	untyped := &unstructured.Unstructured{Object: content}
	json := encoded(unstructured.UnstructuredJSONScheme, untyped)
	of := dynamic.ConfigFor(&rest.Config{}).NegotiatedSerializer
	theirs, _ := runtime.SerializerInfoForMediaType(of.SupportedMediaTypes(), runtime.ContentTypeJSON)
	once, _ := runtime.SerializerInfoForMediaType(decodedOnce(of).SupportedMediaTypes(), runtime.ContentTypeJSON)
	typed, _ := runtime.SerializerInfoForMediaType(decodedOnce(of).typed().SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	maps := cbor.NewSerializer(untypedOnly{}, untypedOnly{})
	projector := cluster.NewProjector([]byte("key"))
	for _, c := range []struct {
		name string
		by   runtime.Decoder
		text []byte
	}{
		{"json", theirs.Serializer, json},
		{"json-once", once.Serializer, json},
		{"cbor", maps, encoded(maps, untyped)},
		{"protobuf", typed.Serializer, encoded(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), secret)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(len(c.text)), "bytes")
			for b.Loop() {
				obj, _, err := c.by.Decode(c.text, nil, nil)
				if err != nil {
					b.Fatal(err)
				}
				if s := projector.Secret(obj.(metav1.Object)); s.Content == nil || !s.OwnsData {
					b.Fatal("it is not projected")
				}
			}
		})
	}
}

// untypedOnly has everything be unstructured.
type untypedOnly struct{}

func (untypedOnly) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	return &unstructured.Unstructured{}, nil
}

func (untypedOnly) Recognizes(schema.GroupVersionKind) bool { return true }

func (untypedOnly) ObjectKinds(o runtime.Object) ([]schema.GroupVersionKind, bool, error) {
	return []schema.GroupVersionKind{o.GetObjectKind().GroupVersionKind()}, false, nil
}
