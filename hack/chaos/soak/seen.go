package soak

import (
	"encoding/base64"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// key is an object's place.
type key struct{ ns, name string }

func (k key) String() string { return k.ns + "/" + k.name }

// seen is what there is in the cluster at one time.
type seen struct {
	namespaces map[string]*object
	secrets    map[key]*object
	accounts   map[key]*object
	policies   map[string]*object   // the policy ConfigMaps, by home
	byName     map[string][]*object // the accounts of each namespace
	version    string               // of the whole
}

func newSeen(namespaces, secrets, accounts []*object) *seen {
	s := &seen{
		namespaces: map[string]*object{}, secrets: map[key]*object{}, accounts: map[key]*object{},
		policies: map[string]*object{}, byName: map[string][]*object{},
	}
	for _, o := range namespaces {
		s.namespaces[o.name] = o
	}
	for _, o := range secrets {
		s.secrets[o.key] = o
	}
	for _, o := range accounts {
		s.accounts[o.key] = o
		s.byName[o.ns] = append(s.byName[o.ns], o)
	}
	return s
}

func (s *seen) accountsIn(ns string) []*object { return s.byName[ns] }

// object is what matters of a namespace, a secret, an account or a ConfigMap.
type object struct {
	key
	uid, version        string
	labels, annotations map[string]string
	deleting            bool
	typ                 string            // of a secret
	data                map[string]string // of a secret, decoded; of a ConfigMap
	applied             bool              // a secret's content is a field of the manager pullsecrets
	list                []string          // of an account
}

// manager is the field manager of the program.
const manager = "pullsecrets"

func newObject(u *unstructured.Unstructured) *object {
	o := &object{
		key: key{u.GetNamespace(), u.GetName()}, uid: string(u.GetUID()), version: u.GetResourceVersion(),
		labels: u.GetLabels(), annotations: u.GetAnnotations(), deleting: u.GetDeletionTimestamp() != nil,
	}
	o.typ, _, _ = unstructured.NestedString(u.Object, "type")
	o.data, _, _ = unstructured.NestedStringMap(u.Object, "data")
	if u.GetKind() == "Secret" {
		for k, v := range o.data {
			text, _ := base64.StdEncoding.DecodeString(v)
			o.data[k] = string(text)
		}
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		o.list = append(o.list, name)
	}
	o.applied = slices.ContainsFunc(u.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == manager && m.Operation == metav1.ManagedFieldsOperationApply && m.FieldsV1 != nil &&
			strings.Contains(string(m.FieldsV1.Raw), `"f:.docker`)
	})
	return o
}

// installation is the one that a copy is for, by its mark for this namespace; "" is none.
func (o *object) installation() string {
	home, ns, ok := strings.Cut(o.annotations["pullsecrets/for"], "/")
	if !ok || ns != o.ns {
		return ""
	}
	return home
}

// ledger is who keeps the ledger of an account, and which names are in it. A rule that does not prune leaves one without names.
func (o *object) ledger() (home string, names []string) {
	head, rest, ok := strings.Cut(o.annotations["pullsecrets/added"], ":")
	if !ok {
		return "", nil
	}
	home, ns, _ := strings.Cut(strings.TrimSpace(head), "/")
	for _, name := range strings.Split(rest, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if ns != o.ns {
		return "the ledger of another namespace: " + home + "/" + ns, names
	}
	return home, names
}

func (o *object) has(name string) bool { return slices.Contains(o.list, name) }

// optedOut is what the annotation says on a namespace or an account.
func (o *object) optedOut() bool { return o.annotations["pullsecrets/exclude"] == "true" }

// content is the value of the one key that the type has; empty where a secret is of another type.
func (o *object) content() string {
	switch o.typ {
	case typeConfigJSON:
		return o.data[".dockerconfigjson"]
	case typeConfig:
		return o.data[".dockercfg"]
	}
	return ""
}

const (
	typeConfigJSON = "kubernetes.io/dockerconfigjson"
	typeConfig     = "kubernetes.io/dockercfg"
)
