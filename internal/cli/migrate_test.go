package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestWhatMigratePrints holds the whole text, for the manifests of each ancestor and each form.
func TestWhatMigratePrints(t *testing.T) {
	for _, line := range []string{
		"migrate -f titansoft.yaml",
		"migrate -f - -o policy < titansoft.yaml",
		"migrate -f jansvoboda.yaml -namespace patcher -o values",
		"migrate -f tamcore.yaml -o policy",
		"migrate -f tamcore.yaml -o rbac -namespace tools",
		"migrate -f variable.yaml -o policy",
	} {
		t.Run(line, func(t *testing.T) {
			t.Chdir("testdata/migrate")
			got := "$ pullsecrets " + line + "\n" + typedAt(t, line)
			if strings.Contains(got, "Y2FuYXJ5") || strings.Contains(strings.ReplaceAll(got, "CONFIG_CANARY", ""), "canary") {
				t.Error("a value is printed")
			}
			file := strings.NewReplacer(" < ", "_", " -f -", "", " -f ", "_", " -o ", "_", " ", "_").Replace(strings.TrimPrefix(line, "migrate")) + ".txt"
			file = strings.TrimPrefix(file, "_")
			if *update {
				write(t, file, got)
			}
			if diff := cmp.Diff(readText(t, file), got); diff != "" {
				t.Errorf("(-file +printed):\n%s", diff)
			}
		})
	}
}

// printed runs migrate on a manifest.
func printed(t *testing.T, manifest []byte, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	if status := Main(t.Context(), append([]string{"migrate", "-f", "-"}, args...), bytes.NewReader(manifest), &out, &errs); status != 0 {
		return "", fmt.Errorf("exit status %d: %s", status, &errs)
	}
	return out.String(), nil
}

// deployment is one of these arguments and variables, in the namespace tools.
func deployment(t *testing.T, image string, args []string, env map[string]string) []byte {
	t.Helper()
	var vars []corev1.EnvVar
	for name, value := range env {
		vars = append(vars, corev1.EnvVar{Name: name, Value: value})
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "patcher", "namespace": "tools"},
		"spec": map[string]any{"template": map[string]any{"spec": corev1.PodSpec{Containers: []corev1.Container{
			{Name: "patcher", Image: image, Args: args, Env: vars},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestMigratePrintsThePolicyOfTheAncestorsMode has the program read random settings itself, in a pod of the namespace
// tools, and migrate read them from a manifest: the rules are the same, but for the source of a credential that is given.
func TestMigratePrintsThePolicyOfTheAncestorsMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".dockerconfigjson")
	write(t, file, goodCredential)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		args, env := randomSettings(r, file)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inNamespace(t, "tools")
			for name, value := range env {
				t.Setenv(name, value)
			}
			home := []string{"tools", "pullsecrets", "imagepullsecret-patcher"}[r.IntN(3)]
			o, err := parse(t, append(slices.Clone(args), "-namespace="+home)...)
			if err != nil || o.cfg.Documents == nil {
				t.Fatalf("%q %q: no rule is made: %v", args, env, err)
			}
			for name := range env {
				t.Setenv(name, "") // migrate reads the manifest only
			}
			text, err := printed(t, deployment(t, "mirror.example/imagepullsecret-patcher", args, env), "-o", "policy", "-namespace", home)
			if err != nil {
				t.Fatal(err)
			}
			var doc policy.Document
			if err := yaml.UnmarshalStrict([]byte(text), &doc); err != nil || len(doc.Rules) != 1 {
				t.Fatalf("%v:\n%s", err, text)
			}
			if diff := cmp.Diff(normal(o.rule, home), normal(doc.Rules[0], home)); diff != "" {
				t.Errorf("%q %q (-program +migrate):\n%s", args, env, diff)
			}
		})
	}
}

// normal writes out what a rule may leave out.
func normal(rule policy.RuleSpec, home string) policy.RuleSpec {
	secret := &rule.Secrets[0]
	if secret.Source.Namespace == "" {
		secret.Source.Namespace = home
	}
	if secret.Name == "" {
		secret.Name = secret.Source.Name
	}
	if len(rule.Namespaces.Include) == 0 {
		rule.Namespaces.Include = []string{"*"}
	}
	return rule
}

func randomSettings(r *rand.Rand, file string) (args []string, env map[string]string) {
	env = map[string]string{}
	values := map[string][]string{
		"force": {"true", "false"}, "managedonly": {"true", "false"}, "allserviceaccount": {"true", "false"}, "debug": {"true"},
		"serviceaccounts": {"default", "ci,web", "*", ""}, "secretname": {"reg", "a.b", "on"}, "secretnamespace": {"tools", "vault"},
		"excluded-namespaces": {"kube-*", "a,b, c", "tools"}, "dockerconfigjsonpath": {file}, "exclude-annotation": {"example.com/out"},
		"deletepods": {"true", "false"}, "max-concurrent-reconciles": {"3"}, "use-informers": {"false"}, "zap-encoder": {"json"},
	}
	for _, s := range newAncestor().all {
		choices := values[s.name]
		if len(choices) == 0 || r.IntN(3) > 0 {
			continue
		}
		switch value := choices[r.IntN(len(choices))]; r.IntN(3) {
		case 0:
			args = append(args, "-"+s.name+"="+value)
		case 1:
			env["PULLSECRETS_"+strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))] = value
		case 2:
			if s.env != "" {
				env[s.env] = value
			}
		}
	}
	return append(args, "-force="+fmt.Sprint(r.IntN(2) == 0)), env // the last wins, and chooses the mode
}

