package gitops

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/apis/kustomize"
	generator "github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

// bootstrapped is what flux bootstrap --path=clusters/production leaves in a repository, as far as a build needs it.
const bootstrapped = `mkdir -p clusters/production/flux-system
cat >clusters/production/flux-system/gotk-sync.yaml <<'end'
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/production, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
end
cat >clusters/production/flux-system/kustomization.yaml <<'end'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [gotk-sync.yaml]
end
`

// TestFluxAsThePageSays follows docs/gitops.md to the letter in a fresh repository, and has Flux's own packages build
// and apply what comes of it, in the order of the Kustomizations, until the last of them is Ready. Decryption alone is
// left out: the sources are in clear.
func TestFluxAsThePageSays(t *testing.T) {
	binary := cases.NewCluster(t).Program()
	var followed []string
	for _, way := range []struct {
		name   string
		steps  []string
		remote bool
	}{
		{"by reference", []string{"flux-folder", "flux-references", "flux-roles", "flux-commit"}, true},
		{"by reference, before 1.36", []string{"flux-folder", "flux-references", "flux-before-1.36", "flux-commit"}, true},
		{"vendored", []string{"flux-folder", "flux-vendored", "flux-roles", "flux-commit"}, false},
		{"from the registry", []string{"flux-oci", "flux-oci-roles", "flux-commit"}, false},
	} {
		followed = append(followed, way.steps...)
		t.Run(way.name, func(t *testing.T) {
			n := cases.NewNewcomer(cases.NewCluster(t), binary)
			n.Do(bootstrapped)
			n.Follow(way.steps...)
			n.Resolve()
			k := &kustomizeController{n: n, remote: way.remote, sources: map[string]string{"GitRepository": n.Checkout()}}
			k.reconcile(t.Context())
		})
	}
	cases.AllFollowed(t, "flux-", followed)
}

// kustomizeController is kustomize-controller, as far as a first install needs it.
type kustomizeController struct {
	n       *cases.Newcomer
	remote  bool              // without --no-remote-bases
	sources map[string]string // the folder of each kind of source
	applied []*unstructured.Unstructured
}

type kustomization struct {
	Metadata struct{ Name string }
	Spec     struct {
		Path             string
		SourceRef        struct{ Kind string }
		DependsOn        []struct{ Name string }
		Wait             bool
		HealthChecks     []struct{ APIVersion, Kind, Name, Namespace string }
		HealthCheckExprs []kustomize.CustomHealthCheck
	}
	whole unstructured.Unstructured
}

// reconcile applies the bootstrap's folder, and then every Kustomization of it when those are Ready that it depends on.
func (k *kustomizeController) reconcile(ctx context.Context) {
	t := k.n.T
	t.Helper()
	var pending []*kustomization
	for _, u := range k.build(&kustomization{whole: unstructured.Unstructured{Object: map[string]any{}}}, k.sources["GitRepository"], "clusters/production") {
		switch {
		case u.GetNamespace() != "flux-system":
			t.Fatalf("the bootstrap's Kustomization would own %s", cases.ID(u))
		case u.GetKind() == "OCIRepository":
			k.sources["OCIRepository"] = artifact(t)
		case u.GetName() != "flux-system":
			one := &kustomization{whole: *u}
			text, err := yaml.Marshal(u.Object)
			must(t, err)
			must(t, yaml.Unmarshal(text, one))
			pending = append(pending, one)
		}
	}
	stop := cases.StartNode(k.n.Cluster, k.n.Binary)
	t.Cleanup(func() {
		stop()
		k.n.Uninstall(context.WithoutCancel(ctx), k.applied)
	})
	ready := map[string]bool{}
	for len(pending) > 0 {
		i := slices.IndexFunc(pending, func(one *kustomization) bool {
			return !slices.ContainsFunc(one.Spec.DependsOn, func(d struct{ Name string }) bool { return !ready[d.Name] })
		})
		if i < 0 {
			t.Fatal("none of the Kustomizations can ever be applied")
		}
		began := time.Now()
		k.apply(ctx, pending[i])
		t.Logf("%s is Ready after %s", pending[i].Metadata.Name, time.Since(began).Round(time.Millisecond))
		ready[pending[i].Metadata.Name] = true
		pending = slices.Delete(pending, i, i+1)
	}
	for _, ns := range []string{"default", cases.Home} {
		if copied, err := k.n.Get(ctx, secret(ns, "regcred")); err != nil || copied == nil {
			t.Errorf("all is Ready, and there is no copy in %s (%v)", ns, err)
		}
	}
}

