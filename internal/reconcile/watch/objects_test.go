package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

func names(objs []cluster.Object) string {
	var out []string
	for _, o := range objs {
		out = append(out, o.GetNamespace()+"/"+o.GetName()+"@"+o.GetResourceVersion())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestObjectsAreThoseOfAMap after any adding, deleting and replacing, by name and by namespace.
func TestObjectsAreThoseOfAMap(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		o, want := NewObjects(kube.Target{Resource: kube.ServiceAccounts}), map[cache.ObjectName]cluster.Object{}
		version := 0
		some := func() cluster.Object {
			version++
			return &cluster.Meta{Namespace: fmt.Sprintf("ns-%d", random.IntN(4)), Name: fmt.Sprintf("sa-%d", random.IntN(4)),
				UID: types.UID(fmt.Sprint(version)), ResourceVersion: fmt.Sprint(version)}
		}
		for range 200 {
			obj := some()
			name := kube.NameOf(obj)
			switch random.IntN(10) {
			case 0:
				list := []cluster.Object{some(), some(), some()}
				clear(want)
				for _, obj := range list {
					want[kube.NameOf(obj)] = obj
				}
				o.replace(list, fmt.Sprint(version))
			case 1, 2, 3:
				if got := o.Delete(obj); got != want[name] {
					t.Fatalf("seed %d: deleted %v, want %v", seed, got, want[name])
				}
				delete(want, name)
			default:
				if got := o.Add(obj); got != want[name] {
					t.Fatalf("seed %d: replaced %v, want %v", seed, got, want[name])
				}
				want[name] = obj
			}
			var all []cluster.Object
			in := map[string][]cluster.Object{}
			for _, obj := range want {
				all = append(all, obj)
				in[obj.GetNamespace()] = append(in[obj.GetNamespace()], obj)
			}
			if got, want := names(o.List()), names(all); got != want {
				t.Fatalf("seed %d: there are %s, want %s", seed, got, want)
			}
			for i := range 4 {
				ns := fmt.Sprintf("ns-%d", i)
				if got, want := names(o.inNamespace(ns)), names(in[ns]); got != want {
					t.Fatalf("seed %d: in %s there are %s, want %s", seed, ns, got, want)
				}
			}
			if _, upTo := o.getWithVersion(name); upTo != fmt.Sprint(version) {
				t.Fatalf("seed %d: it holds everything up to %s, want %d", seed, upTo, version)
			}
		}
	}
}

// TestObjectsOfANamespaceAreTheCallers: what changes later does not change what was returned.
func TestObjectsOfANamespaceAreTheCallers(t *testing.T) {
	o := NewObjects(kube.Target{Resource: kube.ServiceAccounts})
	a, b := &cluster.Meta{Namespace: "x", Name: "a"}, &cluster.Meta{Namespace: "x", Name: "b"}
	o.Add(a)
	o.Add(b)
	had := o.inNamespace("x")
	o.Delete(a)
	o.Add(&cluster.Meta{Namespace: "x", Name: "c"})
	if got := names(had); got != "x/a@ x/b@" {
		t.Errorf("it became %s", got)
	}
}