// TestTheRolesAreThoseThatRbacPrints holds that the manifests are valid together too, as a stream.
func TestTheRolesAreThoseThatRbacPrints(t *testing.T) {
	for _, namespace := range []string{"tools", "pullsecrets"} {
		manifest := deployment(t, "imagepullsecret-patcher", nil, map[string]string{"CONFIG_SECRETNAME": "reg", "CONFIG_SECRET_NAMESPACE": "vault"})
		text, err := printed(t, manifest, "-namespace", namespace)
		if err != nil {
			t.Fatal(err)
		}
		roles, err := printed(t, manifest, "-namespace", namespace, "-o", "rbac")
		if err != nil || !strings.HasSuffix(text, "---\n"+roles) {
			t.Errorf("%v: the manifests do not end with\n%s", err, roles)
		}
		for _, command := range []string{"rbac", "validate"} {
			var out, errs bytes.Buffer
			args := []string{command, "-f", "-", "-namespace", namespace, "-source-namespaces", "vault"}
			if status := Main(t.Context(), args, strings.NewReader(text), &out, &errs); status != 0 || command == "rbac" && out.String() != roles {
				t.Errorf("%s: exit status %d, %s%s", command, status, &out, &errs)
			}
		}
	}
}

// TestMigrateKnowsTamcoresImage holds that its defaults are printed where it runs, and those that hold after an exchange
// of the image where it was exchanged.
func TestMigrateKnowsTamcoresImage(t *testing.T) {
	for image, want := range map[string]string{
		"ghcr.io/tamcore/imagepullsecret-patcher:v1": "global-imagepullsecret",
		"tamcore/imagepullsecret-patcher@sha256:abc": "global-imagepullsecret",
		"ghcr.io/pullsecrets/pullsecrets:v0.1.0":     "image-pull-secret",
		"quay.io/titansoft/imagepullsecret-patcher":  "image-pull-secret",
	} {
		text, err := printed(t, deployment(t, image, nil, map[string]string{"CONFIG_DOCKERCONFIGJSONPATH": "/secrets/x"}), "-o", "policy")
		if err != nil || !strings.Contains(text, "source: {name: "+want+"}") {
			t.Errorf("%s: %v\n%s", image, err, text)
		}
	}
}

// TestMigrateKeepsWhatIsSaidOfMemory: a policy has no place for it, and the controller has the same flags.
func TestMigrateKeepsWhatIsSaidOfMemory(t *testing.T) {
	for given, want := range map[string]string{
		"-secretname=reg":           "",
		"-auto-memlimit-ratio=0.75": `: ["-auto-memlimit-ratio=0.75"]`,
		"-no-auto-memlimit":         `: ["-no-auto-memlimit"]`,
		"-no-auto-memlimit=false":   "",
	} {
		text, err := printed(t, deployment(t, "ghcr.io/tamcore/imagepullsecret-patcher:v1", []string{"-dockerconfigjsonpath=/secrets/x", given}, nil), "-o", "values")
		if _, list, _ := strings.Cut(text, "\nextraArgs"); err != nil || strings.TrimSpace(list) != want {
			t.Errorf("%s: %v\n%s", given, err, text)
		}
	}
}

// TestMigrateFindsTheAncestorAmongOthers gives all Deployments of a cluster, of which another has a flag of the same name.
func TestMigrateFindsTheAncestorAmongOthers(t *testing.T) {
	other := strings.ReplaceAll(string(deployment(t, "example.com/sync:v1", []string{"--force"}, nil)), "name: patcher", "name: sync")
	text, err := printed(t, []byte(other+"---\n"+string(deployment(t, "imagepullsecret-patcher", []string{"-secretname=reg"}, nil))), "-o", "policy")
	if err != nil || !strings.Contains(text, "Deployment tools/patcher") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := printed(t, []byte(other), "-o", "policy"); err != nil {
		t.Errorf("where there is no better one: %v", err)
	}
}

