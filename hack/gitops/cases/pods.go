package cases

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// TellPods has each tool apply pods to which the API server adds a name, with and without a list in git, and go over them
// again and again: it shows nothing as different, and nothing moves. No controller runs.
func TellPods(t *testing.T, kinds []Kind) {
	NewCluster(t).component(t.Context())
	for _, kind := range kinds {
		t.Run(kind.Name, func(t *testing.T) {
			ctx := context.Background()
			c := NewCluster(t)
			prefix := fmt.Sprintf("p%x-", time.Now().UnixNano()&0xffffff)
			t.Cleanup(func() { c.forget(ctx, prefix) })
			c.empty(ctx)
			rule := Object("pullsecrets.internal/v1alpha1", "AdmissionRule", Home, "pods")
			rule.Object["spec"] = map[string]any{
				"namespaces": map[string]any{"include": "^" + prefix}, "serviceAccounts": map[string]any{"include": "^default$"},
				"attach": []any{"pods"}, "names": []any{map[string]any{"name": "ours", "add": true, "ledger": true}},
			}
			_, err := c.Client.Resource(admissionRules).Namespace(Home).Create(ctx, rule, metav1.CreateOptions{})
			must(t, err)
			git := podsOf(prefix + "a")
			tool := kind.New(c)
			_, err = c.Client.Resource(namespaces).Create(ctx, git[0].DeepCopy(), metav1.CreateOptions{})
			must(t, err)
			c.eventually("new pods get the name", func() error {
				probe := podOf(prefix+"a", "probe")
				u, err := c.Client.Resource(pods).Namespace(prefix+"a").Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				if err == nil && !slices.Equal(podNames(u), []string{"ours"}) {
					err = fmt.Errorf("a pod gets %v", podNames(u))
				}
				return err
			})
			_, err = tool.Pass(ctx, podsOf(prefix+"a"))
			must(t, err)
			c.podsAreSteady(ctx, tool, prefix+"a")
		})
	}
}

// podsAreSteady has the tool go on with pods that it applied.
func (c *Cluster) podsAreSteady(ctx context.Context, tool Tool, ns string) {
	c.T.Helper()
	versions := map[string]string{}
	for pass := range passes {
		shown, err := tool.Drift(ctx, podsOf(ns))
		must(c.T, err)
		changed, err := tool.Pass(ctx, podsOf(ns))
		must(c.T, err)
		if len(shown)+len(changed) > 0 {
			c.T.Errorf("pass %d: shown as different: %v, changed: %v", pass, shown, changed)
		}
		for name, want := range map[string][]string{"plain": {"ours"}, "listed": {"theirs", "ours"}} {
			u, err := c.Get(ctx, podOf(ns, name))
			must(c.T, err)
			if got := podNames(u); !slices.Equal(got, want) {
				c.T.Errorf("pass %d: %s has %v, want %v", pass, name, got, want)
			}
			if pass > 0 && versions[name] != u.GetResourceVersion() {
				c.T.Errorf("pass %d: %s moved", pass, name)
			}
			versions[name] = u.GetResourceVersion()
		}
	}
}

func podsOf(ns string) []*unstructured.Unstructured {
	return []*unstructured.Unstructured{Object("v1", "Namespace", "", ns), podOf(ns, "plain"), podOf(ns, "listed", "theirs")}
}

func podOf(ns, name string, list ...string) *unstructured.Unstructured {
	u := Object("v1", "Pod", ns, name)
	spec := map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
	if len(list) > 0 {
		spec["imagePullSecrets"] = entries(list)
	}
	u.Object["spec"] = spec
	return u
}

func podNames(u *unstructured.Unstructured) (names []string) {
	if u == nil {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, entry := range list {
		name, _ := entry.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}
