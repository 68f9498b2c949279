package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

const mirror = "kubernetes.io/config.mirror"

// podAccounts are those that pods run under, with their lists. The API server refuses a pod whose account is not there.
var podAccounts = map[string][]string{"default": nil, "ci-3": {"theirs"}, "ci-x-1": nil, "a.bc": {"reg-a", "theirs"}, "x1y": nil}

// addAccounts makes the accounts, some of them opted out, which cannot be seen at a pod.
func (g *generator) addAccounts() {
	for _, ns := range g.namespaces {
		for name, list := range podAccounts {
			if name == "default" {
				continue
			}
			u := api.Object("v1", "ServiceAccount", ns.Name, name)
			u.SetAnnotations(g.annotations(cluster.AnnotationExclude))
			u.Object["imagePullSecrets"] = entries(list)
			_, err := g.s.Client.Resource(api.Accounts).Namespace(ns.Name).Create(g.s.Ctx, u, metav1.CreateOptions{})
			harness.Must(g.s.T, err)
		}
	}
}

// pod makes up a pod, now and then with an entry without a name, one that is there twice, or as a mirror pod, which has
// neither a list nor an account.
func (g *generator) pod(ns *cluster.Namespace) *unstructured.Unstructured {
	var list []string
	for range g.IntN(4) {
		list = append(list, pick(g, "", "theirs", "theirs", "reg-a", "hub"))
	}
	pod := podWith(ns.Name, pick(g, "", "", "default", "ci-3", "ci-x-1", "a.bc", "x1y"), list...)
	annotations := g.annotations(cluster.AnnotationExclude)
	if g.IntN(12) == 0 {
		pod = podWith(ns.Name, "")
		harness.Must(g.s.T, unstructured.SetNestedField(pod.Object, "node", "spec", "nodeName"))
		annotations[mirror] = pick(g, "hash", "")
	}
	if len(annotations) > 0 {
		pod.SetAnnotations(annotations)
	}
	return pod
}

// comparePod creates a pod in a dry run, and again what came of it. It returns how many names were added.
func (w *state) comparePod(p *policy.Policy, ns *cluster.Namespace, pod *unstructured.Unstructured) int {
	t := w.g.s.T
	account, _, _ := unstructured.NestedString(pod.Object, "spec", "serviceAccountName")
	if account == "" {
		account = "default"
	}
	_, isMirror := pod.GetAnnotations()[mirror]
	had := podList(pod)
	if len(had) == 0 && !isMirror {
		had = podAccounts[account]
	}
	var missing []string
	optedOut := isMirror || pod.GetAnnotations()[cluster.AnnotationExclude] == "true"
	if !optedOut {
		missing = slices.DeleteFunc(w.podNames(p, ns, account), func(name string) bool { return slices.Contains(had, name) })
	}
	first := w.dryRunPod(pod)
	got, second := podList(first), podList(w.dryRunPod(asWritten(first, pod)))
	where := fmt.Sprintf("namespace %s %v %v\npod %v", ns.Name, ns.Labels, ns.Excluded, pod.Object)
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	if len(got) < len(had) || !slices.Equal(got[:len(had)], had) || !slices.Equal(sorted(missing), sorted(got[len(had):])) {
		rules, _ := admission.Rules(p, w.promises(p))
		t.Errorf("%s\nrules %v\nfrom %v to %v, want %v more", where, rules, had, got, missing)
	}
	for _, name := range propertyNames {
		added := slices.Contains(got, name)
		if !optedOut && !slices.Contains(had, name) && added != w.told.AddToPod(ns, account, name) {
			t.Errorf("%s\nthe API server adds %s: %t, and the parameters say otherwise", where, name, added)
		}
	}
	if !slices.Equal(got, second) {
		t.Errorf("created anew, %v became %v", got, second)
	}
	return len(missing)
}

// podNames are the names of the pure decision without those that are withheld: no new account would get them either, if
// all rules attached to accounts.
func (w *state) podNames(p *policy.Policy, ns *cluster.Namespace, account string) (names []string) {
	fresh := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: ns.Name, Name: account}}
	in := policy.Inputs{Namespace: ns, Accounts: []*cluster.ServiceAccount{fresh}, Sources: w.sources,
		Attached: func(*policy.Rule) policy.Attached { return policy.ToAccounts }}
	var given []string
	for _, a := range w.plan(p, in).Actions {
		if a.List != nil && a.Name == account {
			given = append(given, a.List.Added...)
		}
	}
	for _, n := range p.Desired(in).PodNames(account) {
		if slices.Contains(given, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

func (w *state) dryRunPod(pod *unstructured.Unstructured) *unstructured.Unstructured {
	out, err := w.g.s.createPod(pod)
	harness.Must(w.g.s.T, err)
	return out
}

// createPod creates a pod in a dry run. It is refused until the API server has seen its account.
func (s *sandbox) createPod(pod *unstructured.Unstructured) (u *unstructured.Unstructured, err error) {
	for deadline := time.Now().Add(harness.Patient); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		u, err = s.Client.Resource(api.Pods).Namespace(pod.GetNamespace()).
			Create(s.Ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "error looking up service account") {
			return u, err
		}
	}
	return nil, err
}
