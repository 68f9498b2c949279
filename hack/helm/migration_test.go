package helm

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// documented are the blocks of code under a heading of MIGRATING.md: what a test does is what a user is told to do.
func documented(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	_, section, ok := strings.Cut(read(t, "../../MIGRATING.md"), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("MIGRATING.md has no heading %q", heading)
	}
	section = regexp.MustCompile(`(?s)\n##+ .*`).ReplaceAllString(section, "")
	for _, block := range regexp.MustCompile("(?s)```(?:sh|yaml)\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// here puts what is in this checkout in the place of what is published.
func (m *migrating) here(text string) string {
	m.T.Helper()
	root, err := filepath.Abs("../..")
	harness.Must(m.T, err)
	relative, err := filepath.Rel(m.folder, root)
	harness.Must(m.T, err)
	text = regexp.MustCompile(`oci://ghcr\.io/pullsecrets/charts/pullsecrets --version \S+`).ReplaceAllString(text, root+"/charts/pullsecrets")
	return regexp.MustCompile(`github\.com/pullsecrets/pullsecrets/(\S+)\?ref=\S+`).ReplaceAllString(text, relative+"/$1")
}

// byHand runs the commands in the comments of what migrate printed.
func (m *migrating) byHand(file string) {
	m.T.Helper()
	var commands []string
	for line := range strings.Lines(read(m.T, filepath.Join(m.folder, file))) {
		if command, ok := strings.CutPrefix(line, "#      "); ok {
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		m.T.Fatalf("%s says nothing that is to be done", file)
	}
	m.shell(strings.Join(commands, ""))
}

// marksOf are those of copies of a controller in home, from this source.
func marksOf(home, source string) func(namespace string) map[string]string {
	return func(namespace string) map[string]string {
		return map[string]string{
			"pullsecrets/rule": "imagepullsecret-patcher", "pullsecrets/source": source, "pullsecrets/for": home + "/" + namespace, "pullsecrets/prune": "false",
		}
	}
}

// settled waits until the program has done what it had to do, and holds that it complains of nothing but what is expected.
func (p *pod) settled(warnings ...string) {
	t := p.m.T
	t.Helper()
	p.m.Eventually("it is done", p.ready)
	p.answers()
	said := append(p.lines(`"level":"warn"`), p.lines(`"level":"error"`)...)
	if len(said) != len(warnings) {
		t.Errorf("%d warnings, want %d:\n%s", len(said), len(warnings), strings.Join(said, ""))
	}
	for _, words := range warnings {
		if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, words) }) {
			t.Errorf("no warning has %q:\n%s", words, strings.Join(said, ""))
		}
	}
}

// ready asks the log, or with a policy its ConfigMap, whether all is as the rule says.
func (p *pod) ready() error {
	if len(p.lines(`"status":"Ready"`)) > 0 {
		return nil
	}
	u, err := p.m.Client.Resource(api.ConfigMaps).Namespace(p.namespace).Get(p.m.Ctx, "pullsecrets-policy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if said := u.GetAnnotations(); said["pullsecrets/status"] != "Ready" {
		return fmt.Errorf("the policy's annotations are %v", said)
	}
	return nil
}

// serves makes a namespace and wants it to be served.
func (m *migrating) serves(namespace, secret, content string) {
	m.T.Helper()
	m.namespace(namespace)
	m.Eventually(namespace+" is served", func() error {
		u, err := m.Client.Resource(api.Secrets).Namespace(namespace).Get(m.Ctx, secret, metav1.GetOptions{})
		if err != nil || contentOf(u) != content {
			return fmt.Errorf("the copy: %v", err)
		}
		if list := listOf(m.Get(api.Accounts, namespace, "default")); !slices.Equal(list, []string{secret}) {
			return fmt.Errorf("the account has %q", list)
		}
		return nil
	})
}

// withdraw removes what the test leaves in the cluster at its end.
func (m *migrating) withdraw(secret string, namespaces ...string) {
	m.T.Cleanup(func() {
		m.delete(api.Namespaces, append(namespaces, m.made...)...)
		admission := schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
		rbac := schema.GroupVersion{Group: "rbac.authorization.k8s.io", Version: "v1"}
		for _, resource := range []schema.GroupVersionResource{
			rbac.WithResource("clusterrolebindings"), rbac.WithResource("clusterroles"),
			admission.WithResource("validatingadmissionpolicybindings"), admission.WithResource("validatingadmissionpolicies"),
		} {
			m.delete(resource, "imagepullsecret-patcher", "pullsecrets", "pullsecrets-guard")
		}
		m.forget(secret)
	})
}

