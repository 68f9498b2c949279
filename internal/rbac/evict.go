package rbac

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
)

// evictName is that of the roles, the bindings and the service account of `pullsecrets evict`.
const evictName = cluster.FieldManager + "-evict"

// EvictRoles returns the roles and bindings of `pullsecrets evict`, which are the same for every policy. Pods are evicted, and have
// Events, in whatever namespace they are in, and RBAC knows no pods by what they wait for.
func EvictRoles(o Options) []manifest.Document {
	return []manifest.Document{
		{Comment: "Printed by pullsecrets rbac -evict.\n" +
			"In all namespaces: see pods, their namespaces and service accounts, evict pods, and tell of it in an Event. No secret\n" +
			"can be read.", Object: newClusterRole(evictName, []rbacv1.PolicyRule{
			coreRule("pods", nil, "list", "watch"),
			coreRule("namespaces", nil, "list", "watch"),
			coreRule("serviceaccounts", nil, "list", "watch"),
			coreRule("pods/eviction", nil, "create"),
			coreRule("events", nil, "create"),
		})},
		{Comment: "The role above is that of pullsecrets evict.", Object: clusterRoleBinding(evictName, o.Namespace)},
		{Comment: "In the controller's namespace: the policy in force, and which copies are there.", Object: role(evictName, o.Namespace,
			[]rbacv1.PolicyRule{coreRule("configmaps", []string{o.StatusName}, "list", "watch")})},
		{Comment: "The role above is that of pullsecrets evict.", Object: roleBinding(evictName, o.Namespace, o.Namespace)},
	}
}
