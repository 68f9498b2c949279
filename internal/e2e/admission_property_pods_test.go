package e2e

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

const mirrorAnnotation = "kubernetes.io/config.mirror"

// pod makes up a pod as somebody writes it.
func (g *generator) pod(ns *cluster.Namespace) *unstructured.Unstructured {
	u := api.Object("v1", "Pod", ns.Name, "made-up")
	u.SetAnnotations(g.annotations(cluster.AnnotationExclude))
	spec := map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
	if g.IntN(12) == 0 { // such a pod names neither account nor secrets
		u.SetAnnotations(map[string]string{mirrorAnnotation: "x"})
		spec["nodeName"] = "node"
		u.Object["spec"] = spec
		return u
	}
	if account := pick(g, podAccounts...); account != "" {
		spec["serviceAccountName"] = account
	}
	names := slices.Clone([]string{"theirs", "others", "reg-a", "hub"})
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if names = names[:g.IntN(4)]; len(names) > 0 {
		var list []any
		for _, name := range names {
			list = append(list, map[string]any{"name": name})
		}
		spec["imagePullSecrets"] = list
	}
	u.Object["spec"] = spec
	return u
}

// comparePod creates a pod in a dry run, and again what came of it, and compares its names with those that the controller would
// have given to an account in place of it. It returns how many names were added.
func (w *state) comparePod(p *policy.Policy, ns *cluster.Namespace, u *unstructured.Unstructured) int {
	t := w.g.s.T
	account, _, _ := unstructured.NestedString(u.Object, "spec", "serviceAccountName")
	if account == "" {
		account = "default"
	}
	before := namesOfPod(u)
	mirror := u.GetAnnotations()[mirrorAnnotation] != ""
	if len(before) == 0 && !mirror { // it takes its account's
		before = cluster.NewServiceAccount(w.g.s.Get(api.Accounts, ns.Name, account)).PullSecrets
	}
	var want []string
	optedOut := u.GetAnnotations()[cluster.AnnotationExclude] == "true" || mirror
	sa := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: ns.Name, Name: account}, PullSecrets: before}
	d := p.Desired(policy.Inputs{Namespace: ns, Sources: w.sources})
	for _, name := range w.decideOnAccounts(p, ns, sa) {
		if !optedOut && slices.ContainsFunc(d.PodNames(account), func(n policy.Name) bool { return n.Name == name }) {
			want = append(want, name)
		}
	}
	first := w.tryPod(u)
	got := namesOfPod(first)
	again := first.DeepCopy()
	again.SetUID("")
	again.SetResourceVersion("")
	if second := namesOfPod(w.tryPod(again)); !slices.Equal(got, second) {
		t.Errorf("created again as it is it has %v, and had %v", second, got)
	}
	if len(got) < len(before) || !slices.Equal(got[:len(before)], before) {
		t.Errorf("the entries of others moved: %v became %v", before, got)
		return 0
	}
	added := slices.Sorted(slices.Values(got[len(before):]))
	slices.Sort(want)
	if !slices.Equal(added, want) {
		rules, _ := admission.Rules(p, w.promises(p))
		t.Errorf("namespace %s %v %v\npod %v\nrules %v\nthe API server adds %v, the controller would %v", ns.Name, ns.Labels, ns.Excluded, u.Object, rules, added, want)
	}
	for _, name := range propertyNames {
		if told := w.told.AddToPod(ns, account, name); !optedOut && !slices.Contains(before, name) && told != slices.Contains(added, name) {
			t.Errorf("namespace %s %v: the API server adds %v to a pod of %s, and the parameters say of %s: %t", ns.Name, ns.Labels, added, account, name, told)
		}
	}
	return len(added)
}

func namesOfPod(u *unstructured.Unstructured) (names []string) {
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, e := range list {
		name, _ := e.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

func (w *state) tryPod(u *unstructured.Unstructured) *unstructured.Unstructured {
	out, err := w.g.s.Client.Resource(api.Pods).Namespace(u.GetNamespace()).Create(w.g.s.Ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		w.g.s.T.Fatal(err)
	}
	return out
}
