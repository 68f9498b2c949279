package proxy

import (
	"bytes"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// TestTheVersionIsReadInBothEncodings, and what is no object has none: it never counts as a write that changed nothing.
func TestTheVersionIsReadInBothEncodings(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "reg", ResourceVersion: "7"}, Data: map[string][]byte{"a": []byte("b")}, Type: "t"}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	asJSON, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	var asProtobuf bytes.Buffer
	if err := protobuf.NewSerializer(nil, nil).Encode(secret, &asProtobuf); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		contentType string
		object      []byte
		want        string
	}{
		{"application/json", asJSON, "7"},
		{"application/vnd.kubernetes.protobuf", asProtobuf.Bytes(), "7"},
		{"application/json", asProtobuf.Bytes(), ""},
		{"application/vnd.kubernetes.protobuf", asJSON, ""},
		{"application/vnd.kubernetes.protobuf", asProtobuf.Bytes()[:12], ""},
		{"application/vnd.kubernetes.protobuf", nil, ""},
		{"application/json", []byte("null"), ""},
	} {
		if got := versionOf(c.contentType, c.object); got != c.want {
			t.Errorf("%s, %d bytes: %q, want %q", c.contentType, len(c.object), got, c.want)
		}
	}
}
