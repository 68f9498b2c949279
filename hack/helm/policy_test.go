package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
)

const home = "pullsecrets"

var here = target{release: "pullsecrets", namespace: home, chart: chartFolder}

// TestTheRolesAreThoseOfTheProgram renders random policies, and holds the roles against those that pullsecrets rbac prints.
func TestTheRolesAreThoseOfTheProgram(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		for seed := range uint64(40) {
			r := random{rand.New(rand.NewPCG(seed, 1))}
			rules, also, admission := r.rules(), r.names(2), r.IntN(2) == 0
			r1, err := h.Template(here, values{
				"policy": values{"rules": rules}, "sourceNamespaces": []any{"vault", "attic"},
				"rbac": values{"also": also}, "admission": values{"enabled": admission},
			})
			harness.Must(t, err)
			list := objects(t, r1.manifest)
			p, problems := policy.Parse(data(t, list), policy.Options{Namespace: home, SourceNamespaces: []string{"vault", "attic"}})
			if p == nil {
				t.Fatalf("seed %d: the chart renders a policy that is refused: %v", seed, problems)
			}
			want := []*unstructured.Unstructured{}
			for _, d := range rbac.Roles(p, rbac.Options{
				Namespace: home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status", Also: texts(also), Admission: admission,
			}) {
				want = append(want, asObject(t, d.Object))
			}
			roles := slices.DeleteFunc(list, func(u *unstructured.Unstructured) bool {
				return !strings.HasPrefix(u.GetAPIVersion(), "rbac.authorization.k8s.io/")
			})
			if diff := cmp.Diff(normal(t, want), normal(t, roles)); diff != "" {
				t.Fatalf("seed %d: (-program +chart):\n%s", seed, diff)
			}
		}
	})
}

// TestTheRegistriesOfTheNodesReachThePolicy, and where there are none, the policy is as it was.
func TestTheRegistriesOfTheNodesReachThePolicy(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		for _, globs := range [][]any{nil, {"*.dkr.ecr.*.amazonaws.com", "registry.example.com/mirror"}} {
			given := values{"rules": []any{}}
			if globs != nil {
				given["nodeCredentials"] = globs
			}
			rendered, err := h.Template(here, values{"policy": given})
			harness.Must(t, err)
			documents := data(t, objects(t, rendered.manifest))
			p, problems := policy.Parse(documents, policy.Options{Namespace: home})
			if p == nil {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(texts(globs), []string(p.NodeCredentials)); len(globs) > 0 && diff != "" {
				t.Errorf("(-given +rendered):\n%s", diff)
			}
			if said := strings.Contains(documents["policy.yaml"], "nodeCredentials"); said != (globs != nil) {
				t.Errorf("with %v the policy is\n%s", globs, documents["policy.yaml"])
			}
		}
	})
}

func asObject(t *testing.T, typed any) *unstructured.Unstructured {
	t.Helper()
	text, err := json.Marshal(typed)
	harness.Must(t, err)
	u := &unstructured.Unstructured{}
	harness.Must(t, yaml.Unmarshal(text, &u.Object))
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u
}

// data is that of the policy ConfigMap.
func data(t *testing.T, list []*unstructured.Unstructured) map[string]string {
	t.Helper()
	for _, u := range list {
		if u.GetKind() == "ConfigMap" && u.GetName() == "pullsecrets-policy" {
			out, _, err := unstructured.NestedStringMap(u.Object, "data")
			harness.Must(t, err)
			return out
		}
	}
	t.Fatal("there is no policy ConfigMap")
	return nil
}

func texts(list []any) (out []string) {
	for _, item := range list {
		out = append(out, item.(string))
	}
	return out
}

// random makes policies that are valid, and change makes them different ones that may not be.
type random struct{ *rand.Rand }

func (r random) pick(from ...any) any { return from[r.IntN(len(from))] }

// odd are texts that YAML may take for something else.
var odd = []any{"a", "b", "c.d", "1.10", "null", "on", "no", "1e3", "2026-01-01", "0x10", "y"}

func (r random) names(most int) []any {
	out := []any{}
	for range r.IntN(most + 1) {
		out = append(out, r.pick(odd...))
	}
	return out
}

