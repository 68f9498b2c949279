package rbac

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

var options = Options{Namespace: "own", PolicyName: "the-policy", StatusName: "the-status"}

func parse(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse(
		map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + rules},
		policy.Options{Namespace: "own", SourceNamespaces: []string{"vault", "attic"}})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// grants lists what documents permit, "where: resource names: verbs" a line.
func grants(t *testing.T, docs []manifest.Document) (lines []string) {
	t.Helper()
	for _, d := range docs {
		where, rules := "", []rbacv1.PolicyRule(nil)
		switch o := d.Object.(type) {
		case *rbacv1.ClusterRole:
			where, rules = "everywhere", o.Rules
		case *rbacv1.Role:
			where, rules = o.Namespace, o.Rules
		}
		for _, r := range rules {
			resource := strings.Join(r.Resources, ",")
			if group := strings.Join(r.APIGroups, ","); group != "" {
				resource += "." + group
			}
			lines = append(lines, where+": "+resource+" ["+strings.Join(r.ResourceNames, " ")+"]: "+strings.Join(r.Verbs, " "))
		}
	}
	return lines
}

// own is what is permitted in the controller's own namespace, whatever the policy is.
var own = []string{
	"own: configmaps [the-policy]: list watch patch",
	"own: configmaps [the-status]: list watch create patch",
	"own: leases.coordination.k8s.io [pullsecrets]: get create update",
	"own: events []: create patch",
}

func everywhere(copies string) []string {
	out := []string{
		"everywhere: namespaces []: list watch",
		"everywhere: serviceaccounts []: get list watch patch",
	}
	if copies != "" {
		out = append(out, "everywhere: secrets ["+copies+"]: get list watch create patch delete")
	}
	return out
}

func TestRoles(t *testing.T) {
	const two = `
- {name: a, secrets: [{source: {name: s2}, name: c2}, {source: {name: s1}}]}
- {name: b, secrets: [{source: {name: s1}, name: c1}, {source: {name: s2}, name: c2}]}
`
	for _, c := range []struct {
		why, rules string
		change     func(*Options)
		want       []string
	}{
		{"each name once, in order, whatever the order of the rules", two, nil,
			slices.Concat(everywhere("c1 c2 s1"), []string{"own: secrets [s1 s2]: list watch"}, own)},
		{"no names means every name in RBAC, so a policy without secrets gives no rule about secrets", "  []", nil,
			slices.Concat(everywhere(""), own)},
		{"names on their way out stay, also those that are still in the policy", two,
			func(o *Options) { o.Also = []string{"old", "c1", "old", "a"} },
			slices.Concat(everywhere("a c1 c2 old s1"), []string{"own: secrets [s1 s2]: list watch"}, own)},
		{"after the last rule went, its copies can still be removed", "  []",
			func(o *Options) { o.Also = []string{"old"} }, slices.Concat(everywhere("old"), own)},
		{"sources elsewhere are read there and not here",
			"- {name: a, secrets: [{source: {name: s, namespace: vault}}, {source: {name: r, namespace: vault}, name: q}, {source: {name: s, namespace: attic}, name: r}]}", nil,
			slices.Concat(everywhere("q r s"), own, []string{"attic: secrets [s]: list watch", "vault: secrets [r s]: list watch"})},
		{"admission parameters only where they are kept", "  []", func(o *Options) { o.Admission = true },
			slices.Concat(everywhere(""), own, []string{"own: admissionrules.pullsecrets.internal []: get list watch create patch delete"})},
	} {
		t.Run(c.why, func(t *testing.T) {
			o := options
			if c.change != nil {
				c.change(&o)
			}
			if diff := cmp.Diff(c.want, grants(t, Roles(parse(t, c.rules), o))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryRoleIsBoundToTheControllerAlone(t *testing.T) {
	docs := Roles(parse(t, "- {name: a, secrets: [{source: {name: s, namespace: vault}}]}"), options)
	controller := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "pullsecrets", Namespace: "own"}}
	roles, bindings := []string{}, []string{}
	for _, d := range docs {
		switch o := d.Object.(type) {
		case *rbacv1.ClusterRole:
			roles = append(roles, o.Kind+" "+o.Name)
		case *rbacv1.Role:
			roles = append(roles, o.Kind+" "+o.Namespace+"/"+o.Name)
		case *rbacv1.ClusterRoleBinding:
			bindings = append(bindings, o.RoleRef.Kind+" "+o.RoleRef.Name)
			if diff := cmp.Diff(controller, o.Subjects); diff != "" {
				t.Error(diff)
			}
		case *rbacv1.RoleBinding:
			bindings = append(bindings, o.RoleRef.Kind+" "+o.Namespace+"/"+o.RoleRef.Name)
			if diff := cmp.Diff(controller, o.Subjects); diff != "" {
				t.Error(diff)
			}
		default:
			t.Errorf("a %T is neither role nor binding", o)
		}
	}
	if diff := cmp.Diff(roles, bindings); diff != "" {
		t.Errorf("roles and what is bound (-roles +bound):\n%s", diff)
	}
	if len(roles) != 3 {
		t.Errorf("roles: %v, want one for the cluster, one here, one in the source's namespace", roles)
	}
}

func TestTheSameRolesAreTheSameBytes(t *testing.T) {
	var first []byte
	for range 20 {
		p := parse(t, "- {name: a, secrets: [{source: {name: s, namespace: vault}}, {source: {name: r}, name: q}, {source: {name: t, namespace: attic}, name: r}]}")
		text, err := manifest.YAML(Roles(p, options))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if !bytes.Equal(first, text) {
			t.Fatalf("once\n%s\nand once\n%s", first, text)
		}
	}
}

// Where no rule gives names to service accounts, they cannot be written. That nobody has names from before is said by whoever
// applies the roles, and a name that left the policy may be on accounts.
func TestRolesForPodsAlone(t *testing.T) {
	const pods, accounts = "- {name: a, secrets: [{source: {name: s}}], attach: pods}\n", "- {name: b, secrets: [{source: {name: t}}]}\n"
	admission := options
	admission.Admission = true
	also := admission
	also.Also = []string{"gone"}
	same := admission
	same.Also = []string{"s"}
	for _, c := range []struct {
		why, rules string
		o          Options
		want       string
	}{
		{"every rule attaches to pods", pods, admission, "list watch"},
		{"and the names in use are those of the policy", pods, same, "list watch"},
		{"a name has left the policy", pods, also, "get list watch patch"},
		{"the API server adds nothing", pods, options, "get list watch patch"},
		{"one rule attaches to accounts", pods + accounts, admission, "get list watch patch"},
		{"no rule is left, and names may be", " []", admission, "get list watch patch"},
	} {
		if got := grants(t, Roles(parse(t, c.rules), c.o)); !slices.Contains(got, "everywhere: serviceaccounts []: "+c.want) {
			t.Errorf("%s: %v, want %s", c.why, got, c.want)
		}
	}
}

func TestRolesOfEvict(t *testing.T) {
	docs := EvictRoles(options)
	want := []string{
		"everywhere: pods []: list watch",
		"everywhere: namespaces []: list watch",
		"everywhere: serviceaccounts []: list watch",
		"everywhere: pods/eviction []: create",
		"everywhere: events []: create",
		"own: configmaps [the-status]: list watch",
	}
	if diff := cmp.Diff(want, grants(t, docs)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := manifest.YAML(docs)
	if err != nil || strings.Contains(string(text), "name: pullsecrets\n  namespace: own") {
		t.Errorf("the controller's account gets something of it: %v\n%s", err, text)
	}
}
