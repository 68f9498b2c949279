package kube

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/json"
)

// codecs are media types with their serializers, beside what else a dynamic client has.
type codecs struct {
	runtime.NegotiatedSerializer
	types []runtime.SerializerInfo
}

// SupportedMediaTypes is part of runtime.NegotiatedSerializer.
func (c codecs) SupportedMediaTypes() []runtime.SerializerInfo { return c.types }

// decodedOnce has JSON be decoded once where a dynamic client's codecs do it up to four times.
func decodedOnce(of runtime.NegotiatedSerializer) codecs {
	types := slices.Clone(of.SupportedMediaTypes())
	for i := range types {
		if types[i].MediaType == runtime.ContentTypeJSON {
			types[i].Serializer = once{types[i].Serializer}
		}
	}
	return codecs{of, types}
}

// typed adds protobuf, which is decoded to types.
func (c codecs) typed() codecs {
	known := runtime.NewScheme()
	known.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Namespace{}, &corev1.ServiceAccount{}, &corev1.Secret{}, &corev1.ConfigMap{},
		&corev1.NamespaceList{}, &corev1.ServiceAccountList{}, &corev1.SecretList{}, &corev1.ConfigMapList{})
	metav1.AddToGroupVersion(known, corev1.SchemeGroupVersion)
	return codecs{c.NegotiatedSerializer, append(slices.Clone(c.types), runtime.SerializerInfo{
		MediaType: runtime.ContentTypeProtobuf, MediaTypeType: "application", MediaTypeSubType: "vnd.kubernetes.protobuf",
		Serializer: protobuf.NewSerializer(known, known),
		StreamSerializer: &runtime.StreamSerializerInfo{
			Serializer: protobuf.NewRawSerializer(known, known), Framer: protobuf.LengthDelimitedFramer,
		},
	})}
}

// once decodes JSON into an unstructured object or list in one go. apimachinery's serializer looks for the kind first, then whether it
// is a list, and decodes it after that, a list's items one by one.
type once struct{ runtime.Serializer }

// Decode is part of runtime.Decoder.
func (s once) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	var err error
	switch into := into.(type) {
	case *unstructured.Unstructured:
		into.Object = nil
		err = json.Unmarshal(data, &into.Object)
	case *unstructured.UnstructuredList:
		into.Object = nil
		if err = json.Unmarshal(data, &into.Object); err == nil {
			if into.GetKind() == "Status" {
				return s.decodeFailure(data)
			}
			err = takeItems(into)
		}
	case nil:
		if defaults != nil {
			return s.Serializer.Decode(data, defaults, nil)
		}
		return s.decodeEvent(data)
	default:
		return s.Serializer.Decode(data, defaults, into)
	}
	if err != nil {
		return nil, nil, err
	}
	kind := into.GetObjectKind().GroupVersionKind()
	if kind.Kind == "" {
		return nil, &kind, runtime.NewMissingKindErr("an answer of the API server")
	}
	return into, &kind, nil
}

// decodeEvent decodes the object of a watch's event, which may be the status of an error.
func (s once) decodeEvent(data []byte) (runtime.Object, *schema.GroupVersionKind, error) {
	out, kind, err := s.Decode(data, nil, &unstructured.Unstructured{})
	if err == nil && kind.Kind == "Status" {
		return s.Serializer.Decode(data, nil, nil)
	}
	return out, kind, err
}

// decodeFailure decodes the status of an error, in the place of a list; client-go passes over one that tells of none.
func (s once) decodeFailure(data []byte) (runtime.Object, *schema.GroupVersionKind, error) {
	out, kind, err := s.Serializer.Decode(data, nil, nil)
	if status, ok := out.(*metav1.Status); err == nil && (!ok || status.Status != metav1.StatusFailure) {
		return nil, kind, errNoList
	}
	return out, kind, err
}

// errNoList is said of what a proxy answers in place of the API server: read as a list, it would have no items, as if all were gone.
const errNoList = Plain("an answer to a list is none")

// takeItems makes objects of a list's items. The API server sends no kind with them: it is that of the list.
func takeItems(list *unstructured.UnstructuredList) error {
	value, there := list.Object["items"]
	items, ok := value.([]any)
	if !there || !ok && value != nil || !strings.HasSuffix(list.GetKind(), "List") {
		return errNoList
	}
	delete(list.Object, "items")
	version, kind := list.GetAPIVersion(), strings.TrimSuffix(list.GetKind(), "List")
	list.Items = make([]unstructured.Unstructured, 0, len(items))
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			return errors.New("a list of the API server has an item that is no object")
		}
		u := unstructured.Unstructured{Object: fields}
		if u.GetKind() == "" && u.GetAPIVersion() == "" {
			u.SetKind(kind)
			u.SetAPIVersion(version)
		}
		list.Items = append(list.Items, u)
	}
	return nil
}