// forget removes a copy and its name from all namespaces that stay.
func (m *migrating) forget(secret string) {
	now, _ := m.state(secret)
	for _, u := range now.copies {
		_ = m.Client.Resource(api.Secrets).Namespace(u.GetNamespace()).Delete(m.Ctx, secret, metav1.DeleteOptions{})
	}
	for _, u := range now.accounts {
		if slices.Contains(listOf(u), secret) {
			_, _ = m.Client.Resource(api.Accounts).Namespace(u.GetNamespace()).Patch(m.Ctx, u.GetName(), types.MergePatchType,
				[]byte(`{"imagePullSecrets":null,"metadata":{"annotations":{"pullsecrets/added":null}}}`), metav1.PatchOptions{})
		}
	}
}

// manifests are those that imagepullsecret-patcher is applied with.
type manifests struct {
	apply, helm    string // the command, and the package of helm if it needs that
	program        ancestorProgram
	source         string
	warnings       []string // of the program that was exchanged
	policyWarnings []string
	direct         bool // the first step is left out
}

// TestMigrationFromManifests goes both steps with the commands of MIGRATING.md, or the second one alone.
func TestMigrationFromManifests(t *testing.T) {
	const secret = "image-pull-secret"
	data, err := filepath.Abs("testdata/migration")
	harness.Must(t, err)
	titansoft := manifests{
		apply: "kubectl apply -f " + data + "/titansoft/patcher.yaml", source: "image-pull-secret-src",
		program:        original(secret, all, func(string) bool { return false }),
		warnings:       []string{"no permission to watch namespaces", "no permission to watch serviceaccounts", "no permission to watch secrets"},
		policyWarnings: []string{"matches kube-system too"}, // which the original serves
	}
	direct := titansoft
	direct.direct = true
	jansvoboda := manifests{
		apply: "kubectl create namespace imagepullsecret-patcher; helm template imagepullsecret-patcher " + data + "/jansvoboda -n imagepullsecret-patcher" +
			" --set dockerSecrets.hostname=hub.example,dockerSecrets.username=robot,dockerSecrets.password=s3cret | kubectl -n imagepullsecret-patcher apply -f -",
		helm: "helm.sh/helm/v4/cmd/helm", source: secret, program: original(secret, only, system),
	}
	for name, c := range map[string]manifests{"titansoft": titansoft, "titansoft without the first step": direct, "JanSvoboda": jansvoboda} {
		t.Run(name, func(t *testing.T) { c.migrate(t, secret) })
	}
}

func (c manifests) migrate(t *testing.T, secret string) {
	const patcher = "imagepullsecret-patcher"
	m := newMigrating(t, c.helm)
	m.withdraw(secret, patcher, "pullsecrets")
	m.shell(c.apply)
	content := contentOf(m.Get(api.Secrets, patcher, c.source))
	m.namespace("team-a", "ci", "web")
	m.namespace("out")
	m.annotate(api.Namespaces, "", "out", "k8s.titansoft.com/imagepullsecret-patcher-exclude", "true")
	m.patchList("team-a", "default", "theirs", "other")
	c.program.run(m, content)
	want := after{marks: marksOf("pullsecrets", "pullsecrets/"+secret), untouched: []string{patcher + "/" + secret}}

	stop := func() {}
	if !c.direct {
		w := m.watching(secret)
		m.shell(documented(t, "From manifests")[0])
		p := m.run(patcher, patcher)
		p.settled(c.warnings...)
		w.same(w.ends(content), want)
		m.serves("late", secret, content)
		stop = p.stop
	}

	w := m.watching(secret)
	steps := documented(t, "With kubectl or kustomize")
	m.shell(steps[0])
	m.byHand("policy.yaml")
	m.shell("kubectl -n " + patcher + " get deployments -o yaml | pullsecrets migrate -f - | kubectl apply --dry-run=server -f -") // as its help says
	m.file("kustomization.yaml", m.here(steps[1]))
	m.shell(steps[2])
	stop()
	p := m.run("pullsecrets", "pullsecrets")
	p.settled(c.policyWarnings...)
	want.appeared = []string{"pullsecrets/" + secret}
	w.same(w.ends(content), want)
	m.serves("later", secret, content)
	m.isOut("out", secret)
}

