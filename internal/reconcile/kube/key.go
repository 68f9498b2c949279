package kube

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// The kinds that are written besides those that a plan is about.
const (
	KindConfigMap plan.Kind = "ConfigMap"
	KindEvent     plan.Kind = "Event"
)

// KindOf are those whose writes are remembered until a watch shows them.
var KindOf = map[schema.GroupVersionResource]plan.Kind{
	ServiceAccounts: plan.KindServiceAccount, Secrets: plan.KindSecret, ConfigMaps: KindConfigMap,
}

// Key names an object that we write.
type Key struct {
	Kind plan.Kind
	cache.ObjectName
}

// KeyOf names the object that an action is about.
func KeyOf(namespace string, a plan.Action) Key {
	return Key{a.Kind, cache.ObjectName{Namespace: namespace, Name: a.Name}}
}

// NameOf is an object's namespace and name.
func NameOf(o cluster.Object) cache.ObjectName {
	return cache.ObjectName{Namespace: o.GetNamespace(), Name: o.GetName()}
}
