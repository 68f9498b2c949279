package helm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// switches are the values that do what a component does.
var switches = map[string]values{
	"admission":        {"admission": values{"enabled": true}},
	"evict":            {"evict": values{"enabled": true}},
	"ha":               {"ha": values{"enabled": true}},
	"viewer":           {"viewer": values{"enabled": true}},
	"verify":           {"verify": values{"networkPolicy": true}},
	"wide-rbac":        {"wideRbac": values{"enabled": true}},
	"revision":         {"revision": values{"enabled": true}},
	"monitoring":       {"monitoring": monitored},
	"policy-elsewhere": {"policy": values{"create": false}, "rbac": values{"copies": []any{"ghcr", "regcred"}, "sources": []any{"dockerhub", "ghcr"}}},
}

// monitored is all that comes with the program to watch it by.
var monitored = values{"enabled": true, "podMonitor": values{"enabled": true}, "rules": values{"enabled": true}, "dashboard": values{"enabled": true}}

// TestEveryComponentHasASwitch finds a component that the chart lacks.
func TestEveryComponentHasASwitch(t *testing.T) {
	folders, err := os.ReadDir("../../kustomize/components")
	harness.Must(t, err)
	for _, f := range folders {
		if switches[f.Name()] == nil {
			t.Errorf("kustomize/components/%s has no switch in the chart: add one, and name it here", f.Name())
		}
	}
	if len(folders) != len(switches) {
		t.Errorf("%d components, and %d switches", len(folders), len(switches))
	}
}

// apart are components of objects of their own, which change nothing of others: each is tried alone and with all others.
var apart = []string{"monitoring", "verify", "viewer"}

// combinations are all sets of components that make sense together.
func combinations(t *testing.T) [][]string {
	t.Helper()
	folders, err := os.ReadDir("../../kustomize/components")
	harness.Must(t, err)
	slices.Reverse(folders) // ha before admission, as the chart has their arguments
	sets := [][]string{nil}
	for _, f := range folders {
		if slices.Contains(apart, f.Name()) {
			continue
		}
		for _, set := range slices.Clone(sets) {
			sets = append(sets, append(slices.Clone(set), f.Name()))
		}
	}
	sets = slices.DeleteFunc(sets, func(set []string) bool { // without a policy there is no text to have a revision
		return slices.Contains(set, "revision") && slices.Contains(set, "policy-elsewhere")
	})
	all := sets[len(sets)-1]
	for _, name := range apart {
		sets = append(sets, []string{name}, append(slices.Clone(all), name))
	}
	return sets
}

// TestTheChartIsEqualToKustomize renders the switches both ways, each alone and in all combinations.
func TestTheChartIsEqualToKustomize(t *testing.T) {
	rules := policyOf(t, read(t, "../../kustomize/base/policy.yaml"))["rules"]
	for _, components := range combinations(t) {
		name := strings.Join(components, "+")
		if name == "" {
			name = "base"
		}
		want := normal(t, kustomize(t, components))
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, h engine) {
				given := values{"policy": values{"rules": rules}}
				for _, c := range components {
					overlay(given, switches[c])
				}
				if given["policy"].(values)["create"] == false {
					delete(given["policy"].(values), "rules")
				}
				r, err := h.Template(target{release: "pullsecrets", namespace: "pullsecrets", chart: chartFolder}, given)
				harness.Must(t, err)
				if diff := cmp.Diff(want, normal(t, objects(t, r.manifest))); diff != "" {
					t.Errorf("(-kustomize +chart):\n%s", diff)
				}
			})
		})
	}
}

// TestTheChartIsEqualToAFolderOfOnesOwn is the same where the sources are made too.
func TestTheChartIsEqualToAFolderOfOnesOwn(t *testing.T) {
	const folder = "../../kustomize/overlays/own-folder"
	given := values{
		"policy":   values{"rules": policyOf(t, read(t, folder+"/policy.yaml"))["rules"]},
		"revision": values{"enabled": true},
		"sources":  []any{values{"name": "dockerhub", "dockerconfigjson": read(t, folder+"/dockerhub.json")}},
	}
	want := normal(t, build(t, folder))
	eachEngine(t, func(t *testing.T, h engine) {
		r, err := h.Template(target{release: "pullsecrets", namespace: "pullsecrets", chart: chartFolder}, given)
		harness.Must(t, err)
		if diff := cmp.Diff(want, normal(t, objects(t, r.manifest))); diff != "" {
			t.Errorf("(-kustomize +chart):\n%s", diff)
		}
	})
}