// TestMigrationWhereTheProgramWasExchangedByItsImageAlone has copies that are marked for the namespace that it runs in.
func TestMigrationWhereTheProgramWasExchangedByItsImageAlone(t *testing.T) {
	const secret, patcher = "image-pull-secret", "imagepullsecret-patcher"
	m := newMigrating(t, "helm.sh/helm/v3/cmd/helm")
	manifest, err := filepath.Abs("testdata/migration/titansoft/patcher.yaml")
	harness.Must(t, err)
	m.withdraw(secret, patcher)
	m.shell("kubectl apply -f " + manifest)
	content := contentOf(m.Get(api.Secrets, patcher, "image-pull-secret-src"))
	m.namespace("team-a", "ci")
	original(secret, all, func(string) bool { return false }).run(m, content)
	want := after{untouched: []string{patcher + "/" + secret}}

	w := m.watching(secret)
	m.shell(regexp.MustCompile(`\n  env: .*`).ReplaceAllString(documented(t, "From manifests")[0], ""))
	p := m.run(patcher, patcher)
	p.settled("no permission to watch namespaces", "no permission to watch serviceaccounts", "no permission to watch secrets")
	want.marks = marksOf(patcher, patcher+"/"+secret)
	w.same(w.ends(content), want)

	w = m.watching(secret)
	m.shell(m.here(documented(t, "Where the program was exchanged without `PULLSECRETS_NAMESPACE`")[0]))
	p.stop()
	p = m.run(patcher, "pullsecrets")
	p.settled("matches kube-system too")
	want.marks = marksOf(patcher, patcher+"/image-pull-secret-src")
	w.same(w.ends(content), want)
	m.serves("later", secret, content)
}

// patchList gives an account names of somebody else.
func (m *migrating) patchList(namespace, account string, names ...string) {
	m.T.Helper()
	patch := `{"imagePullSecrets":[{"name":"` + strings.Join(names, `"},{"name":"`) + `"}]}`
	_, err := m.Client.Resource(api.Accounts).Namespace(namespace).Patch(m.Ctx, account, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl"})
	harness.Must(m.T, err)
}

// isOut holds that a namespace that is opted out got nothing.
func (m *migrating) isOut(namespace, secret string) {
	m.T.Helper()
	list, err := m.Client.Resource(api.Secrets).Namespace(namespace).List(m.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + secret})
	harness.Must(m.T, err)
	if names := listOf(m.Get(api.Accounts, namespace, "default")); len(list.Items) > 0 || len(names) > 0 {
		m.T.Errorf("%s has %d copies and %q", namespace, len(list.Items), names)
	}
}

// forkRelease is one of a fork's chart, with the values that its user gave.
type forkRelease struct {
	chart, values, secret, source string
	program                       ancestorProgram
	said                          string   // by helm upgrade, of the limit of the old chart
	warnings                      []string // after the first step
	policyWarnings                []string
	optedOut                      string // the annotation
}

const credential = `{"auths":{"hub.example":{"username":"robot","password":"s3cret","email":null}}}`

var releases = map[string]forkRelease{
	"JanSvoboda": {
		chart: "jansvoboda", secret: "image-pull-secret", source: "image-pull-secret",
		values:   "dockerSecrets: {hostname: hub.example, username: robot, password: s3cret}\n",
		program:  original("image-pull-secret", only, system),
		said:     "resources.limits.memory is raised from 30Mi to 256Mi",
		optedOut: "k8s.titansoft.com/imagepullsecret-patcher-exclude",
	},
	"tamcore": {
		chart: "tamcore", secret: "global-imagepullsecret", source: "global-imagepullsecret-source",
		values: `
env:
  CONFIG_DOCKERCONFIGJSONPATH: /secrets/.dockerconfigjson
  CONFIG_MAX_CONCURRENT_RECONCILES: "4"
  CONFIG_DELETE_PODS: "true"
  CONFIG_SERVICEACCOUNTS: "default,ci"
  CONFIG_TYPO: "x"
volumes: [{name: src, secret: {secretName: global-imagepullsecret-source}}]
volumeMounts: [{name: src, mountPath: /secrets, readOnly: true}]
extraObjects:
- apiVersion: v1
  kind: Secret
  metadata: {name: global-imagepullsecret-source}
  type: kubernetes.io/dockerconfigjson
  stringData: {.dockerconfigjson: '` + credential + `'}
`,
		program:  tamcore("global-imagepullsecret", func(name string) bool { return name == "default" || name == "ci" }, func(ns string) bool { return strings.HasPrefix(ns, "kube-") }),
		said:     "resources.limits.memory is raised from 100Mi to 256Mi",
		warnings: []string{"not understood, and without effect: CONFIG_TYPO", "CONFIG_DELETE_PODS: pods that cannot pull"},
		optedOut: tamcoreExclude,
	},
}

