package rbac

import (
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// name is that of the roles, the bindings, the service account and the Lease.
const name = cluster.FieldManager

// Options are what the roles depend on besides the policy.
type Options struct {
	Namespace  string   // the controller's own
	PolicyName string   // of the policy ConfigMap
	StatusName string   // of the status ConfigMap
	Also       []string // names of copies that the policy no longer has, but that may have copies left
	Admission  bool     // the controller keeps admission parameters
}

// Roles returns the roles and bindings under which the controller can carry out a policy: one for the whole cluster,
// and one in its own namespace and in each that holds a source. No rule is without names that could have some: what
// has no name at the time of the request (events, admission parameters) is limited to the controller's namespace, and
// namespaces and service accounts are chosen by globs and labels.
func Roles(p *policy.Policy, o Options) []manifest.Document {
	names := slices.Concat(p.CopyNames(), o.Also)
	slices.Sort(names)
	names = slices.Compact(names)
	verbs, comment := accountVerbs, "Printed by pullsecrets rbac.\n"+
		"In all namespaces: see namespaces, add names to service accounts, and keep the copies. Secrets of other names\n"+
		"can be neither read nor written."
	if o.Admission && attachesToPodsAlone(p) && len(names) == len(p.CopyNames()) {
		verbs, comment = seeAccounts, "Printed by pullsecrets rbac.\n"+
			"In all namespaces: see namespaces and service accounts, and keep the copies. Secrets of other names can be neither\n"+
			"read nor written, and no service account can be written: every rule attaches to pods. Apply this only once no\n"+
			"account has names from before that."
	}
	docs := []manifest.Document{
		{Comment: comment, Object: clusterRole(names, verbs)},
		{Comment: "The role above is the controller's.", Object: clusterRoleBinding(name, o.Namespace)},
	}
	sources := sourceNames(p)
	rules := slices.Concat(sourceRules(sources[o.Namespace]), ownRules(o))
	docs = append(docs,
		manifest.Document{Comment: "In the controller's own namespace: read the sources, follow the policy and report on it.", Object: role(name, o.Namespace, rules)},
		manifest.Document{Comment: "The role above is the controller's.", Object: roleBinding(name, o.Namespace, o.Namespace)})
	delete(sources, o.Namespace)
	for _, ns := range slices.Sorted(maps.Keys(sources)) {
		docs = append(docs,
			manifest.Document{Comment: "Read the sources that are in this namespace.", Object: role(name, ns, sourceRules(sources[ns]))},
			manifest.Document{Comment: "The role above is the controller's.", Object: roleBinding(name, ns, o.Namespace)})
	}
	return docs
}

// accountVerbs are what writing lists takes. get is for giving a list back to its owners, which needs the owners' entries in
// managedFields.
var accountVerbs = []string{"get", "list", "watch", "patch"}

// seeAccounts are what it takes to know that no account has a name whose copy is to be removed.
var seeAccounts = []string{"list", "watch"}

// attachesToPodsAlone reports whether no rule gives names to service accounts.
func attachesToPodsAlone(p *policy.Policy) bool {
	return len(p.Rules) > 0 && !slices.ContainsFunc(p.Rules, func(rule *policy.Rule) bool { return rule.Attach != policy.AttachPods })
}

// clusterRole names the copies. Being allowed to create is enough although a create has no name in general: the
// controller creates by server-side apply, which is authorised with the name.
func clusterRole(copies, onAccounts []string) *rbacv1.ClusterRole {
	rules := []rbacv1.PolicyRule{coreRule("namespaces", nil, "list", "watch"), coreRule("serviceaccounts", nil, onAccounts...)}
	if len(copies) > 0 { // a rule without names would mean every secret
		// get is for adopting the copies of imagepullsecret-patcher, for the same reason.
		rules = append(rules, coreRule("secrets", copies, "get", "list", "watch", "create", "patch", "delete"))
	}
	return newClusterRole(name, rules)
}

func newClusterRole(name string, rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      rules,
	}
}

// sourceNames are the names of the sources, by namespace.
func sourceNames(p *policy.Policy) map[string][]string {
	out := map[string][]string{}
	for _, s := range p.Sources() {
		out[s.Namespace] = append(out[s.Namespace], s.Name)
	}
	return out
}

func sourceRules(names []string) []rbacv1.PolicyRule {
	if len(names) == 0 { // a rule without names would mean every secret
		return nil
	}
	return []rbacv1.PolicyRule{coreRule("secrets", names, "list", "watch")}
}

// ownRules are for what the controller keeps in its own namespace. Of the policy it writes the annotations only, but
// RBAC knows no fields.
func ownRules(o Options) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{
		coreRule("configmaps", []string{o.PolicyName}, "list", "watch", "patch"),
		coreRule("configmaps", []string{o.StatusName}, "list", "watch", "create", "patch"),
		{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{name},
			Verbs: []string{"get", "create", "update"},
		},
		coreRule("events", nil, "create", "patch"),
	}
	if o.Admission {
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: []string{"pullsecrets.internal"}, Resources: []string{"admissionrules"},
			Verbs: []string{"get", "list", "watch", "create", "patch", "delete"},
		})
	}
	return rules
}

func coreRule(resource string, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
}

func role(name, namespace string, rules []rbacv1.PolicyRule) *rbacv1.Role {
	return &rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Rules:      rules,
	}
}

func clusterRoleBinding(name, own string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   subjects(name, own),
	}
}

func roleBinding(name, namespace, own string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   subjects(name, own),
	}
}

func subjects(name, own string) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: own}}
}