// TestTheGuardHoldsWhateverTheAccountIsCalled follows another name of the service account.
func TestTheGuardHoldsWhateverTheAccountIsCalled(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		given := one()
		given["serviceAccount"] = values{"name": "other.name", "create": false}
		r, err := h.Template(here, given)
		harness.Must(t, err)
		if want := "matches('^system:serviceaccount:[^:]+:other[.]name$')"; !strings.Contains(r.manifest, want) {
			t.Errorf("the guard has not %s", want)
		}
		if strings.Contains(r.manifest, "kind: ServiceAccount\nmetadata") || strings.Count(r.manifest, `name: "other.name"`) != 2 || !strings.Contains(r.manifest, `serviceAccountName: "other.name"`) {
			t.Errorf("the roles are not for that account alone:\n%s", r.manifest)
		}
	})
}

// TestEvictFollowsTheValues that it shares with the controller, and those of its own.
func TestEvictFollowsTheValues(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		given := one()
		overlay(given, values{
			"evict":            values{"enabled": true, "extraArgs": []any{"-dry-run"}},
			"sourceNamespaces": []any{"vault"}, "logLevel": "debug", "networkPolicy": values{"enabled": false}, "rbac": values{"create": false},
			"monitoring": values{"enabled": true, "podMonitor": values{"enabled": true, "interval": "7s"}},
		})
		r, err := h.Template(here, given)
		harness.Must(t, err)
		kinds := map[string]int{}
		for _, u := range objects(t, r.manifest) {
			if u.GetName() == "pullsecrets-evict" {
				kinds[u.GetKind()]++
			}
		}
		if diff := cmp.Diff(map[string]int{"ServiceAccount": 1, "Deployment": 1, "PodMonitor": 1}, kinds); diff != "" {
			t.Error(diff)
		}
		if want := "- evict\n        - -source-namespaces=vault\n        - -log-level=debug\n        - -dry-run\n"; !strings.Contains(r.manifest, want) {
			t.Errorf("the arguments are not %q:\n%s", want, r.manifest)
		}
	})
}

// TestAShareOfZeroIsGiven: to a template it is as good as none.
func TestAShareOfZeroIsGiven(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		for _, share := range []int{0, 25} {
			given := one()
			overlay(given, values{"maxPrune": share, "maxFailing": share})
			r, err := h.Template(here, given)
			harness.Must(t, err)
			if want := fmt.Sprintf("- -max-prune=%d\n        - -max-failing=%[1]d\n", share); !strings.Contains(r.manifest, want) {
				t.Errorf("there is no %q:\n%s", want, r.manifest)
			}
		}
	})
}

// TestRegistriesAreAskedAsTheValuesSay has the controller trust an authority and ask hosts without TLS.
func TestRegistriesAreAskedAsTheValuesSay(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		given := one()
		overlay(given, values{"verify": values{"caConfigMap": "our-ca", "plainHTTP": []any{"harbor.internal:5000", "other:80"}}})
		r, err := h.Template(here, given)
		harness.Must(t, err)
		for _, want := range []string{
			"- -registry-ca-file=/etc/pullsecrets/registries/ca.crt\n", "- -registry-plain-http=harbor.internal:5000,other:80\n",
			"- {name: registry-ca, mountPath: /etc/pullsecrets/registries, readOnly: true}\n", `configMap: {name: "our-ca"}`,
		} {
			if !strings.Contains(r.manifest, want) {
				t.Errorf("there is no %q:\n%s", want, r.manifest)
			}
		}
		if strings.Contains(r.manifest, "pullsecrets-verify") {
			t.Error("what goes out is limited, and nobody asked for it")
		}
	})
}

// overlay puts a mapping over another one, as Helm does.
func overlay(to, from values) {
	for key, value := range from {
		under, ok := to[key].(values)
		if over, mapping := value.(values); ok && mapping {
			overlay(under, over)
			continue
		}
		if mapping, ok := value.(values); ok {
			value = maps.Clone(mapping)
		}
		to[key] = value
	}
}

