package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// hostile is what people put into values by mistake: another type, an empty one, and text that YAML takes for something else.
var hostile = []any{nil, "", "x", "a: b", "a\nb: c", "- x", "#c", "{a", "&a", "*a", "'", `"`, `\`, "%", "null", "true", "on", "1", "1e3", "~", "ä",
	"2026-01-01", strings.Repeat("a", 300), true, false, 0.0, -1.0, 1.5, 70000.0, []any{}, []any{"a"}, []any{nil}, []any{1.0}, []any{[]any{}}, []any{values{}},
	[]any{values{"name": "a"}}, []any{values{"name": nil}}, []any{values{"name": "CONFIG_SECRETNAME"}}, values{}, values{"a": "b"}, values{"a": 1.0}, values{"a": true},
	values{"a": nil}, values{"a": values{"b": "c"}}, values{"enabled": "yes"}, values{"CONFIG_SECRETNAME": nil}}

// ofThePod are values that go into the pod as they are: Helm holds them against the API's schema before it applies anything.
var ofThePod = []string{"affinity", "livenessProbe", "podSecurityContext", "readinessProbe", "resources", "securityContext", "tolerations", "volumeMounts", "volumes"}

// TestHostileValuesAreRefusedOrRendered puts something else in one place of good values: what is refused is refused in
// words and not by a template that breaks, and what is rendered is objects that the API has.
func TestHostileValuesAreRefusedOrRendered(t *testing.T) {
	paths := pathsOf(t)
	refused := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		given := clone([]values{two(), ofList(), ofMapping()}[r.IntN(3)]).(values)
		path, value := paths[r.IntN(len(paths))], hostile[r.IntN(len(hostile))]
		put(given, path, clone(value))
		result, err := engines[seed%2].Template(target{release: "ips", namespace: "registry", chart: chartFolder}, given)
		if err != nil {
			refused++
			if text := err.Error(); !strings.Contains(text, "values don't meet the specifications of the schema") && !strings.Contains(text, "execution error at") {
				t.Errorf("%s=%#v is refused with: %v", strings.Join(path, "."), value, err)
			}
			continue
		}
		if err := decoded(result.manifest); err != nil && !slices.Contains(ofThePod, path[0]) {
			t.Errorf("%s=%#v: %v", strings.Join(path, "."), value, err)
		}
	}
	if refused < 80 || refused > 320 {
		t.Errorf("%d of 400 were refused: this is no good test", refused)
	}
}

// pathsOf are those of all values, and some below those that are empty by themselves.
func pathsOf(t *testing.T) [][]string {
	t.Helper()
	var defaults values
	harness.Must(t, yaml.Unmarshal([]byte(read(t, chartFolder+"/values.yaml")), &defaults))
	var out [][]string
	var walk func(v values, at []string)
	walk = func(v values, at []string) {
		for _, key := range slices.Sorted(maps.Keys(v)) {
			path := append(slices.Clone(at), key)
			out = append(out, path)
			if under, ok := v[key].(values); ok {
				walk(under, path)
			}
		}
	}
	walk(defaults, nil)
	for _, path := range []string{"dockerSecrets hostname", "dockerSecrets password", "env CONFIG_SECRETNAME", "env OTHER", "podLabels a", "podAnnotations a",
		"serviceAccount annotations a", "nodeSelector a", "monitoring podMonitor labels a", "resources limits memory", "global", "unheardOf"} {
		out = append(out, strings.Fields(path))
	}
	return out
}

func put(into values, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		under, ok := into[key].(values)
		if !ok {
			under = values{}
			into[key] = under
		}
		into = under
	}
	into[path[len(path)-1]] = value
}

// decoded says what the API does not know of a manifest. Kinds that are not built in are taken as they are.
func decoded(manifest string) error {
	strict := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, kubejson.SerializerOptions{Strict: true})
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &u.Object); err != nil {
			return err
		}
		if len(u.Object) == 0 || !scheme.Scheme.Recognizes(u.GroupVersionKind()) {
			continue
		}
		text, err := json.Marshal(u.Object)
		if err != nil {
			return err
		}
		if _, _, err := strict.Decode(text, nil, nil); err != nil {
			return fmt.Errorf("%s: %w", u.GetKind(), err)
		}
	}
	return nil
}

// TestNamesThatYAMLTakesForSomethingElse has names that Kubernetes permits and YAML takes for numbers, and more.
func TestNamesThatYAMLTakesForSomethingElse(t *testing.T) {
	policy, list, mapping := two(), ofList(), ofMapping()
	policy["sourceNamespaces"] = []any{"1e3"}
	policy["policy"].(values)["rules"].([]any)[0].(values)["secrets"].([]any)[0].(values)["source"].(values)["namespace"] = "1e3"
	policy["priorityClassName"] = "on"
	for _, name := range odd {
		policy["sources"] = append(policy["sources"].([]any), source(name.(string)))
	}
	for _, given := range []values{policy, list, mapping} {
		given["serviceAccount"] = values{"name": "on"}
		overlay(given, values{"monitoring": values{"enabled": true, "podMonitor": values{"enabled": true}}})
	}
	list["fullnameOverride"], list["env"] = "null", []any{values{"name": "CONFIG_SECRETNAME", "value": "1.10"}}
	mapping["nameOverride"] = "true"
	eachEngine(t, func(t *testing.T, h engine) {
		for name, given := range map[string]values{"a policy": policy, "JanSvoboda's": list, "tamcore's": mapping} {
			r, err := h.Template(target{release: "1", namespace: "123", chart: chartFolder}, given)
			harness.Must(t, err)
			if err := decoded(r.manifest); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, u := range objects(t, r.manifest) {
				if u.GetName() == "" || u.GetNamespace() != "" && u.GetNamespace() != "123" && u.GetNamespace() != "1e3" {
					t.Errorf("%s: %s is called %q in %q", name, u.GetKind(), u.GetName(), u.GetNamespace())
				}
			}
		}
	})
}
