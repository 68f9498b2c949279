package cluster

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"
)

// object reads an object from YAML.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := sigsyaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

const credential = `{"auths":{"user:` + canary + `@a.example":{"username":"user","password":"` + canary + `","auth":"dXNlcjpodW50ZXIyLWNhbmFyeQ=="}}}`

func canarySecret(t *testing.T) *unstructured.Unstructured {
	encoded := base64.StdEncoding.EncodeToString([]byte(credential))
	return object(t, fmt.Sprintf(`
apiVersion: v1
kind: Secret
type: kubernetes.io/dockerconfigjson
immutable: true
metadata:
  name: regcred
  namespace: a
  uid: u-1
  resourceVersion: "7"
  labels: {app.kubernetes.io/managed-by: somebody}
  annotations:
    pullsecrets/rule: r
    kubectl.kubernetes.io/last-applied-configuration: '{"data":{".dockerconfigjson":"%[1]s"}}'
  managedFields:
  - {manager: helm, operation: Update, time: "2026-01-02T03:04:05Z", fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}}
data:
  .dockerconfigjson: %[1]s
  password: %[2]s
`, encoded, base64.StdEncoding.EncodeToString([]byte(canary))))
}

// Nothing that is remembered of a copy leads to the credential, whichever way one looks. Of a source, nothing that
// reflection can reach does.
func TestNothingRememberedOfASecretHoldsItsCredential(t *testing.T) {
	p := NewProjector([]byte("key"))
	u := canarySecret(t)
	secret, source := p.Secret(u), p.Source(u)
	if secret.Content == nil || len(secret.Content.Registries) != 1 || len(secret.OtherKeys) != 1 {
		t.Fatalf("the canary was not projected, so this test looks at nothing: %+v", secret)
	}
	if got := string(source.Credential.Reveal()); got != credential {
		t.Fatalf("the source does not reveal its credential: %q", got)
	}
	forbidden := []string{
		canary, "user:" + canary, credential, "dXNlcjpodW50ZXIyLWNhbmFyeQ==",
		base64.StdEncoding.EncodeToString([]byte(credential)),
	}
	for name, v := range map[string]any{"secret": secret, "source": source, "projector": p} {
		walked := 0
		walk(reflect.ValueOf(v), name, map[reflect.Value]bool{}, func(path, text string) {
			walked++
			wantNoLeak(t, path, text, forbidden...)
		})
		if walked < 2 {
			t.Errorf("%s: only %d texts were looked at", name, walked)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		for name, v := range map[string]any{
			"secret": *secret, "content": *secret.Content, "registries": secret.Content.Registries,
			"source": *source, "pointer": source, "marks": secret.Marks,
		} {
			wantNoLeak(t, name+" with "+verb, fmt.Sprintf(verb, v), forbidden...)
		}
	}
	wantNoLeak(t, "JSON of the secret", string(must(sigsyaml.Marshal(secret))), forbidden...)
	wantNoLeak(t, "JSON of the source", string(must(sigsyaml.Marshal(source))), forbidden...)
}

func TestTheWalkOfTheCanaryTestSeesWhatIsHidden(t *testing.T) {
	type hidden struct {
		deep *struct{ m map[string]any }
	}
	for name, v := range map[string]any{
		"bytes":  hidden{&struct{ m map[string]any }{map[string]any{"a": []any{[]byte(canary)}}}},
		"string": hidden{&struct{ m map[string]any }{map[string]any{canary: nil}}},
		"array":  [len(canary)]byte([]byte(canary)),
	} {
		seen := false
		walk(reflect.ValueOf(v), name, map[reflect.Value]bool{}, func(_, text string) { seen = seen || strings.Contains(text, canary) })
		if !seen {
			t.Errorf("%s: the canary was not found", name)
		}
	}
}

// walk calls look with every string and every run of bytes that reflection reaches, exported or not.
func walk(v reflect.Value, path string, seen map[reflect.Value]bool, look func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		look(path, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && !(v.Kind() == reflect.Pointer && seen[v]) {
			if v.Kind() == reflect.Pointer {
				seen[v] = true
			}
			walk(v.Elem(), path, seen, look)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, seen, look)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(key, path+"[key]", seen, look)
			walk(v.MapIndex(key), path+"[value]", seen, look)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			look(path, string(b))
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), seen, look)
		}
	}
}