func (r random) rules() []any {
	rules := []any{}
	for i := range r.IntN(5) {
		rule := values{"name": fmt.Sprintf("%s.%d", r.pick(odd...), i), "secrets": r.secrets()}
		for _, field := range []string{"namespaces", "serviceAccounts"} {
			if r.IntN(2) == 0 {
				rule[field] = r.matcher()
			}
		}
		for _, field := range []string{"force", "prune"} {
			if r.IntN(2) == 0 {
				rule[field] = r.IntN(2) == 0
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

func (r random) secrets() []any {
	secrets, taken := []any{}, map[any]bool{}
	for range 1 + r.IntN(3) {
		source := values{"name": r.pick(odd...)}
		if r.IntN(2) == 0 {
			source["namespace"] = r.pick("vault", "attic", home, "")
		}
		secret, name := values{"source": source}, source["name"]
		if r.IntN(2) == 0 {
			if given := r.pick(append(slices.Clone(odd), "")...); given != "" {
				secret["name"], name = given, given
			} else {
				secret["name"] = ""
			}
		}
		if !taken[name] {
			secrets = append(secrets, secret)
		}
		taken[name] = true
	}
	return secrets
}

func (r random) matcher() values {
	m := values{"include": []any{r.pick("*", "team-*", "1?", "on")}}
	if r.IntN(2) == 0 {
		m["exclude"] = []any{r.pick("kube-*", "null")}
	}
	switch r.IntN(3) {
	case 0:
		m["selector"] = values{"matchLabels": values{"example.com/on": r.pick("yes", "", "1.0", "a")}}
	case 1:
		m["selector"] = values{"matchExpressions": []any{
			values{"key": "tier", "operator": "In", "values": []any{r.pick("1", "true")}}, values{"key": "off", "operator": "Exists"}}}
	}
	return m
}

// TestWhatTheChartRendersIsNeverRefused changes random policies at random places: what the chart takes, the program takes.
func TestWhatTheChartRendersIsNeverRefused(t *testing.T) {
	refused := 0
	for seed := range uint64(300) {
		r := random{rand.New(rand.NewPCG(seed, 2))}
		given := values{"policy": values{"rules": r.change(clone(r.rules()))}, "sourceNamespaces": []any{"vault", "attic"}}
		r1, err := engines[seed%2].Template(here, given)
		if err != nil {
			refused++
			continue
		}
		if p, problems := policy.Parse(data(t, objects(t, r1.manifest)), policy.Options{Namespace: home, SourceNamespaces: []string{"vault", "attic"}}); p == nil {
			text, _ := yaml.Marshal(given)
			t.Errorf("seed %d: the chart takes\n%s\nand the program says: %v", seed, text, problems)
		}
	}
	if refused < 50 || refused > 250 {
		t.Errorf("%d of 300 were refused: the changes are no good test", refused)
	}
}

func clone(value any) any {
	switch value := value.(type) {
	case values:
		out := values{}
		for k, v := range value {
			out[k] = clone(v)
		}
		return out
	case []any:
		out := []any{}
		for _, v := range value {
			out = append(out, clone(v))
		}
		return out
	}
	return value
}

// change puts something else in one place.
func (r random) change(value any) any {
	if r.IntN(16) == 0 {
		return r.pick(nil, "", "x", "X", "*", "${TEAM}", "{{ .x }}", true, 1.0, []any{}, []any{"a"}, values{}, values{"x": "y"},
			"a b", strings.Repeat("a", 64), strings.Repeat("a", 254), strings.Repeat("a", 254)+"/b", "-", "!a", "a/b/c")
	}
	switch value := value.(type) {
	case values:
		keys := slices.Sorted(maps.Keys(value))
		if len(keys) == 0 || r.IntN(10) == 0 {
			value[r.pick("name", "secrets", "include", "matchLabels", "operator", "values", strings.Repeat("a", 254)+"/b").(string)] = r.pick("a", []any{}, values{"a": "b"}, values{strings.Repeat("a", 254) + "/b": "c"})
			return value
		}
		key := keys[r.IntN(len(keys))]
		if r.IntN(16) == 0 {
			delete(value, key)
		} else {
			value[key] = r.change(value[key])
		}
		return value
	case []any:
		if len(value) == 0 {
			return append(value, r.pick("a", values{}, 1.0))
		}
		i := r.IntN(len(value))
		if r.IntN(6) == 0 {
			return append(value, clone(value[i])) // twice
		}
		value[i] = r.change(value[i])
		return value
	}
	return r.pick("on", "a", "b", "1.0", "a.b", true, "A", "kube-*", "", 1.5, nil)
}

// beyondChart are the bad policies of internal/policy that the chart does not refuse, by reason. It renders another text
// than theirs, which the program takes.
var beyondChart = map[string][]string{
	"the chart writes apiVersion and kind":          {"apiversion-kind-missing"},
	"Helm writes them out":                          {"alias", "anchor", "merge-key"},
	"Helm takes the last of two":                    {"duplicate-key", "duplicate-key-labels"},
	"Helm reads the first document of a file alone": {"after-the-end", "second-document", "second-document-empty"},
	"a matter of the file that Helm reads":          {"line-ends"},
	"about the keys of a ConfigMap":                 {"no-policy-keys"},
}

// TestBadPoliciesAreRefused gives the chart each bad policy of internal/policy, and none of the good ones is refused.
func TestBadPoliciesAreRefused(t *testing.T) {
	for _, h := range engines {
		for _, kind := range []string{"bad", "good"} {
			files, err := filepath.Glob("../../internal/policy/testdata/" + kind + "/*.txtar")
			harness.Must(t, err)
			if len(files) < 10 {
				t.Fatalf("only %d policies", len(files))
			}
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".txtar")
				t.Run(h.Name()+"/"+kind+"/"+name, func(t *testing.T) { judge(t, h, name, documents(t, file), kind == "bad") })
			}
		}
	}
}

func judge(t *testing.T, h engine, name string, documents []string, bad bool) {
	var said []string
	for _, document := range documents {
		given := values{}
		if err := yaml.Unmarshal([]byte(document), &given); err != nil {
			said = append(said, "not read: "+err.Error())
			continue
		}
		r, err := h.Template(here, values{"policy": given, "sourceNamespaces": []any{"allowed"}})
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		if p, problems := policy.Parse(data(t, objects(t, r.manifest)), policy.Options{Namespace: home, SourceNamespaces: []string{"allowed"}}); p == nil {
			t.Errorf("the chart takes it, and the program refuses what comes of it: %v", problems)
		}
	}
	if !bad && len(said) > 0 {
		t.Errorf("refused: %v", said)
	}
	if beyond := slices.Contains(slices.Concat(slices.Collect(maps.Values(beyondChart))...), name); bad && beyond != (len(said) == 0) {
		t.Errorf("beyond the chart: %t, but it says: %v", beyond, said)
	}
}

// documents are the policies of a file in the txtar form.
func documents(t *testing.T, file string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	harness.Must(t, err)
	for i, part := range strings.Split("\n"+string(text), "\n-- ") {
		name, content, _ := strings.Cut(part+"\n", " --\n")
		if i > 0 && policy.IsDocument(name) {
			out = append(out, content)
		}
	}
	return out
}
