package cluster

import (
	"encoding/base64"

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
func NewConfigMap(u *unstructured.Unstructured) *ConfigMap {
	cm := &ConfigMap{Meta: newMeta(u), Annotations: u.GetAnnotations(), BinaryData: map[string][]byte{}}
	cm.Data, _, _ = unstructured.NestedStringMap(u.Object, "data")
	binary, _, _ := unstructured.NestedStringMap(u.Object, "binaryData")
	for key, text := range binary {
		// The API server validated the encoding; a value that it did not is left out.
		if value, err := base64.StdEncoding.DecodeString(text); err == nil {
			cm.BinaryData[key] = value
		}
	}
	return cm
}