// TestMigrationOfAReleaseOfTheForks goes both steps with the commands of MIGRATING.md and the real helm.
func TestMigrationOfAReleaseOfTheForks(t *testing.T) {
	for name, r := range releases {
		for _, helm := range []string{"helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v4/cmd/helm"} {
			t.Run(name+"/"+strings.Split(helm, "/")[2], func(t *testing.T) { r.migrate(t, helm, strings.Contains(helm, "v3") == (name == "tamcore")) })
		}
	}
}

func (r forkRelease) migrate(t *testing.T, helm string, reuseValues bool) {
	const home = "imagepullsecret-patcher"
	m := newMigrating(t, helm)
	chart, err := filepath.Abs("testdata/migration/" + r.chart)
	harness.Must(t, err)
	m.withdraw(r.secret, home)
	m.file("given.yaml", r.values)
	m.shell("helm install " + home + " " + chart + " -n " + home + " --create-namespace -f given.yaml")
	content := contentOf(m.Get(api.Secrets, home, r.source))
	m.namespace("team-a", "ci", "web")
	m.namespace("out")
	m.annotate(api.Namespaces, "", "out", r.optedOut, "true")
	m.namespace("later-out") // it keeps what it has
	m.patchList("team-a", "default", "theirs", "other")
	r.program.run(m, content)
	m.annotate(api.Namespaces, "", "later-out", r.optedOut, "true")
	m.annotate(api.Accounts, "team-a", "web", r.optedOut, "true")
	untouched := []string{home + "/" + r.secret, "later-out/" + r.secret}

	w := m.watching(r.secret)
	steps := documented(t, "From the charts of JanSvoboda and tamcore")
	command := m.here(steps[0])
	if reuseValues {
		command = strings.Replace(command, "-f values.yaml", "--reuse-values", 1)
	}
	if said := m.shell(command); reuseValues && !strings.Contains(said, r.said) { // the values that the user gave have no limit
		t.Errorf("helm upgrade does not say %q:\n%s", r.said, said)
	}
	p := m.run(home, home)
	p.settled(r.warnings...)
	w.same(w.ends(content), after{marks: marksOf(home, home+"/"+r.secret), untouched: untouched})
	m.serves("late", r.secret, content)
	m.isUndone(r, command, content)

	w = m.watching(r.secret)
	steps = documented(t, "With Helm")
	m.shell(regexp.MustCompile(`(?s)\nhelm upgrade.*`).ReplaceAllString(steps[0], ""))
	m.byHand("policy-values.yaml")
	m.shell(m.here(steps[0]))
	p.stop()
	p = m.run(home, "pullsecrets")
	p.settled(r.policyWarnings...)
	w.same(w.ends(content), after{marks: marksOf(home, home+"/"+r.source), untouched: untouched})
	m.serves("later", r.secret, content)
	m.isOut("out", r.secret)
}

// isUndone rolls the release back and forth: the old program is what would run between, and nothing happens to what was
// distributed.
func (m *migrating) isUndone(r forkRelease, upgrade, content string) {
	m.T.Helper()
	const home = "imagepullsecret-patcher"
	w := m.watching(r.secret)
	before := w.before
	m.shell("helm rollback " + home + " 1 -n " + home)
	image, _, _ := unstructured.NestedSlice(m.Get(deployments, home, home).Object, "spec", "template", "spec", "containers")
	if got := image[0].(map[string]any)["image"]; !strings.Contains(got.(string), "/imagepullsecret-patcher:") {
		m.T.Errorf("after helm rollback the image is %s", got)
	}
	m.shell(upgrade)
	w.same(w.ends(content), after{untouched: slices.Collect(maps.Keys(before.copies))})
}
