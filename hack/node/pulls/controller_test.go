package pulls

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/hack/node/registry"
)

// home is the controller's own namespace.
const home = "pullsecrets"

// policy asks for three registries everywhere. Namespaces that begin with without- are for pods that shall have nothing.
const policy = `apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- name: registries
  secrets:
  - source: {name: registry1}
  - source: {name: registry2}
  - source: {name: rotating}
  namespaces: {exclude: ["kube-*", "without-*"]}
`

// podsPolicy is the same with the names added to pods by the API server.
var podsPolicy = strings.Replace(policy, "- name: registries\n", "- name: registries\n  attach: pods\n", 1)

// names is what the policy gives to an account, or to a pod.
const names = "registry1 registry2 rotating"

// overlay is a folder as people make it of the base: their own policy, and the roles that pullsecrets rbac prints for it.
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base]
configMapGenerator:
- name: pullsecrets-policy
  namespace: pullsecrets
  behavior: replace
  files: [policy.yaml]
  options: {disableNameSuffixHash: true}
`

// beside is for an overlay whose Deployment starts no controller, because a test starts one beside it.
const beside = `patches:
- path: rbac.yaml
- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: pullsecrets, namespace: pullsecrets}, spec: {replicas: 0}}'
`

// install applies an overlay, which ends with a text, and the sources. The roles are printed with the given flags.
func install(t *testing.T, end string, flags ...string) {
	t.Helper()
	installPolicy(t, policy, end, flags...)
}

// withAdmission is an overlay like beside, with the admission component, and with the one that evicts.
const withAdmission = beside + "components: [../../components/admission, ../../components/evict]\n"

// installForPods has the rule attach to pods, and waits until the API server adds its names, in a namespace that it makes for that.
// The controller runs until the test ends.
func installForPods(t *testing.T, probe string) {
	t.Helper()
	installPolicy(t, podsPolicy, withAdmission, "-admission")
	t.Cleanup(removeAdmission)
	startController(t, "-admission")
	namespace(t, probe)
	eventually(t, "the API server gives a pod its names", func() bool { return tried(probe) == names })
}

// tried are the names that a pod would be created with.
func tried(namespace string) string {
	out, _ := run("kubectl", "-n", namespace, "run", "probe", "--image=probe", "--dry-run=server", "-o", "jsonpath={.spec.imagePullSecrets[*].name}")
	return out
}

// needsMutation skips a test where the API server is of before 1.36, and fails it where a newer one lacks what it needs.
func needsMutation(t *testing.T) {
	t.Helper()
	if out := kubectl(t, "get", "--raw", "/apis/admissionregistration.k8s.io/v1"); strings.Contains(out, `"mutatingadmissionpolicies"`) {
		return
	}
	version := kubectl(t, "get", "--raw", "/version")
	if strings.Contains(version, `"minor": "35"`) || strings.Contains(version, `"minor":"35"`) {
		t.Skip("needs Kubernetes 1.36: mutatingadmissionpolicies of admissionregistration.k8s.io/v1")
	}
	t.Fatalf("this API server has no mutatingadmissionpolicies: %s", version)
}

func removeAdmission() {
	_, _ = tryKubectl("", "delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", "pullsecrets", "pullsecrets-pods")
}

func installPolicy(t *testing.T, policy, end string, flags ...string) {
	t.Helper()
	if strings.Contains(end, "components/admission") {
		needsMutation(t)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository, "kustomize"))); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "overlays", "own")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "kustomization.yaml"), overlay+end)
	write(t, filepath.Join(dir, "policy.yaml"), policy)
	if strings.Contains(end, "components/evict") { // a test starts it beside the cluster, as the controller
		end = strings.Replace(end, "patches:\n", "patches:\n- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: pullsecrets-evict, namespace: pullsecrets}, spec: {replicas: 0}}'\n", 1)
		write(t, filepath.Join(dir, "kustomization.yaml"), overlay+end)
	}
	roles, err := exec.Command(program, append([]string{"rbac", "-f", filepath.Join(dir, "policy.yaml")}, flags...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "rbac.yaml"), string(roles))
	kubectl(t, "apply", "-k", dir)
	for _, name := range []string{"registry1", "registry2"} {
		source(t, name, credential(t, name))
	}
	source(t, "rotating", registry.Credential("registry.invalid", "made up"))
}

// credential is the content of a pull secret for one of the node's registries.
func credential(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(node(t), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// program is what make build builds.
const program = repository + "/bin/pullsecrets"

// startController runs it with the rights of its own service account and no others, until the test ends.
func startController(t *testing.T, flags ...string) {
	t.Helper()
	startAs(t, "pullsecrets", append([]string{"run"}, flags...)...)
}

// startAs runs a command of the program with the rights of a service account and no others, until the test ends.
func startAs(t *testing.T, account string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append(args, "-kubeconfig", kubeconfigOf(t, account), "-health-addr=", "-metrics-addr=", "-log-format=console")...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("pullsecrets %s ended with %v", args[0], err)
		}
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the log of pullsecrets %s:\n%s", args[0], text)
		}
	})
}

func kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	token := strings.TrimSpace(kubectl(t, "-n", home, "create", "token", account))
	config := kubectl(t, "config", "view", "--minify", "--flatten", "--raw")
	before, _, _ := strings.Cut(config, "users:")
	file := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, file, before+fmt.Sprintf("users:\n- name: admin\n  user: {token: %q}\n", token))
	return file
}