func TestASecretIsProjected(t *testing.T) {
	got := NewProjector([]byte("key")).Secret(canarySecret(t))
	want := &Secret{
		Type: TypeDockerConfigJSON, Immutable: true, OtherKeys: []string{"password"},
		Content: &Content{Registries: []Registry{{
			Host: "a.example", Fields: []Field{{Name: "password"}, {Name: "username"}},
		}}},
		Marks:  Marks{ManagedBy: "somebody", Rule: "r"},
		Owners: []Owner{{Manager: "helm", Operation: "Update", Time: "2026-01-02T03:04:05Z"}},
	}
	want.Name, want.Namespace, want.UID, want.ResourceVersion = "regcred", "a", "u-1", "7"
	if diff := cmp.Diff(want, got, cmp.Transformer("describe", describe)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADefectiveSecretSaysWhyAndKeepsWhatElseIsKnown(t *testing.T) {
	for _, tt := range []struct {
		why    string
		secret string
		want   Secret
	}{
		{"another type", `{type: Opaque, data: {.dockerconfigjson: e30=, a: ""}}`,
			Secret{Type: "Opaque", Defect: DefectType, OtherKeys: []string{".dockerconfigjson", "a"}}},
		{"no type", `{data: {"": e30=}}`, Secret{Defect: DefectType}},
		{"the key of the other type", `{type: kubernetes.io/dockerconfigjson, data: {.dockercfg: e30=}}`,
			Secret{Type: TypeDockerConfigJSON, Defect: DefectMissingKey, OtherKeys: []string{".dockercfg"}}},
		{"no data", `{type: kubernetes.io/dockercfg}`, Secret{Type: TypeDockercfg, Defect: DefectMissingKey}},
		{"data is null", `{type: kubernetes.io/dockercfg, data: null}`, Secret{Type: TypeDockercfg, Defect: DefectMissingKey}},
		{"a value that is null", `{type: kubernetes.io/dockercfg, data: {.dockercfg: null}}`,
			Secret{Type: TypeDockercfg, Defect: DefectMissingKey}},
		{"no base64", `{type: kubernetes.io/dockercfg, data: {.dockercfg: "?"}}`, Secret{Type: TypeDockercfg, Defect: DefectNotBase64}},
		{"no JSON", `{type: kubernetes.io/dockercfg, data: {.dockercfg: aGVsbG8=}}`, Secret{Type: TypeDockercfg, Defect: DefectNotJSON, Broken: true}},
		{"no registry", `{type: kubernetes.io/dockercfg, data: {.dockercfg: e30=}}`, Secret{Type: TypeDockercfg, Defect: DefectNoRegistry}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := NewProjector([]byte("key")).Secret(object(t, tt.secret))
			if got.Cause == "" {
				t.Error("it does not say how that comes about")
			}
			got.Cause = "" // its words are those of TestADefectNamesItsCause
			if diff := cmp.Diff(&tt.want, got, cmp.Transformer("describe", describe)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwnersAreTheOthersOfTheField(t *testing.T) {
	const other = `manager: helm, operation: Update, time: "2026-01-02T03:04:05Z"`
	for _, tt := range []struct {
		why     string
		entries string
		path    []string
		applied bool
		others  []Owner
	}{
		{why: "nobody", entries: "[]"},
		{why: "our Apply entry, whatever it owns", entries: "[{manager: pullsecrets, operation: Apply, fieldsV1: {}}]", applied: true},
		{why: "our Apply entry is not another's", entries: `[{manager: pullsecrets, operation: Apply, fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}}]`, applied: true},
		{
			why: "an Update of ours is no claim of ours", others: []Owner{{Manager: "pullsecrets", Operation: "Update"}},
			entries: `[{manager: pullsecrets, operation: Update, fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}}]`,
		}, {
			why: "the field itself", others: []Owner{{"helm", "Update", "2026-01-02T03:04:05Z"}},
			entries: `[{` + other + `, fieldsV1: {"f:data": {".": {}, "f:.dockerconfigjson": {}}}}]`,
		}, {
			why: "the parent as a whole", others: []Owner{{"helm", "Update", "2026-01-02T03:04:05Z"}},
			entries: `[{` + other + `, fieldsV1: {"f:data": {}}}]`,
		},
		{why: "the parent's existence alone", entries: `[{` + other + `, fieldsV1: {"f:data": {".": {}}}}]`},
		{why: "a sibling", entries: `[{` + other + `, fieldsV1: {"f:data": {"f:other": {}}, "f:type": {}}}]`},
		{why: "nothing at all", entries: `[{` + other + `, fieldsV1: {}}]`},
		{why: "an entry without fields", entries: `[{` + other + `}]`},
		{why: "entries that are none", entries: `[null, 1, {}]`},
		{
			why: "the items of a list that is owned in parts", path: []string{"f:imagePullSecrets"},
			entries: `[{` + other + `, fieldsV1: {"f:imagePullSecrets": {'k:{"name":"a"}': {}}}}]`,
			others:  []Owner{{"helm", "Update", "2026-01-02T03:04:05Z"}},
		}, {
			why: "several, in order, and ours between them", applied: true,
			entries: `[{manager: a, operation: Apply, fieldsV1: {"f:data": {"f:.dockerconfigjson": {}}}},
				{manager: pullsecrets, operation: Apply, fieldsV1: {}},
				{manager: b, operation: Update, fieldsV1: {"f:data": {}}}]`,
			others: []Owner{{Manager: "a", Operation: "Apply"}, {Manager: "b", Operation: "Update"}},
		},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if tt.path == nil {
				tt.path = []string{"f:data", "f:" + KeyDockerConfigJSON}
			}
			applied, _, others := owners(object(t, "{metadata: {managedFields: "+tt.entries+"}}"), tt.path...)
			if applied != tt.applied {
				t.Errorf("applied by us: %t, want %t", applied, tt.applied)
			}
			if diff := cmp.Diff(tt.others, others); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAServiceAccountIsShrunk(t *testing.T) {
	for _, tt := range []struct {
		why     string
		account string
		want    ServiceAccount
	}{
		{"without anything", "{}", ServiceAccount{}},
		{"an empty list", "{imagePullSecrets: []}", ServiceAccount{}},
		{"entries without a name keep their place", "{imagePullSecrets: [{name: b}, {}, {name: a}, null, {name: b}]}",
			ServiceAccount{PullSecrets: []string{"b", "", "a", "", "b"}}},
		{"a ledger", `{metadata: {annotations: {pullsecrets/added: "b, a"}}}`, ServiceAccount{Ledger: "b, a", HasLedger: true}},
		{"an empty ledger is one", `{metadata: {annotations: {pullsecrets/added: ""}}}`, ServiceAccount{HasLedger: true}},
		{"other annotations", `{metadata: {annotations: {a: b}}}`, ServiceAccount{}},
		{"opted out", `{metadata: {annotations: {pullsecrets/exclude: "true"}}}`, ServiceAccount{Excluded: true}},
		{"not by another word", `{metadata: {annotations: {pullsecrets/exclude: "yes"}}}`, ServiceAccount{}},
		{"nor by the ancestor's annotation, which is for namespaces",
			`{metadata: {annotations: {k8s.titansoft.com/imagepullsecret-patcher-exclude: "true"}}}`, ServiceAccount{}},
		{"its field managers", `{metadata: {managedFields: [
			{manager: pullsecrets, operation: Apply, fieldsV1: {"f:imagePullSecrets": {}}},
			{manager: flux, operation: Apply, fieldsV1: {"f:imagePullSecrets": {}}},
			{manager: kcm, operation: Update, fieldsV1: {"f:secrets": {}}}]}}`,
			ServiceAccount{Applied: true, OwnsList: true, Owners: []Owner{{Manager: "flux", Operation: "Apply"}}}},
		{"somebody took the list over, and left us the ledger", `{metadata: {managedFields: [
			{manager: pullsecrets, operation: Apply, fieldsV1: {"f:metadata": {"f:annotations": {"f:pullsecrets/added": {}}}}},
			{manager: flux, operation: Apply, fieldsV1: {"f:imagePullSecrets": {}}}]}}`,
			ServiceAccount{Applied: true, Owners: []Owner{{Manager: "flux", Operation: "Apply"}}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(&tt.want, NewServiceAccount(object(t, tt.account))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANamespaceIsOptedOutByTrueAlone(t *testing.T) {
	for _, tt := range []struct {
		annotations string
		want        bool
	}{
		{`{}`, false},
		{`{pullsecrets/exclude: "true"}`, true},
		{`{k8s.titansoft.com/imagepullsecret-patcher-exclude: "true"}`, true},
		{`{pullsecrets/exclude: "false", k8s.titansoft.com/imagepullsecret-patcher-exclude: "true"}`, true},
		{`{pullsecrets/exclude: "false"}`, false},
		{`{pullsecrets/exclude: ""}`, false},
		{`{pullsecrets/exclude: "True"}`, false},
		{`{pullsecrets/exclude: "1"}`, false},
		{`{pullsecrets/exclude: " true"}`, false},
		{`{k8s.titansoft.com/imagepullsecret-patcher-exclude: "yes"}`, false},
	} {
		if got := NewNamespace(object(t, "{metadata: {annotations: "+tt.annotations+"}}")).Excluded; got != tt.want {
			t.Errorf("%s: excluded %t, want %t", tt.annotations, got, tt.want)
		}
	}
}

func TestOtherAnnotationsOptOutWhereTheyAreNamed(t *testing.T) {
	for _, tt := range []struct {
		annotations   string
		optOut        []string
		namespace, sa bool
	}{
		{`{pborn.eu/out: "true"}`, nil, false, false},
		{`{pborn.eu/out: "true"}`, []string{"pborn.eu/out"}, true, true},
		{`{pborn.eu/out: "yes"}`, []string{"pborn.eu/out"}, false, false},
		{`{k8s.titansoft.com/imagepullsecret-patcher-exclude: "true"}`, []string{"pborn.eu/out"}, true, false},
		{`{pullsecrets/exclude: "true"}`, []string{"pborn.eu/out"}, true, true},
	} {
		u := object(t, "{metadata: {annotations: "+tt.annotations+"}}")
		if ns, sa := NewNamespace(u, tt.optOut...).Excluded, NewServiceAccount(u, tt.optOut...).Excluded; ns != tt.namespace || sa != tt.sa {
			t.Errorf("%s, %q: namespace %t, service account %t", tt.annotations, tt.optOut, ns, sa)
		}
	}
}

func TestANamespaceIsTerminatingFromItsDeletionOn(t *testing.T) {
	for _, tt := range []struct {
		namespace string
		want      bool
	}{
		{`{}`, false},
		{`{status: {phase: Active}}`, false},
		{`{status: {phase: Terminating}}`, true},
		{`{metadata: {deletionTimestamp: "2026-01-02T03:04:05Z"}, status: {phase: Active}}`, true},
	} {
		if got := NewNamespace(object(t, tt.namespace)).Terminating; got != tt.want {
			t.Errorf("%s: terminating %t, want %t", tt.namespace, got, tt.want)
		}
	}
}

func TestVersionsOfANamespaceDifferInWhatDecides(t *testing.T) {
	const base = `{metadata: {name: a, uid: "1", resourceVersion: "1", labels: {team: x}, annotations: {a: b}}}`
	for _, tt := range []struct {
		why     string
		version string
		same    bool
	}{
		{"the same", base, true},
		{"another annotation", `{metadata: {name: a, uid: "1", resourceVersion: "2", labels: {team: x}}}`, true},
		{"a label", `{metadata: {name: a, uid: "1", resourceVersion: "2", labels: {team: "y"}}}`, false},
		{"no label", `{metadata: {name: a, uid: "1", resourceVersion: "2"}}`, false},
		{"an opt-out", `{metadata: {name: a, uid: "1", labels: {team: x}, annotations: {pullsecrets/exclude: "true"}}}`, false},
		{"its end", `{metadata: {name: a, uid: "1", labels: {team: x}}, status: {phase: Terminating}}`, false},
		{"another of the same name", `{metadata: {name: a, uid: "2", labels: {team: x}}}`, false},
	} {
		if got := NewNamespace(object(t, base)).SameDecision(NewNamespace(object(t, tt.version))); got != tt.same {
			t.Errorf("%s: same decision %t, want %t", tt.why, got, tt.same)
		}
	}
}

func TestAConfigMapIsKeptWithoutItsManagedFields(t *testing.T) {
	got := NewConfigMap(object(t, `{metadata: {name: p, annotations: {a: b}, managedFields: [{manager: x}]},
		data: {policy.yaml: text}, binaryData: {policy: AAE=, broken: "?"}}`))
	want := &ConfigMap{Data: map[string]string{"policy.yaml": "text"}, BinaryData: map[string][]byte{"policy": {0, 1}}}
	want.Name, want.Annotations = "p", map[string]string{"a": "b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyTheTypesOfRegistryCredentialsHaveADataKey(t *testing.T) {
	for secretType, want := range map[string]string{
		"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg",
		"Opaque": "", "kubernetes.io/tls": "", "": "", "KUBERNETES.IO/DOCKERCFG": "",
	} {
		if got := DataKey(secretType); got != want {
			t.Errorf("%q has the key %q, want %q", secretType, got, want)
		}
	}
}
