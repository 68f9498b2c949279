package soak

import (
	"context"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// judgePods creates pods in a dry run, and holds the names that they get against those that they should: their own list or
// their account's, and then what rules give that attach to pods.
func (s *soak) judgePods(ctx context.Context, at *seen) (differences []string) {
	byPods := slices.ContainsFunc(s.world.rules[first].Rules, func(r rule) bool { return r.Attach == "pods" })
	if !byPods || !s.world.component {
		return nil
	}
	for i, name := range slices.Sorted(maps.Keys(at.namespaces)) {
		ns := at.namespaces[name]
		if s.world.namespaces[name] == nil || ns.deleting {
			continue
		}
		for n, a := range at.accountsIn(name) {
			own := []string{}
			if (i+n)%2 == 0 {
				own = []string{"theirs-1"}
			}
			wanted := own
			if len(own) == 0 {
				wanted = slices.Clone(a.list)
			}
			names, doubtful := s.world.podNames(at, ns, a.name)
			wanted = add(wanted, names...)
			got, err := s.born(ctx, a, own)
			if err != nil {
				differences = append(differences, fmt.Sprintf("a pod of account %s cannot be created: %v", a.key, err))
				continue
			}
			got = slices.DeleteFunc(got, func(n string) bool { return slices.Contains(doubtful, n) && !slices.Contains(wanted, n) })
			slices.Sort(wanted)
			slices.Sort(got)
			if !slices.Equal(wanted, got) {
				differences = append(differences, fmt.Sprintf("a pod of account %s that names %v gets %v, and should get %v", a.key, own, got, wanted))
			}
		}
	}
	return differences
}

// born returns the list that a new pod gets.
func (s *soak) born(ctx context.Context, a *object, own []string) ([]string, error) {
	u := api.Object("v1", "Pod", a.ns, "dry")
	spec := map[string]any{
		"serviceAccountName": a.name,
		"containers":         []any{map[string]any{"name": "c", "image": "registry.example/x"}},
	}
	if len(own) > 0 {
		spec["imagePullSecrets"] = list(own...)
	}
	u.Object["spec"] = spec
	u, err := s.client.Resource(api.Pods).Namespace(a.ns).Create(ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, err
	}
	var names []string
	entries, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		names = append(names, name)
	}
	return names, nil
}
