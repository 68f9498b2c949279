package argocd

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

const (
	manager    = "argocd-controller"
	instance   = "app.kubernetes.io/instance"
	trackingID = "argocd.argoproj.io/tracking-id"
)

// options are what an Application, or its administrator, chooses.
type options struct {
	serverSideApply, serverSideDiff, labelTracking bool

	kinds  only                  // that there are in git; those of the cases when empty
	health health.HealthOverride // the health checks of argocd-cm
}

// argo is an Application with automated sync, selfHeal and prune.
type argo struct {
	options
	name    string // no other Application's, or it would prune what that one's namespaces still hold
	c       *cases.Cluster
	kubectl *kube.KubectlCmd
	cache   cache.ClusterCache
	dryRun  diff.KubeApplier
	ignores bool
}

var applications int

func newArgo(c *cases.Cluster, o options) cases.Tool {
	applications++
	if o.kinds == nil {
		o.kinds = only{"Namespace", "ServiceAccount", "Secret", "ConfigMap", "Pod"}
	}
	a := &argo{options: o, name: fmt.Sprintf("teams-%d-%d", os.Getpid(), applications), c: c,
		kubectl: &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}}
	a.cache = cache.NewClusterCache(c.Config,
		cache.SetLogr(logr.Discard()), cache.SetKubectl(a.kubectl),
		cache.SetSettings(cache.Settings{ResourcesFilter: o.kinds}),
		cache.SetPopulateResourceInfoHandler(func(un *unstructured.Unstructured, _ bool) (any, bool) {
			return un, a.isOurs(un) || kube.IsCRD(un)
		}))
	if err := a.cache.EnsureSynced(); err != nil {
		c.T.Fatal(err)
	}
	applier, cleanup, err := kube.ManageServerSideDiffDryRuns(c.Config, a.cache.GetOpenAPISchema(), tracing.NopTracer{}, logr.Discard(), nil)
	if err != nil {
		c.T.Fatal(err)
	}
	a.dryRun = applier
	c.T.Cleanup(func() {
		cleanup()
		a.cache.Invalidate()
	})
	return a
}

// only are the kinds that the cache watches.
type only []string

func (o only) IsExcludedResource(_, kind, _ string) bool { return !slices.Contains(o, kind) }

// Configure is ignoreDifferences: [{kind: ServiceAccount, jsonPointers: [/imagePullSecrets]}] of the Application, with
// syncOptions: [RespectIgnoreDifferences=true].
func (a *argo) Configure() { a.ignores = true }

// Normalize is what ignoreDifferences means to a diff; Argo CD's own code for it is not part of its engine.
func (a *argo) Normalize(u *unstructured.Unstructured) error {
	if a.ignores && u != nil && u.GetKind() == "ServiceAccount" {
		delete(u.Object, "imagePullSecrets")
	}
	return nil
}

// track marks what an application owns.
func (a *argo) track(git []*unstructured.Unstructured) {
	for _, u := range git {
		switch {
		case kube.IsCRD(u): // Argo CD never does, so it never prunes one
		case a.labelTracking:
			labels := u.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels[instance] = a.name
			u.SetLabels(labels)
		default:
			annotations := u.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[trackingID] = a.idOf(u)
			u.SetAnnotations(annotations)
		}
	}
}

func (a *argo) idOf(u *unstructured.Unstructured) string {
	return fmt.Sprintf("%s:%s/%s:%s/%s", a.name, u.GroupVersionKind().Group, u.GetKind(), u.GetNamespace(), u.GetName())
}

// isOurs is what makes Argo CD prune an object that git does not hold: a label is enough, but a tracking id has to name
// the object that bears it.
func (a *argo) isOurs(u *unstructured.Unstructured) bool {
	if a.labelTracking {
		return u.GetLabels()[instance] == a.name
	}
	return strings.HasPrefix(u.GetAnnotations()[trackingID], a.name+":")
}

// match puts beside each object of git the one in the cluster, and those that are ours and not in git.
func (a *argo) match(ctx context.Context, git []*unstructured.Unstructured) (sync.ReconciliationResult, error) {
	a.track(git)
	if err := a.catchUp(ctx, git); err != nil {
		return sync.ReconciliationResult{}, err
	}
	live, err := a.live(git)
	if err != nil {
		return sync.ReconciliationResult{}, err
	}
	for key, u := range live {
		if !a.labelTracking && a.isOurs(u) && u.GetAnnotations()[trackingID] != a.idOf(u) {
			delete(live, key)
		}
	}
	return sync.Reconcile(git, live, "", a.cache), nil
}

