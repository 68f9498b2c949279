package gitops

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

const (
	fluxController = "kustomize-controller"
	fluxGroup      = "kustomize.toolkit.fluxcd.io"
)

// flux is kustomize-controller without its Kustomization: its engine, called as it calls it.
type flux struct {
	manager   *ssa.ResourceManager
	ignore    []jsondiff.IgnoreRule
	inventory map[string]*unstructured.Unstructured // what was applied last; only that is ever pruned
}

func newFlux(c *cases.Cluster) cases.Tool {
	cl, err := client.New(c.Config, client.Options{})
	if err != nil {
		c.T.Fatal(err)
	}
	poller := polling.NewStatusPoller(cl, cl.RESTMapper(), polling.Options{})
	return &flux{manager: ssa.NewResourceManager(cl, poller, ssa.Owner{Field: fluxController, Group: fluxGroup})}
}

// Configure is spec.ignore of a Kustomization: [{paths: [/imagePullSecrets], target: {kind: ServiceAccount}}].
func (f *flux) Configure() {
	f.ignore = []jsondiff.IgnoreRule{{Paths: []string{"/imagePullSecrets"}, Selector: &jsondiff.Selector{Kind: "ServiceAccount"}}}
}

func (f *flux) prepare(git []*unstructured.Unstructured) error {
	f.manager.SetOwnerLabels(git, "teams", "flux-system")
	return normalize.UnstructuredList(git)
}

// options are those of kustomize-controller's apply.
func (f *flux) options() ssa.ApplyOptions {
	o := ssa.DefaultApplyOptions()
	o.WaitInterval = 50 * time.Millisecond // for namespaces to be there; 2 s in the controller
	o.ExclusionSelector = map[string]string{fluxGroup + "/reconcile": "disabled", fluxGroup + "/ssa": "Ignore"}
	o.IfNotPresentSelector = map[string]string{fluxGroup + "/ssa": "IfNotPresent"}
	o.ForceSelector = map[string]string{fluxGroup + "/force": "enabled"}
	o.DriftIgnoreRules = f.ignore
	o.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation, fluxGroup + "/checksum", "fluxcd.io/sync-checksum"},
		Labels:      []string{"fluxcd.io/sync-gc-mark"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: fluxController, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{fluxGroup + "/ssa": "Merge"},
	}
	return o
}

func (f *flux) Pass(ctx context.Context, git []*unstructured.Unstructured) (changed []string, err error) {
	if err := f.prepare(git); err != nil {
		return nil, err
	}
	set, err := f.manager.ApplyAllStaged(ctx, git, f.options())
	if err != nil {
		return nil, err
	}
	for _, e := range set.Entries {
		if e.Action != ssa.UnchangedAction {
			changed = append(changed, e.ObjMetadata.GroupKind.Kind+" "+e.Subject)
		}
	}
	return changed, f.prune(ctx, git)
}

// prune deletes what the inventory has and git has not.
func (f *flux) prune(ctx context.Context, git []*unstructured.Unstructured) error {
	stale := maps.Clone(f.inventory)
	f.inventory = map[string]*unstructured.Unstructured{}
	for _, u := range git {
		delete(stale, cases.ID(u))
		f.inventory[cases.ID(u)] = u
	}
	o := ssa.DefaultDeleteOptions()
	o.Inclusions = f.manager.GetOwnerLabels("teams", "flux-system")
	o.Exclusions = map[string]string{fluxGroup + "/prune": "disabled", fluxGroup + "/reconcile": "disabled"}
	_, err := f.manager.DeleteAll(ctx, slices.Collect(maps.Values(stale)), o)
	return err
}

// Drift is what flux diff shows.
func (f *flux) Drift(ctx context.Context, git []*unstructured.Unstructured) (shown []string, err error) {
	if err := f.prepare(git); err != nil {
		return nil, err
	}
	for _, u := range git {
		entry, _, _, err := f.manager.Diff(ctx, u, ssa.DiffOptions{DriftIgnoreRules: f.ignore})
		if err != nil {
			return nil, err
		}
		if entry.Action != ssa.UnchangedAction {
			shown = append(shown, cases.ID(u))
		}
	}
	return shown, nil
}
