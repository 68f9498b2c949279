package health

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases/luahealth"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestHealthFollowsAMergeRequest edits the policy of the example in a checkout, builds it with the real kustomize, and
// applies it to the real API server, where a controller runs. Right after each apply, health is never that of the text
// before; afterwards it becomes what is true of this one.
func TestHealthFollowsAMergeRequest(t *testing.T) {
	r := newRepository(t)
	r.edit("dockerhub", "hub")
	r.edit("exclude:", "include: ["+api.Home+"]\n    exclude:") // no namespace of other tests
	r.applyAndExpect("Progressing", "InProgress")               // no controller runs yet
	r.Start()
	r.becomes("Degraded", "InProgress", "SourceMissing")
	if err := r.flux.Wait(r.Ctx, r.Config, r.live(), 5*time.Second); err == nil || !strings.Contains(err.Error(), "InProgress") {
		t.Errorf("of a policy whose source does not come, Flux says in the end: %v", err)
	}

	// The source comes after the policy. Flux is waiting for it.
	waited := make(chan error, 1)
	go func() { waited <- r.flux.Wait(r.Ctx, r.Config, r.live(), harness.Patient) }()
	r.Source("hub", api.Credential("hub.example", "s"))
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
	if err := r.flux.Wait(r.Ctx, r.Config, r.live(), harness.Patient); err == nil || time.Since(began) > harness.Patient/2 {
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

	harness.Must(t, os.WriteFile(r.policy(), []byte("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n"), 0o644))
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")
}

// deleteByMistake deletes the policy and applies it again. It is as it was then, and nobody touched the copy.
func (r *repository) deleteByMistake() {
	r.T.Helper()
	before := r.copy()
	r.Delete(api.ConfigMaps, api.Home, policyName)
	r.applyAndExpect("Progressing", "InProgress")
	r.becomes("Healthy", "Current", "in force")
	if after := r.copy(); after.GetUID() != before.GetUID() || after.GetResourceVersion() != before.GetResourceVersion() {
		r.T.Errorf("the copy was written: %v, before %v", after.GetResourceVersion(), before.GetResourceVersion())
	}
}

// repository is a checkout of the examples with a policy that is edited, and the cluster that it is applied to.
type repository struct {
	*harness.Sandbox
	root   string
	argocd *luahealth.Check
	flux   *Flux
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{Sandbox: harness.NewSandbox(t)}
	var err error
	r.argocd, err = luahealth.Read(argocdFile)
	harness.Must(t, err)
	r.flux, err = ReadFlux(fluxFile, policyName)
	harness.Must(t, err)
	r.root, err = filepath.EvalSymlinks(t.TempDir())
	harness.Must(t, err)
	for _, part := range []string{"kustomize", "examples"} {
		harness.Must(t, os.CopyFS(filepath.Join(r.root, part), os.DirFS("../../../"+part)))
	}
	t.Cleanup(func() { r.EmptyHome() })
	return r
}

// policy is the file that people edit.
func (r *repository) policy() string { return r.root + "/examples/flux/pullsecrets/policy/policy.yaml" }

func (r *repository) edit(old, new string) {
	r.T.Helper()
	text, err := os.ReadFile(r.policy())
	harness.Must(r.T, err)
	if !strings.Contains(string(text), old) {
		r.T.Fatalf("the policy has no %q:\n%s", old, text)
	}
	harness.Must(r.T, os.WriteFile(r.policy(), []byte(strings.ReplaceAll(string(text), old, new)), 0o644))
}

// applyAndExpect applies the folder of the policy and says what the two tools see in the very answer.
func (r *repository) applyAndExpect(argocd, flux string) {
	r.T.Helper()
	u := harness.Objects(r.T, harness.Kustomize(r.T, filepath.Dir(r.policy())))[0]
	answer, err := r.Client.Resource(api.ConfigMaps).Namespace(api.Home).Apply(r.Ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	harness.Must(r.T, err)
	harness.Must(r.T, r.check(answer, argocd, flux, ""))
}

func (r *repository) check(u *unstructured.Unstructured, argocd, flux, word string) error {
	a, err := r.argocd.Health(u)
	harness.Must(r.T, err)
	f, err := r.flux.Health(r.Ctx, u)
	harness.Must(r.T, err)
	if a.Status != argocd || f.Status != flux || !strings.Contains(a.Message, word) {
		return errors.New("Argo CD says " + a.Status + ": " + a.Message + "; Flux says " + f.Status + "; want " + argocd + ", " + flux + ", " + word)
	}
	return nil
}

// becomes watches the policy until the two tools say this of it.
func (r *repository) becomes(argocd, flux, word string) {
	r.T.Helper()
	ctx, cancel := context.WithTimeout(r.Ctx, r.Cluster.Patience)
	defer cancel()
	w, err := r.Client.Resource(api.ConfigMaps).Namespace(api.Home).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + policyName})
	harness.Must(r.T, err)
	defer w.Stop()
	err = errors.New("nothing was seen")
	for event := range w.ResultChan() {
		if u, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != watch.Deleted {
			if err = r.check(u, argocd, flux, word); err == nil {
				return
			}
		}
	}
	r.T.Fatalf("not within %s: %v", r.Cluster.Patience, err)
}

func (r *repository) live() *unstructured.Unstructured {
	r.T.Helper()
	return r.Get(api.ConfigMaps, api.Home, policyName)
}

func (r *repository) copy() *unstructured.Unstructured {
	r.T.Helper()
	return r.Get(api.Secrets, api.Home, "regcred")
}
