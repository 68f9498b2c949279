package apply

import (
	"encoding/base64"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// copyObject is what we apply for a copy: type, the one data key, and our marks. Nothing is inherited from the
// source, and type is always there, because a field that we owned and leave out is removed.
//
// It applies to exactly what was decided on: to that version of that object, or to none. What another controller
// wrote in between has our own field manager, so without a version nothing would keep us from putting an older
// credential over a newer one.
func copyObject(namespace string, a plan.Action) *unstructured.Unstructured {
	annotations := map[string]any{
		cluster.AnnotationRule:   a.Copy.Marks.Rule,
		cluster.AnnotationSource: a.Copy.Marks.Source,
		cluster.AnnotationFor:    a.Copy.Marks.For,
	}
	if a.Copy.Marks.Prune != "" {
		annotations[cluster.AnnotationPrune] = a.Copy.Marks.Prune
	}
	metadata := map[string]any{
		"name": a.Name, "namespace": namespace,
		"labels":      map[string]any{cluster.LabelManagedBy: a.Copy.Marks.ManagedBy},
		"annotations": annotations, "resourceVersion": kube.MustNotExist,
	}
	if a.Verb == plan.Update {
		metadata["uid"], metadata["resourceVersion"] = string(a.UID), a.ResourceVersion
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
		"type": a.Copy.Type,
		"data": map[string]any{cluster.DataKey(a.Copy.Type): base64.StdEncoding.EncodeToString(a.Copy.Credential.Reveal())},
	}}
}

// releasedObject is what we apply to give a copy up: a field that we owned and leave out is removed, unless somebody else
// owns it too. The type stays ours, because the API permits nobody to remove it.
func releasedObject(namespace string, a plan.Action) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": a.Copy.Type,
		"metadata": map[string]any{
			"name": a.Name, "namespace": namespace, "uid": string(a.UID), "resourceVersion": a.ResourceVersion,
		},
	}}
}

// listObject is what we apply for a service account: the whole list, because it is atomic, under the uid and the
// resourceVersion that it was decided on. A stale version is refused; a version alone would re-create an account
// that was deleted, the uid does not.
func listObject(by cluster.Installation, namespace string, a plan.Action) *unstructured.Unstructured {
	names := make([]any, 0, len(a.List.Names))
	for _, name := range a.List.Names {
		entry := map[string]any{}
		if name != "" {
			entry["name"] = name
		}
		names = append(names, entry)
	}
	obj := accountObject(namespace, a.Name, string(a.UID), a.ResourceVersion)
	obj.Object["imagePullSecrets"] = names
	ledger := by.Ledger(namespace, a.List.Ledger)
	if a.List.Unnamed {
		ledger = strings.Join(a.List.Ledger, ",")
	}
	if len(a.List.Ledger) == 0 && a.List.Release {
		// An empty ledger is written, not left out: the admission policy may have made it, and then leaving it out
		// removes nothing.
		ledger = ""
	}
	obj.SetAnnotations(map[string]string{cluster.AnnotationAdded: ledger})
	return obj
}

func accountObject(namespace, name, uid, resourceVersion string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": map[string]any{
			"name": name, "namespace": namespace, "uid": uid, "resourceVersion": resourceVersion,
		},
	}}
}

// patcherManagers are the managers that marked a secret as imagepullsecret-patcher's, by updates; each fork's binary has a
// name of its own.
func patcherManagers(obj *unstructured.Unstructured) sets.Set[string] {
	out := sets.New[string]()
	for _, e := range obj.GetManagedFields() {
		if e.Operation == metav1.ManagedFieldsOperationUpdate && e.FieldsV1 != nil &&
			strings.Contains(e.FieldsV1.GetRawString(), `"f:`+cluster.LabelManagedBy+`"`) {
			out.Insert(e.Manager)
		}
	}
	return out
}
