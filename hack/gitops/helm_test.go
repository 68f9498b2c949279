package gitops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"helm.sh/helm/v4/pkg/kube"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

// helm is a release: each pass is an upgrade with the same chart, or a new one.
type helm struct {
	c          *cases.Cluster
	client     *kube.Client
	serverSide bool
	release    []*unstructured.Unstructured // the last one's manifest
}

// newHelm4 applies on the server, without force, which is the default of Helm 4.
func newHelm4(c *cases.Cluster) cases.Tool { return newHelm(c, true) }

// newHelm3 patches three ways, with Helm 4's code for releases that Helm 3 made.
func newHelm3(c *cases.Cluster) cases.Tool { return newHelm(c, false) }

func newHelm(c *cases.Cluster, serverSide bool) cases.Tool {
	kube.ManagedFieldsManager = "helm"
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig = &c.Kubeconfig
	return &helm{c: c, client: kube.New(flags), serverSide: serverSide}
}

// Configure has nothing to do: Helm knows no fields to ignore.
func (h *helm) Configure() {}

// prepare marks what a release owns as Helm does.
func (h *helm) prepare(git []*unstructured.Unstructured) {
	for _, u := range git {
		labels := u.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels["app.kubernetes.io/managed-by"] = "Helm"
		u.SetLabels(labels)
		u.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "teams", "meta.helm.sh/release-namespace": "default"})
	}
}

func (h *helm) build(objects []*unstructured.Unstructured) (kube.ResourceList, error) {
	var manifest bytes.Buffer
	for _, u := range objects {
		text, err := json.Marshal(u)
		if err != nil {
			return nil, err
		}
		manifest.WriteString("---\n" + string(text) + "\n")
	}
	return h.client.Build(&manifest, false)
}

// Pass is helm upgrade. Helm says of every object that it updated it, so what changed is what has another version.
func (h *helm) Pass(ctx context.Context, git []*unstructured.Unstructured) (changed []string, err error) {
	h.prepare(git)
	before, err := h.versions(ctx, git)
	if err != nil {
		return nil, err
	}
	original, err := h.build(h.release)
	if err != nil {
		return nil, err
	}
	target, err := h.build(git)
	if err != nil {
		return nil, err
	}
	_, err = h.client.Update(original, target, kube.ClientUpdateOptionServerSideApply(h.serverSide, false))
	if apierrors.IsConflict(err) {
		return nil, fmt.Errorf("%w: %w", cases.ErrRefused, err)
	}
	if err != nil {
		return nil, err
	}
	h.release = git
	after, err := h.versions(ctx, git)
	for id, version := range after {
		if before[id] != version {
			changed = append(changed, id)
		}
	}
	return changed, err
}

func (h *helm) versions(ctx context.Context, git []*unstructured.Unstructured) (map[string]string, error) {
	versions := map[string]string{}
	for _, u := range git {
		live, err := h.c.Get(ctx, u)
		if err != nil {
			return nil, err
		}
		if live != nil {
			versions[cases.ID(u)] = live.GetResourceVersion()
		}
	}
	return versions, nil
}

// Drift is what the next upgrade would change. Helm has no command that shows it.
func (h *helm) Drift(ctx context.Context, git []*unstructured.Unstructured) (shown []string, err error) {
	h.prepare(git)
	for _, u := range git {
		live, err := h.c.Get(ctx, u)
		if err != nil {
			return nil, err
		}
		next, err := h.dryRun(ctx, u, live)
		if apierrors.IsConflict(err) {
			continue // the upgrade says so
		}
		if err != nil {
			return nil, err
		}
		if !apiequality.Semantic.DeepEqual(withoutVersions(live), withoutVersions(next)) {
			shown = append(shown, cases.ID(u))
		}
	}
	return shown, nil
}

func (h *helm) dryRun(ctx context.Context, chart, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	kind, options := types.ApplyPatchType, metav1.PatchOptions{FieldManager: "helm", DryRun: []string{metav1.DryRunAll}}
	patch, err := json.Marshal(chart)
	if !h.serverSide {
		kind = types.StrategicMergePatchType
		patch, err = threeWay(chart, live)
	}
	if err != nil {
		return nil, err
	}
	resource, err := h.c.Resource(chart)
	if err != nil {
		return nil, err
	}
	return resource.Patch(ctx, chart.GetName(), kind, patch, options)
}

func withoutVersions(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	u.SetManagedFields(nil)
	u.SetResourceVersion("")
	return u
}

// threeWay is the patch that makes the live object what the chart says, which is what the last release said.
func threeWay(chart, live *unstructured.Unstructured) ([]byte, error) {
	typed, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(chart.GetAPIVersion(), chart.GetKind()))
	if err != nil {
		return nil, err
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, err
	}
	old, err := json.Marshal(chart)
	if err != nil {
		return nil, err
	}
	now, err := json.Marshal(live)
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateThreeWayMergePatch(old, old, now, meta, true)
}
