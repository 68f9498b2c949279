package cluster

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// managed are fields that managers may own.
var managed = []string{
	`{"f:data":{}}`, `{"f:data":{".":{},"f:.dockerconfigjson":{}}}`, `{"f:data":{"f:.dockercfg":{}}}`, `{"f:data":{"f:other":{}}}`,
	`{"f:imagePullSecrets":{}}`, `{"f:imagePullSecrets":{"k:{\"name\":\"a\"}":{"f:name":{}}}}`,
	`{"f:metadata":{"f:annotations":{"f:pullsecrets/for":{},"f:pullsecrets/source":{}},"f:labels":{"f:app.kubernetes.io/managed-by":{}}}}`,
	`{"f:metadata":{"f:annotations":{}}}`, `{}`, `{"f:data":{"f:.dockerconfigjson":null}}`, `{"f:imagePullSecrets":["x"]}`,
}

// randomMeta is what any object may have of what is projected.
func randomMeta(random *rand.Rand) map[string]any {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	labels, annotations := map[string]any{}, map[string]any{}
	for range random.IntN(3) {
		labels[pick(LabelManagedBy, "app", "team")] = pick("pullsecrets", "imagepullsecret-patcher", "x", "")
		annotations[pick(AnnotationRule, AnnotationSource, AnnotationFor, AnnotationPrune, AnnotationAdded, AnnotationExclude,
			AnnotationExcludeAncestor, AnnotationExpires, AnnotationEvict, LabelManagedBy)] =
			pick("true", "false", "pullsecrets/a", "hub", "", "pullsecrets/a: hub,ghcr", "2026-11-28T00:00:00Z", "imagepullsecret-patcher")
	}
	m := map[string]any{
		"name": pick("reg", "default"), "namespace": "a", "uid": fmt.Sprint("u-", random.IntN(9)), "resourceVersion": fmt.Sprint(random.IntN(1000)),
		"creationTimestamp": "2026-11-01T10:00:00Z", "labels": labels, "annotations": annotations,
	}
	if random.IntN(4) == 0 {
		m["deletionTimestamp"] = "2026-11-02T10:00:00Z"
	}
	var entries []any
	for range random.IntN(4) {
		entry := map[string]any{
			"manager": pick("pullsecrets", "kubectl", "argocd-controller"), "operation": pick("Apply", "Update"), "apiVersion": "v1",
			"fieldsType": "FieldsV1",
		}
		if random.IntN(5) > 0 {
			entry["time"] = "2026-11-03T10:00:00Z"
		}
		if random.IntN(6) > 0 {
			fields := map[string]any{}
			for range random.IntN(4) {
				_ = json.Unmarshal([]byte(pick(managed...)), &fields)
			}
			entry["fieldsV1"] = fields
		}
		entries = append(entries, entry)
	}
	if entries != nil {
		m["managedFields"] = entries
	}
	return m
}

// TestAnObjectOfItsTypeIsProjectedAsAnUnstructuredOne, whatever it holds: what is read is decoded to maps, and what informers
// list and watch to types.
func TestAnObjectOfItsTypeIsProjectedAsAnUnstructuredOne(t *testing.T) {
	p := NewProjector([]byte("key"))
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 2))
		pick := func(of ...any) any { return of[random.IntN(len(of))] }
		object := map[string]any{"apiVersion": "v1", "metadata": randomMeta(random)}
		var typed metav1.Object
		var project func(metav1.Object) any
		switch random.IntN(4) {
		case 0:
			typed, project = &corev1.Namespace{}, func(o metav1.Object) any { return NewNamespace(o, "other/opt-out") }
			object["kind"], object["status"] = "Namespace", map[string]any{"phase": pick("Active", "Terminating", "")}
		case 1:
			typed, project = &corev1.ServiceAccount{}, func(o metav1.Object) any { return NewServiceAccount(o, AnnotationEvict) }
			object["kind"] = "ServiceAccount"
			if random.IntN(3) > 0 {
				list := []any{}
				for range random.IntN(4) {
					list = append(list, pick(map[string]any{"name": "a"}, map[string]any{"name": "b"}, map[string]any{}))
				}
				object["imagePullSecrets"] = list
			}
		case 2:
			typed, project = &corev1.ConfigMap{}, func(o metav1.Object) any { return NewConfigMap(o) }
			object["kind"] = "ConfigMap"
			if random.IntN(3) > 0 {
				object["data"] = map[string]any{"policy.yaml": pick("", "x: 1\n", "ü")}
				object["binaryData"] = map[string]any{"problems": pick("", "AAEC")}
			}
		case 3:
			typed, project = &corev1.Secret{}, func(o metav1.Object) any {
				source := p.Source(o)
				value := string(source.Credential.Reveal())
				source.Credential = Credential{}
				return []any{p.Secret(o), source, value}
			}
			object["kind"], object["type"] = "Secret", pick(TypeDockerConfigJSON, TypeDockercfg, "Opaque")
			if random.IntN(3) > 0 {
				object["immutable"] = pick(true, false)
			}
			if random.IntN(5) > 0 {
				object["data"] = map[string]any{
					pick(".dockerconfigjson", ".dockercfg", "other").(string): pick("", "e30=", "eyJhdXRocyI6eyJhLmV4YW1wbGUiOnsiYXV0aCI6ImRUcHcifX19", "eA=="),
					pick("other", "tls.key", ".dockerconfigjson").(string):    pick("", "eA=="),
				}
			}
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, typed); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, got := project(&unstructured.Unstructured{Object: object}), project(typed)
		if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Fatalf("seed %d: %s\n%s", seed, text, diff)
		}
	}
}