func TestWhatMigrateRefuses(t *testing.T) {
	const head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: patcher, namespace: tools}\n"
	container := func(c string) string {
		return head + "spec: {template: {spec: {containers: [" + c + "]}}}\n"
	}
	patcher := container("{name: patcher, image: imagepullsecret-patcher, args: [-force]}")
	for _, c := range []struct {
		why, manifest string
		args          []string
		want          string
	}{
		{"nothing", "", nil, "standard input has no Kubernetes object: give what kubectl get deployment NAME -o yaml prints"},
		{"a policy", "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n", nil, "standard input has no Kubernetes object: give what kubectl get deployment NAME -o yaml prints"},
		{"no YAML", "{canary", nil, "standard input: line 1, column 2: is not YAML: did not find expected ',' or '}'"},
		{"no ancestor", container("{name: web, image: web, args: [serve]}"), nil, "no container here has settings of imagepullsecret-patcher: give what kubectl get deployment NAME -o yaml prints"},
		{"one without settings", container("{name: patcher, image: imagepullsecret-patcher}"), nil,
			"no container here has settings of imagepullsecret-patcher; the container patcher of Deployment tools/patcher has none of its settings: give what kubectl get deployment NAME -o yaml prints"},
		{"two of them", patcher + "---\n" + patcher, nil, "several containers have settings of imagepullsecret-patcher: " +
			"the container patcher of Deployment tools/patcher, the container patcher of Deployment tools/patcher: give one of them"},
		{"no pod", head, nil, "standard input line 1: Deployment patcher has no pod's spec"},
		{"a boolean", container("{name: patcher, env: [{name: CONFIG_FORCE, value: true}]}"), nil,
			"standard input line 1: Deployment patcher is not as the API has it: quote numbers, true and false among the values of env"},
		{"no namespace", strings.Replace(patcher, ", namespace: tools", "", 1), nil,
			"standard input line 1: Deployment patcher names no namespace: give with -namespace the one that it runs in"},
		{"a flag of nobody", container("{name: patcher, image: imagepullsecret-patcher, args: [-foo=canary]}"), nil,
			"the container patcher of Deployment tools/patcher: flag provided but not defined: -foo"},
		{"a word", container("{name: patcher, image: imagepullsecret-patcher, args: [-debug, canary, -force]}"), nil,
			"the container patcher of Deployment tools/patcher: it takes flags only, and an argument is none; what stands behind it is not read"},
		{"a malformed setting", container("{name: patcher, env: [{name: CONFIG_FORCE, value: maybe}]}"), nil,
			`the container patcher of Deployment tools/patcher: CONFIG_FORCE: "maybe" is neither true nor false`},
		{"an account that cannot be", container("{name: patcher, env: [{name: CONFIG_SERVICEACCOUNTS, value: Foo}]}"), nil,
			`the container patcher of Deployment tools/patcher: CONFIG_SERVICEACCOUNTS: "Foo" can match nothing: names are in lower case`},
		{"a credential in the place of a name", container(`{name: patcher, env: [{name: CONFIG_SECRETNAME, value: '{"auths": "canary"}'}]}`), nil,
			"the container patcher of Deployment tools/patcher: CONFIG_SECRETNAME: its value is not the name of a Secret: use a-z, 0-9, - and ."},
		{"one in the place of accounts", container(`{name: patcher, env: [{name: CONFIG_SERVICEACCOUNTS, value: '{"auths": "canary"}'}]}`), nil,
			"the container patcher of Deployment tools/patcher: CONFIG_SERVICEACCOUNTS: one of its names can match nothing: names have only a-z, 0-9, - and ., and only * and ? are special"},
		{"one in the place of a number, in base64", container(`{name: patcher, env: [{name: CONFIG_MAX_CONCURRENT_RECONCILES, value: eyJhdXRocyI6e319}]}`), nil,
			"the container patcher of Deployment tools/patcher: CONFIG_MAX_CONCURRENT_RECONCILES: its value is no whole number"},
		{"a credential and a file", container("{name: patcher, args: ['-dockerconfigjson={}'], env: [{name: CONFIG_DOCKERCONFIGJSONPATH, value: /x}]}"), nil,
			"the container patcher of Deployment tools/patcher: -dockerconfigjson and CONFIG_DOCKERCONFIGJSONPATH are both given: give the credential only once"},
		{"a name for a shell", container("{name: 'a; rm', args: [-force]}"), nil, `"a; rm" is not a name, which has a-z, 0-9, - and . only`},
		{"another home than that of the marks", container("{name: patcher, image: 'ghcr.io/pullsecrets/pullsecrets:v0.1.0', args: [-force]}"), []string{"-namespace", "pullsecrets"},
			"the container patcher of Deployment tools/patcher has marked its copies as those of a controller in tools, and one in pullsecrets would leave them alone: give -namespace tools"},
		{"a form", patcher, []string{"-o", "json"}, `-o "json": one of manifests, policy, rbac, values`},
		{"an argument", patcher, []string{"x"}, `migrate takes flags only, found "x"`},
		{"no home", patcher, []string{"-namespace", "A"}, `"A" is not the name of a namespace`},
	} {
		t.Run(c.why, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := Main(t.Context(), append([]string{"migrate", "-f", "-"}, c.args...), strings.NewReader(c.manifest), &out, &errs)
			if diff := cmp.Diff("pullsecrets: "+c.want+"\n", errs.String()); diff != "" || status != 1 || out.Len() > 0 {
				t.Errorf("exit status %d, %s\n%s", status, &out, diff)
			}
		})
	}
}
