package watch

import (
	"cmp"
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

// names are those of objects, in their order.
func names(objs []cluster.Object) string {
	var out []string
	for _, o := range objs {
		out = append(out, o.GetNamespace()+"/"+o.GetName()+"@"+o.GetResourceVersion())
	}
	return strings.Join(out, " ")
}

// sorted are the names of objects in their order, one by one: "a-b" comes before "a/c" as a text, and not as a namespace.
func sorted(objs []cluster.Object) string {
	slices.SortFunc(objs, func(a, b cluster.Object) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	return names(objs)
}

// TestObjectsAreThoseOfAMap after any adding, deleting and replacing, by name and by namespace, and in order.
func TestObjectsAreThoseOfAMap(t *testing.T) {
	namespaces := []string{"", "ns", "ns-1", "ns-10", "ns.1"}
	var places []Place
	for _, ns := range append(namespaces, "never-there") {
		places = append(places, PlaceOf(ns))
	}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		o, want := NewObjects(), map[cache.ObjectName]cluster.Object{}
		version := 0
		some := func() cluster.Object {
			version++
			return &cluster.Meta{Namespace: namespaces[random.IntN(len(namespaces))], Name: fmt.Sprintf("sa-%d", random.IntN(20)),
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
			if got, want := names(o.List()), sorted(all); got != want {
				t.Fatalf("seed %d: there are %s, want %s", seed, got, want)
			}
			for _, ns := range namespaces {
				if got, want := names(o.inNamespace(ns)), sorted(in[ns]); got != want {
					t.Fatalf("seed %d: in %s there are %s, want %s", seed, ns, got, want)
				}
			}
			for _, place := range places {
				for _, name := range []string{"sa-0", "sa-1"} {
					if got, want := o.at(place, name), want[cache.ObjectName{Namespace: place.Namespace, Name: name}]; got != want {
						t.Fatalf("seed %d: %s in %s is %v, want %v", seed, name, place.Namespace, got, want)
					}
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
	o := NewObjects()
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
