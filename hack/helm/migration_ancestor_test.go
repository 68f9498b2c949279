package helm

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// ancestorProgram writes as one of the ancestors does. They are not run: their images are not here.
type ancestorProgram struct {
	manager   string // of its fields, as the API server takes it from the name of the program
	labels    bool   // besides the annotation
	patchType types.PatchType
	secret    string // the copies' name
	accounts  func(name string) bool
	served    func(namespace *unstructured.Unstructured) bool
}

const ancestorMark = "app.kubernetes.io/managed-by"

func all(string) bool          { return true }
func only(account string) bool { return account == "default" }
func isTrue(text string) bool  { return text == "true" }
func system(namespace string) bool {
	return slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, namespace)
}

// original is titansoft's program.
func original(secret string, accounts func(string) bool, excluded func(string) bool) ancestorProgram {
	return ancestorProgram{
		manager: "imagepullsecret-patcher", patchType: types.StrategicMergePatchType, secret: secret, accounts: accounts,
		served: func(ns *unstructured.Unstructured) bool {
			return !excluded(ns.GetName()) && !isTrue(ns.GetAnnotations()["k8s.titansoft.com/imagepullsecret-patcher-exclude"])
		},
	}
}

const tamcoreExclude = "pborn.eu/imagepullsecret-patcher-exclude"

// tamcore is the program of tamcore's fork, whose image calls it cmd.
func tamcore(secret string, accounts func(string) bool, excluded func(string) bool) ancestorProgram {
	return ancestorProgram{
		manager: "cmd", labels: true, patchType: types.MergePatchType, secret: secret, accounts: accounts,
		served: func(ns *unstructured.Unstructured) bool {
			return !excluded(ns.GetName()) && !isTrue(ns.GetAnnotations()[tamcoreExclude])
		},
	}
}

// run does once what the program does again and again.
func (a ancestorProgram) run(m *migrating, content string) {
	m.T.Helper()
	list, err := m.Client.Resource(api.Namespaces).List(m.Ctx, metav1.ListOptions{})
	harness.Must(m.T, err)
	for _, ns := range list.Items {
		if ns.GetDeletionTimestamp() != nil || !a.served(&ns) {
			continue
		}
		a.copyTo(m, ns.GetName(), content)
		accounts, err := m.Client.Resource(api.Accounts).Namespace(ns.GetName()).List(m.Ctx, metav1.ListOptions{})
		harness.Must(m.T, err)
		for _, account := range accounts.Items {
			if a.accounts(account.GetName()) && !(a.labels && isTrue(account.GetAnnotations()[tamcoreExclude])) {
				a.attach(m, &account)
			}
		}
	}
}

// copyTo creates the copy, unless there is one, as the source is in JanSvoboda's chart.
func (a ancestorProgram) copyTo(m *migrating, namespace, content string) {
	m.T.Helper()
	if _, err := m.Client.Resource(api.Secrets).Namespace(namespace).Get(m.Ctx, a.secret, metav1.GetOptions{}); err == nil {
		return
	}
	made := api.Object("v1", "Secret", namespace, a.secret)
	made.Object["type"] = "kubernetes.io/dockerconfigjson"
	made.Object["stringData"] = map[string]any{".dockerconfigjson": content}
	made.SetAnnotations(map[string]string{ancestorMark: "imagepullsecret-patcher"})
	if a.labels {
		made.SetLabels(map[string]string{ancestorMark: "imagepullsecret-patcher"})
	}
	_, err := m.Client.Resource(api.Secrets).Namespace(namespace).Create(m.Ctx, made, metav1.CreateOptions{FieldManager: a.manager})
	harness.Must(m.T, err)
}

// attach appends the name to the account's list.
func (a ancestorProgram) attach(m *migrating, account *unstructured.Unstructured) {
	m.T.Helper()
	names := listOf(account)
	if slices.Contains(names, a.secret) {
		return
	}
	var entries []map[string]string
	for _, name := range append(names, a.secret) {
		entries = append(entries, map[string]string{"name": name})
	}
	patch, err := json.Marshal(map[string]any{"imagePullSecrets": entries})
	harness.Must(m.T, err)
	_, err = m.Client.Resource(api.Accounts).Namespace(account.GetNamespace()).Patch(m.Ctx, account.GetName(), a.patchType, patch,
		metav1.PatchOptions{FieldManager: a.manager})
	harness.Must(m.T, err)
}

// listOf are the names of an account's list.
func listOf(account *unstructured.Unstructured) (names []string) {
	list, _, _ := unstructured.NestedSlice(account.Object, "imagePullSecrets")
	for _, entry := range list {
		name, _, _ := unstructured.NestedString(entry.(map[string]any), "name")
		names = append(names, name)
	}
	return names
}
