package cluster

import (
	"encoding/base64"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ConfigMap is the policy's or the status ConfigMap, whole but for its managedFields.
type ConfigMap struct {
	Meta
	Annotations map[string]string
	Data        map[string]string
	BinaryData  map[string][]byte
}

// NewConfigMap copies a v1 ConfigMap.
func NewConfigMap(o metav1.Object) *ConfigMap {
	cm := &ConfigMap{Meta: newMeta(o), Annotations: o.GetAnnotations(), BinaryData: map[string][]byte{}}
	switch o := o.(type) {
	case *corev1.ConfigMap:
		cm.Data = o.Data
		maps.Copy(cm.BinaryData, o.BinaryData)
	case *unstructured.Unstructured:
		cm.fill(o)
	}
	return cm
}

func (cm *ConfigMap) fill(u *unstructured.Unstructured) {
	cm.Data, _, _ = unstructured.NestedStringMap(u.Object, "data")
	binary, _, _ := unstructured.NestedStringMap(u.Object, "binaryData")
	for key, text := range binary {
		// The API server validated the encoding; a value that it did not is left out.
		if value, err := base64.StdEncoding.DecodeString(text); err == nil {
			cm.BinaryData[key] = value
		}
	}
}