// compare is the application controller's comparison of git with the cluster.
func (a *argo) compare(ctx context.Context, git []*unstructured.Unstructured) (sync.ReconciliationResult, *diff.DiffResultList, error) {
	result, err := a.match(ctx, git)
	if err != nil {
		return result, nil, err
	}
	diffs, err := diff.DiffArray(result.Target, result.Live,
		diff.WithNormalizer(a), diff.WithLogr(logr.Discard()), diff.IgnoreAggregatedRoles(false),
		diff.WithGVKParser(a.cache.GetGVKParser()), diff.WithManager(manager),
		diff.WithServerSideDiff(a.serverSideDiff), diff.WithIgnoreMutationWebhook(true),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(a.dryRun)))
	return result, diffs, err
}

func (a *argo) live(git []*unstructured.Unstructured) (map[kube.ResourceKey]*unstructured.Unstructured, error) {
	return a.cache.GetManagedLiveObjs(git, func(r *cache.Resource) bool {
		u, ok := r.Info.(*unstructured.Unstructured)
		return ok && a.isOurs(u)
	})
}

// catchUp waits until the engine's cache is what the API server has.
func (a *argo) catchUp(ctx context.Context, git []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		behind, err := a.behind(ctx, git)
		if err != nil || behind == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cache does not see %s", behind)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (a *argo) behind(ctx context.Context, git []*unstructured.Unstructured) (string, error) {
	known, err := a.live(git)
	if err != nil {
		return "", err
	}
	all := append([]*unstructured.Unstructured{}, git...)
	for _, u := range known {
		all = append(all, u)
	}
	for _, u := range all {
		live, err := a.c.Get(ctx, u)
		if err != nil {
			return "", err
		}
		cached := known[kube.GetResourceKey(u)]
		if (live == nil) != (cached == nil) || live != nil && live.GetResourceVersion() != cached.GetResourceVersion() {
			return cases.ID(u), nil
		}
	}
	return "", nil
}

// outOfSync names what differs, and what is to be pruned.
func outOfSync(result sync.ReconciliationResult, diffs *diff.DiffResultList) (ids []string) {
	for i, d := range diffs.Diffs {
		switch {
		case result.Target[i] == nil:
			ids = append(ids, cases.ID(result.Live[i]))
		case result.Live[i] == nil || d.Modified:
			ids = append(ids, cases.ID(result.Target[i]))
		}
	}
	return ids
}

// Drift has nothing to add: a pass begins with the comparison, and says what is OutOfSync.
func (a *argo) Drift(context.Context, []*unstructured.Unstructured) ([]string, error) {
	return nil, nil
}

// Pass is automated sync with selfHeal and prune: nothing happens while all is in sync; else all is applied.
func (a *argo) Pass(ctx context.Context, git []*unstructured.Unstructured) ([]string, error) {
	result, diffs, err := a.compare(ctx, git)
	if err != nil {
		return nil, err
	}
	changed := outOfSync(result, diffs)
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, a.sync(ctx, git)
}

// respectIgnores has the sync apply what is there where differences are ignored, as RespectIgnoreDifferences=true does.
func (a *argo) respectIgnores(result sync.ReconciliationResult) {
	for i, target := range result.Target {
		if live := result.Live[i]; a.ignores && target != nil && live != nil && target.GetKind() == "ServiceAccount" {
			delete(target.Object, "imagePullSecrets")
			if list, ok := live.Object["imagePullSecrets"]; ok {
				target.Object["imagePullSecrets"] = list
			}
		}
	}
}

// operation is a sync, as far as it has come.
type operation struct {
	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
	started metav1.Time
}

// sync brings git to the cluster. What failed is an error.
func (a *argo) sync(ctx context.Context, git []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	op := operation{phase: common.OperationRunning, started: metav1.Now()}
	for !op.phase.Completed() {
		if err := a.round(ctx, git, &op); err != nil {
			return err
		}
	}
	if op.phase.Successful() {
		return nil
	}
	return fmt.Errorf("sync %s: %s %v", op.phase, op.message, op.results)
}

// round is what the application controller does with a sync each time that it looks at it: it takes the cluster as it is
// now, and goes on where the last round stopped.
func (a *argo) round(ctx context.Context, git []*unstructured.Unstructured, op *operation) error {
	result, err := a.match(ctx, git)
	if err != nil {
		return err
	}
	a.respectIgnores(result)
	propagation := metav1.DeletePropagationForeground
	run, cleanup, err := sync.NewSyncContext("revision", result, a.c.Config, a.c.Config, a.kubectl, "", a.cache.GetOpenAPISchema(),
		sync.WithLogr(logr.Discard()), sync.WithOperationSettings(false, true, false, false), sync.WithManifestValidation(true),
		sync.WithPrunePropagationPolicy(&propagation), sync.WithServerSideApply(a.serverSideApply),
		sync.WithServerSideApplyManager(manager), sync.WithClientSideApplyMigration(true, common.DefaultClientSideApplyMigrationManager),
		sync.WithHealthOverride(a.health), sync.WithInitialState(op.phase, op.message, op.results, op.started))
	if err != nil {
		return err
	}
	defer cleanup()
	run.Sync()
	op.phase, op.message, op.results = run.GetState()
	return ctx.Err()
}