// artifact is what source-controller makes of the manifests that a release pushes.
func artifact(t *testing.T) string {
	dir := t.TempDir()
	must(t, os.CopyFS(dir+"/kustomize", os.DirFS("../../kustomize")))
	return dir
}

func secret(namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// build is the controller's: it puts components and patches of the Kustomization into the folder's, or generates one for
// a folder that has none, and builds it within the source.
func (k *kustomizeController) build(one *kustomization, source, path string) []*unstructured.Unstructured {
	t := k.n.T
	t.Helper()
	dir := filepath.Join(source, path)
	if _, err := generator.NewGenerator(source, one.whole).WriteFile(dir); err != nil {
		t.Fatal(err)
	}
	built, err := generator.SecureBuild(source, dir, k.remote)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	text, err := built.AsYaml()
	must(t, err)
	return cases.Objects(t, string(text))
}

// apply builds and applies a Kustomization, and waits until it is Ready.
func (k *kustomizeController) apply(ctx context.Context, one *kustomization) {
	t := k.n.T
	t.Helper()
	source, ok := k.sources[one.Spec.SourceRef.Kind]
	if !ok {
		t.Fatalf("%s is from a %s, and there is none", one.Metadata.Name, one.Spec.SourceRef.Kind)
	}
	objects := k.build(one, source, one.Spec.Path)
	k.applied = append(objects, k.applied...)
	f := newFlux(k.n.Cluster).(*flux)
	if _, err := f.Pass(ctx, objects); err != nil {
		t.Fatalf("%s: %v", one.Metadata.Name, err)
	}
	if err := k.wait(ctx, one, objects); err != nil {
		t.Fatalf("%s: %v", one.Metadata.Name, err)
	}
}

// wait is the controller's health check, only that it looks more often.
func (k *kustomizeController) wait(ctx context.Context, one *kustomization, objects []*unstructured.Unstructured) error {
	var set object.ObjMetadataSet
	if one.Spec.Wait {
		set = object.UnstructuredSetToObjMetadataSet(objects)
	} else {
		for _, check := range one.Spec.HealthChecks {
			group, _, _ := strings.Cut(check.APIVersion, "/")
			if group == "v1" {
				group = ""
			}
			set = append(set, object.ObjMetadata{Namespace: check.Namespace, Name: check.Name, GroupKind: schema.GroupKind{Group: group, Kind: check.Kind}})
		}
	}
	if len(set) == 0 {
		return nil
	}
	c, err := client.New(k.n.Config, client.Options{})
	if err != nil {
		return err
	}
	options := polling.Options{}
	if len(one.Spec.HealthCheckExprs) > 0 {
		reader, err := cel.NewStatusReader(one.Spec.HealthCheckExprs)
		if err != nil {
			return err
		}
		options.CustomStatusReaders = []engine.StatusReader{reader(meta.RESTMapper(c.RESTMapper()))}
	}
	manager := ssa.NewResourceManager(c, polling.NewStatusPoller(c, c.RESTMapper(), options), ssa.Owner{Field: fluxController})
	if err := manager.WaitForSetWithContext(ctx, set, ssa.WaitOptions{Interval: 50 * time.Millisecond, Timeout: time.Minute, FailFast: true}); err != nil {
		return fmt.Errorf("not Ready: %w", err)
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
