package inspect

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// largePods are 10,000 pods of 200 KiB each, made one at a time as a list of a live cluster gives them.
type largePods struct {
	dumpObjects
	listed func() // all of them
}

func (l largePods) list(what kube.Target, f func(*unstructured.Unstructured) error) error {
	if what.Resource != kube.Pods {
		return l.dumpObjects.list(what, f)
	}
	for n := range 10000 {
		u := explained("Pod", fmt.Sprintf("n%d", n%100), fmt.Sprintf("web-%d-77-x", n), map[string]any{
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": fmt.Sprintf("hub.example/x:%d", n%1000)}}},
		})
		u.SetLabels(map[string]string{"pod-template-hash": "77", "other": strings.Repeat("x", 200<<10)})
		_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{
			"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": fmt.Sprintf("web-%d-77", n%2000), "uid": "u", "controller": true,
		}}, "metadata", "ownerReferences")
		if err := f(u); err != nil {
			return err
		}
	}
	l.listed()
	return nil
}

// Of each pod a projection is kept, so that a large cluster needs little memory.
func TestCoverageKeepsLittleOfEachPod(t *testing.T) {
	var objects dumpObjects
	for n := range 100 {
		objects.dumpLookup = append(objects.dumpLookup, explained("Namespace", "", fmt.Sprintf("n%d", n), nil),
			explained("ServiceAccount", fmt.Sprintf("n%d", n), "default", nil))
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, kept := heap(), int64(0)
	pods := largePods{objects, func() { kept = int64(heap()) - int64(before) }}
	report, err := coverageOf(pods, Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}, CoverageQuery{
		Documents: map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"}, Options: policy.Options{Namespace: "home"}})
	if err != nil {
		t.Fatal(err)
	}
	if kept > 32<<20 { // as they are, the pods have 2 GiB
		t.Errorf("%d MiB are kept", kept>>20)
	}
	if report.Totals.Pods != 10000 || report.Totals.Workloads != 2000 || report.Totals.States[coverage.None] != report.Totals.Images {
		t.Errorf("%+v", report.Totals)
	}
	t.Logf("%d KiB are kept", kept>>10)
}
