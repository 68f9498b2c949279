package api

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Object returns an object with these names and nothing else.
func Object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// Secret returns a pull secret with this .dockerconfigjson.
func Secret(ns, name, content string) *unstructured.Unstructured {
	u := Object("v1", "Secret", ns, name)
	u.Object["type"] = "kubernetes.io/dockerconfigjson"
	u.Object["data"] = map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(content))}
	return u
}

// Credential returns the bytes of a .dockerconfigjson for one host.
func Credential(host, password string) string {
	text, _ := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]any{
		"username": "robot", "password": password,
		"auth": base64.StdEncoding.EncodeToString([]byte("robot:" + password)),
	}}})
	return string(text)
}

// Content returns the .dockerconfigjson of a pull secret.
func Content(u *unstructured.Unstructured) string {
	text, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
	value, _ := base64.StdEncoding.DecodeString(text)
	return string(value)
}

// PullSecrets returns the names in a service account's list.
func PullSecrets(account *unstructured.Unstructured) []string {
	names := []string{}
	list, _, _ := unstructured.NestedSlice(account.Object, "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, name)
	}
	return names
}

// Pairs returns key=value pairs as a map, as labels or annotations are.
func Pairs(list []string) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	return out
}
