package health

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases/luahealth"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

const (
	home    = "pullsecrets"
	patient = 30 * time.Second
)

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// TestHealthFollowsAMergeRequest edits the policy of the example in a checkout, builds it with the real kustomize, and
// applies it to the real API server, where a controller runs. Right after each apply, health is never that of the text
// before; afterwards it becomes what is true of this one.
func TestHealthFollowsAMergeRequest(t *testing.T) {
	r := newRepository(t)
	r.edit("dockerhub", "hub")
	r.edit("exclude:", "include: ["+home+"]\n    exclude:") // no namespace of other tests
	r.applyAndExpect("Progressing", "InProgress")           // no controller runs yet
	r.start()
	r.becomes("Degraded", "InProgress", "SourceMissing")
	if err := r.flux.Wait(r.ctx, r.config, r.live(), 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "InProgress") {
		t.Errorf("of a policy whose source does not come, Flux says in the end: %v", err)
	}

	// The source comes after the policy. Flux is waiting for it.
	waited := make(chan error, 1)
	go func() { waited <- r.flux.Wait(r.ctx, r.config, r.live(), patient) }()
	r.source("hub")
	r.becomes("Healthy", "Current", "in force")
	if err := <-waited; err != nil {
		t.Errorf("Flux, which waited for the source: %v", err)
	}

	first := r.live().GetAnnotations()["pullsecrets/revision"]
	r.edit("exclude: [", "exclude: [none, ")
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")

	r.edit("rules:", "rulez:")
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Degraded", "Failed", "refused")
	began := time.Now()
	if err := r.flux.Wait(r.ctx, r.config, r.live(), patient); err == nil || time.Since(began) > patient/2 {
		t.Errorf("of a policy that was refused, Flux says after %s: %v", time.Since(began), err)
	}

	r.edit("rulez:", "rules:")
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")

	// Reverted, it is the text before again, under the revision that it had then.
	r.edit("exclude: [none, ", "exclude: [")
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")
	if again := r.live().GetAnnotations()["pullsecrets/revision"]; again != first || !strings.HasPrefix(again, "pullsecrets-policy-text-") {
		t.Errorf("the text is as at first, the revision is %q, and was %q", again, first)
	}
	// Applied again as it is, it stays healthy: no revision changed.
	r.applyAndExpect("Healthy", "Current")

	r.deleteByMistake()

	must(t, os.WriteFile(r.policy(), []byte("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"), 0o644))
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")
}

// deleteByMistake deletes the policy and applies it again. It is as it was then, and nobody touched the copy.
func (r *repository) deleteByMistake() {
	r.t.Helper()
	before := r.copy()
	must(r.t, r.client.Resource(configMaps).Namespace(home).Delete(r.ctx, policyName, metav1.DeleteOptions{}))
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")
	if after := r.copy(); after.GetUID() != before.GetUID() || after.GetResourceVersion() != before.GetResourceVersion() {
		r.t.Errorf("the copy was written: %v, before %v", after.GetResourceVersion(), before.GetResourceVersion())
	}
}

// repository is a checkout of the examples with a policy that is edited, and the cluster that it is applied to.
type repository struct {
	t      *testing.T
	ctx    context.Context
	root   string
	config *rest.Config
	client dynamic.Interface
	argocd *luahealth.Check
	flux   *Flux
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make test")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS = -1
	r := &repository{t: t, ctx: context.Background(), config: config}
	r.client, err = dynamic.NewForConfig(config)
	must(t, err)
	r.argocd, err = luahealth.Read(argocdFile)
	must(t, err)
	r.flux, err = ReadFlux(fluxFile, policyName)
	must(t, err)
	r.root, err = filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, part := range []string{"kustomize", "examples"} {
		must(t, os.CopyFS(filepath.Join(r.root, part), os.DirFS("../../../"+part)))
	}
	r.emptyHome()
	return r
}

