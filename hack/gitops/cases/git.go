package cases

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Home is the controller's namespace.
const Home = "pullsecrets"

// git is what the users' repository holds.
type git struct {
	noPolicy   bool
	names      []string          // the secrets of the policy's one rule
	sources    map[string]string // their passwords; one that is not here is not in git
	namespaces []string
	accounts   []account
}

type account struct {
	namespace, name string
	list            []string // nil: git does not have the field
}

func (a account) id() string { return a.namespace + "/" + a.name }

// objects are the manifests, new ones each time, as a tool may change them.
func (g git) objects(prefix string) (all []*unstructured.Unstructured) {
	for _, name := range g.namespaces {
		ns := Object("v1", "Namespace", "", name)
		ns.SetLabels(map[string]string{"team": "a"})
		all = append(all, ns)
	}
	for _, name := range g.names {
		if password, ok := g.sources[name]; ok {
			all = append(all, source(name, password))
		}
	}
	if !g.noPolicy {
		all = append(all, g.policy(prefix))
	}
	for _, a := range g.accounts {
		u := Object("v1", "ServiceAccount", a.namespace, a.name)
		u.SetLabels(map[string]string{"team": "a"})
		if a.list != nil {
			u.Object["imagePullSecrets"] = entries(a.list)
		}
		all = append(all, u)
	}
	return all
}

func (g git) policy(prefix string) *unstructured.Unstructured {
	var secrets []string
	for _, name := range g.names {
		secrets = append(secrets, fmt.Sprintf("{source: {name: %s}}", name))
	}
	u := Object("v1", "ConfigMap", Home, "pullsecrets-policy")
	u.Object["data"] = map[string]any{"policy.yaml": fmt.Sprintf(`apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- name: teams
  secrets: [%s]
  namespaces: {include: ["%s*"]}
  serviceAccounts: {include: ["*"]}
`, strings.Join(secrets, ", "), prefix)}
	return u
}

// account returns what git has of an account, which may be nothing.
func (g git) account(ns, name string) account {
	for _, a := range g.accounts {
		if a.namespace == ns && a.name == name {
			return a
		}
	}
	return account{namespace: ns, name: name}
}

// declared is the list that accounts have in git, if any has one.
func (g git) declared() []string {
	for _, a := range g.accounts {
		if a.list != nil {
			return a.list
		}
	}
	return nil
}

// with, withNames and withoutLists are git after a commit.
func (g git) with(accounts ...account) git {
	g.accounts = append(slices.Clone(g.accounts), accounts...)
	return g
}

func (g git) withNames(names ...string) git {
	g.names = names
	return g
}

func entries(names []string) []any {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

// Object returns an object with these names and nothing else.
func Object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func source(name, password string) *unstructured.Unstructured {
	u := Object("v1", "Secret", Home, name)
	u.Object["type"] = "kubernetes.io/dockerconfigjson"
	u.Object["data"] = map[string]any{".dockerconfigjson": content(name, password)}
	return u
}

// content is the value of the only key of a source and its copies.
func content(name, password string) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"auths":{"%s.example":{"auth":%q}}}`,
		name, base64.StdEncoding.EncodeToString([]byte("robot:"+password))))
}

func (g git) withoutLists() git {
	g.accounts = slices.Clone(g.accounts)
	for i := range g.accounts {
		g.accounts[i].list = nil
	}
	return g
}
