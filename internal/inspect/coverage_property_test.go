package inspect

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestCoverageSaysWhatExplainSaysOfTheNewPod makes random workloads, and of each the pod that the API server would make now. Explain
// looks at that pod alone, and knows nothing of workloads.
func TestCoverageSaysWhatExplainSaysOfTheNewPod(t *testing.T) {
	seen := map[coverage.State]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 23))
		w := newRandomWorkloads(r)
		documents := map[string]string{"policy.yaml": `{apiVersion: pullsecrets/v1alpha1, kind: Policy, rules: [{name: hub, secrets: [{source: {name: one}}]}]}`}
		at := Place{Namespace: "home", PolicyName: "policy", StatusName: "status"}
		report, err := coverageOf(dumpObjects{w.objects}, at, CoverageQuery{Documents: documents, Options: policy.Options{Namespace: "home"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range report.Images {
			pod := w.pods[i.Workload]
			e, err := explain(dumpLookup(append(slices.Clone(w.objects), pod)), at, policy.Options{Namespace: "home"}, documents, "a", targeted(t, "pod/"+pod.GetName()))
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(e.Pod.Images, func(x ImageExplanation) bool { return x.Container == i.Container })
			want, got := slices.Sorted(slices.Values(e.Pod.Images[at].Secrets)), slices.Sorted(slices.Values(i.Secrets))
			if diff := cmp.Diff(slices.Compact(want), got); diff != "" || (i.State == coverage.Covered) != (len(want) > 0) {
				t.Fatalf("seed %d: %s %s: coverage says %s %v, and explain of the pod %v", seed, i.Workload, i.Image, i.State, got, want)
			}
			seen[i.State]++
		}
	}
	for _, state := range []coverage.State{coverage.Covered, coverage.None, coverage.Public} {
		if seen[state] < 100 {
			t.Errorf("only %d images are %s", seen[state], state)
		}
	}
}

// randomWorkloads are workloads of a namespace, and the pod that each would make.
type randomWorkloads struct {
	objects []*unstructured.Unstructured
	pods    map[string]*unstructured.Unstructured // by KIND/NAME
}

func newRandomWorkloads(r *rand.Rand) randomWorkloads {
	w := randomWorkloads{pods: map[string]*unstructured.Unstructured{}}
	w.objects = append(w.objects, explained("Namespace", "", "home", nil), explained("Namespace", "", "a", nil))
	for _, name := range randomNames {
		if r.IntN(4) > 0 {
			w.objects = append(w.objects, randomPullSecret(r, name))
		}
	}
	lists := map[string][]any{}
	for _, account := range []string{"default", "builder"} {
		lists[account] = randomList(r)
		w.objects = append(w.objects, explained("ServiceAccount", "a", account, map[string]any{"imagePullSecrets": lists[account]}))
	}
	for n := range 6 {
		account := pick(r, "default", "builder")
		spec := map[string]any{"serviceAccountName": account, "containers": []any{
			map[string]any{"name": "c", "image": pick(r, "hub.example/x", "hub.example/team/x", "quay.example/x:1", "nginx", "eu.hub.example/x", "hub.example:5000/x")}}}
		if own := randomList(r); len(own) > 0 && r.IntN(2) == 0 {
			spec["imagePullSecrets"] = own
		}
		template := map[string]any{"spec": spec}
		name := fmt.Sprintf("w%d", n)
		kind, version, body := "Deployment", "apps/v1", map[string]any{"template": template}
		if r.IntN(3) == 0 {
			kind, version, body = "CronJob", "batch/v1", map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": template}}}
		}
		u := explained(kind, "a", name, map[string]any{"spec": body})
		u.SetAPIVersion(version)
		w.objects = append(w.objects, u)
		pod := explained("Pod", "a", name, map[string]any{"spec": spec}).DeepCopy()
		if _, own := spec["imagePullSecrets"]; !own {
			pod.Object["spec"].(map[string]any)["imagePullSecrets"] = lists[account]
		}
		w.pods[kind+"/"+name] = pod
	}
	return w
}

func randomList(r *rand.Rand) (list []any) {
	for range r.IntN(3) {
		list = append(list, map[string]any{"name": pick(r, append(randomNames, "missing", "")...)})
	}
	return list
}

func randomPullSecret(r *rand.Rand, name string) *unstructured.Unstructured {
	entry := pick(r, `{"username": "u", "password": "p"}`, `{"auth": "dTpw"}`)
	text := fmt.Sprintf(`{"auths": {%q: %s, %q: %s}}`, pick(r, "hub.example", "hub.example/team", "*.hub.example", "quay.example"), entry,
		pick(r, "https://quay.example/v2/", "hub.example:5000", "index.docker.io/v1/", "other.example"), pick(r, entry, entry, `{}`))
	return explained("Secret", "a", name, map[string]any{
		"type": "kubernetes.io/dockerconfigjson", "data": map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(text))},
	})
}