// emptyHome makes the controller's namespace, with nothing in it, and empties it again when the test ends.
func (r *repository) emptyHome() {
	r.t.Helper()
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": home}}}
	_, err := r.client.Resource(namespaces).Create(r.ctx, ns, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		r.t.Fatal(err)
	}
	empty := func() {
		for _, resource := range []schema.GroupVersionResource{configMaps, secrets} {
			must(r.t, r.client.Resource(resource).Namespace(home).DeleteCollection(r.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
		}
	}
	empty()
	r.t.Cleanup(empty)
}

// policy is the file that people edit.
func (r *repository) policy() string { return r.root + "/examples/flux/pullsecrets/policy/policy.yaml" }

func (r *repository) edit(old, new string) {
	r.t.Helper()
	text, err := os.ReadFile(r.policy())
	must(r.t, err)
	if !strings.Contains(string(text), old) {
		r.t.Fatalf("the policy has no %q:\n%s", old, text)
	}
	must(r.t, os.WriteFile(r.policy(), []byte(strings.ReplaceAll(string(text), old, new)), 0o644))
}

// applyAndExpect applies the folder of the policy and says what the two tools see in the very answer.
func (r *repository) applyAndExpect(argocd, flux string) {
	r.t.Helper()
	built, err := exec.Command("kubectl", "kustomize", filepath.Dir(r.policy())).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, built)
	}
	u := &unstructured.Unstructured{}
	must(r.t, yaml.Unmarshal(built, &u.Object))
	answer, err := r.client.Resource(configMaps).Namespace(home).Apply(r.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	must(r.t, err)
	must(r.t, r.check(answer, argocd, flux, ""))
}

func (r *repository) check(u *unstructured.Unstructured, argocd, flux, word string) error {
	a, err := r.argocd.Health(u)
	must(r.t, err)
	f, err := r.flux.Health(r.ctx, u)
	must(r.t, err)
	if a.Status != argocd || f.Status != flux || !strings.Contains(a.Message, word) {
		return errors.New("Argo CD says " + a.Status + ": " + a.Message + "; Flux says " + f.Status + "; want " + argocd + ", " + flux + ", " + word)
	}
	return nil
}

// becomes watches the policy until the two tools say this of it.
func (r *repository) becomes(argocd, flux, word string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, patient)
	defer cancel()
	w, err := r.client.Resource(configMaps).Namespace(home).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + policyName})
	must(r.t, err)
	defer w.Stop()
	err = errors.New("nothing was seen")
	for event := range w.ResultChan() {
		if u, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != watch.Deleted {
			if err = r.check(u, argocd, flux, word); err == nil {
				return
			}
		}
	}
	r.t.Fatalf("not within %s: %v", patient, err)
}

func (r *repository) live() *unstructured.Unstructured {
	u, err := r.client.Resource(configMaps).Namespace(home).Get(r.ctx, policyName, metav1.GetOptions{})
	must(r.t, err)
	return u
}

func (r *repository) copy() *unstructured.Unstructured {
	u, err := r.client.Resource(secrets).Namespace(home).Get(r.ctx, "regcred", metav1.GetOptions{})
	must(r.t, err)
	return u
}

func (r *repository) source(name string) {
	r.t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
		"metadata":   map[string]any{"name": name, "namespace": home},
		"stringData": map[string]any{".dockerconfigjson": `{"auths":{"hub.example":{"auth":"cm9ib3Q6cw=="}}}`},
	}}
	_, err := r.client.Resource(secrets).Namespace(home).Create(r.ctx, u, metav1.CreateOptions{})
	must(r.t, err)
}

// start runs a controller until the test ends.
func (r *repository) start() {
	c := reconcile.New(reconcile.Config{
		Client: r.client, Namespace: home, PolicyName: policyName, StatusName: "pullsecrets-status", Workers: 4, MaxPrune: 50,
		Log: zerolog.New(zerolog.NewTestWriter(r.t)).Level(zerolog.WarnLevel),
	})
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
}