func policyOf(t *testing.T, document string) values {
	t.Helper()
	policy := values{}
	harness.Must(t, yaml.Unmarshal([]byte(document), &policy))
	return policy
}

// kustomize builds the base with components, as their comments say.
func kustomize(t *testing.T, components []string) []*unstructured.Unstructured {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	harness.Must(t, err)
	root, err := filepath.Abs("../../kustomize")
	harness.Must(t, err)
	root, err = filepath.Rel(folder, root) // kustomize takes no absolute paths
	harness.Must(t, err)
	kustomization := "resources: [" + root + "/base]\ncomponents:\n"
	for _, c := range components {
		kustomization += "- " + root + "/components/" + c + "\n"
		if c == "revision" {
			kustomization += "@"
		}
	}
	before, after, revision := strings.Cut(kustomization, "@")
	kustomization = before + after
	if revision {
		harness.Must(t, os.WriteFile(folder+"/policy.yaml", []byte(read(t, "../../kustomize/base/policy.yaml")), 0o644))
		kustomization += `
configMapGenerator:
- name: pullsecrets-policy
  namespace: pullsecrets
  behavior: replace
  files: [policy.yaml]
  options:
    disableNameSuffixHash: true
    annotations: {pullsecrets/revision: pullsecrets-policy-text}
- name: pullsecrets-policy-text
  namespace: pullsecrets
  files: [policy.yaml]
  options:
    annotations: {config.kubernetes.io/local-config: "true"}
`
	}
	harness.Must(t, os.WriteFile(folder+"/kustomization.yaml", []byte(kustomization), 0o644))
	return build(t, folder)
}

func build(t *testing.T, folder string) (out []*unstructured.Unstructured) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	harness.Must(t, err)
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		harness.Must(t, err)
		out = append(out, objects(t, string(text))...)
	}
	return out
}

// objects are those of a manifest.
func objects(t *testing.T, manifest string) (out []*unstructured.Unstructured) {
	t.Helper()
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		harness.Must(t, yaml.Unmarshal([]byte(document), &u.Object))
		if len(u.Object) > 0 {
			out = append(out, u)
		}
	}
	return out
}

// normal takes away what is documented to differ: Helm's labels, the namespace, which helm makes with --create-namespace,
// the text of the policy and so its hash, and the blank lines that kustomize puts into folded text.
func normal(t *testing.T, list []*unstructured.Unstructured) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, u := range list {
		id := strings.Join([]string{u.GetKind(), u.GetNamespace(), u.GetName()}, " ")
		if out[id] != nil {
			t.Errorf("%s is there twice", id)
		}
		if u.GetKind() == "Namespace" {
			continue
		}
		labels := u.GetLabels()
		for _, helms := range []string{"helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"} {
			delete(labels, helms)
		}
		if u.SetLabels(labels); len(labels) == 0 {
			u.SetLabels(nil)
		}
		annotations := u.GetAnnotations()
		if revision := annotations["pullsecrets/revision"]; revision != "" {
			if hash, ok := strings.CutPrefix(revision, "pullsecrets-policy-text-"); !ok || len(hash) != 10 {
				t.Errorf("%s: the revision is %q", id, revision)
			}
			annotations["pullsecrets/revision"] = "a hash"
			u.SetAnnotations(annotations)
		}
		if document, ok, _ := unstructured.NestedString(u.Object, "data", "policy.yaml"); ok {
			harness.Must(t, unstructured.SetNestedField(u.Object, map[string]any(policyOf(t, document)), "data", "policy.yaml"))
		}
		if data, ok, _ := unstructured.NestedStringMap(u.Object, "data"); ok && u.GetKind() == "Secret" {
			for key, value := range data {
				data[key] = strings.ReplaceAll(value, "\n", "") // base64 that kustomize has broken into lines
			}
			harness.Must(t, unstructured.SetNestedStringMap(u.Object, data, "data"))
		}
		out[id] = withoutBlankLines(u.Object)
	}
	return out
}

var blankLines = regexp.MustCompile(`\n(\s*\n)+`)

func withoutBlankLines(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			value[key] = withoutBlankLines(item)
		}
	case []any:
		for i, item := range value {
			value[i] = withoutBlankLines(item)
		}
	case string:
		return blankLines.ReplaceAllString(value, "\n")
	}
	return value
}
