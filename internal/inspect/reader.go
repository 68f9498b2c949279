package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Scope is what a Snapshot is to show of a cluster, besides all namespaces, all service accounts and the names in the status.
type Scope struct {
	At         Place                  // of the installation that asks
	Policy     bool                   // also the policy ConfigMap, for its annotations
	Sources    []types.NamespacedName // of the policy
	CopyNames  []string               // of the policy
	EveryLabel bool                   // also what carries our label under any other name
	Progress   func(done, total int)  // nil: nobody wants to know
}

// Read lists a cluster, as the controller's watches would: one request for each name, so that a role can be limited to
// the names. What is forbidden is noted in the snapshot, as the controller does; any other error is an error, because
// a list that failed is no empty cluster. Nothing is written.
func Read(ctx context.Context, client dynamic.Interface, projector *cluster.Projector, what Scope) (*Snapshot, error) {
	r := reader{lookup: liveLookup{ctx, client}, ctx: ctx, client: client, projector: projector, snapshot: emptySnapshot(what.At.Installation()), progress: what.Progress}
	r.total = 2 + len(what.CopyNames) + len(what.Sources)
	r.status(what.At.key(what.At.StatusName))
	if what.Policy {
		r.annotations(what.At.key(what.At.PolicyName))
	}
	r.list(kube.Target{Resource: kube.Namespaces}, nil)
	r.list(kube.Target{Resource: kube.ServiceAccounts}, func(err error) { r.snapshot.accountsDenied = err })
	r.snapshot.recover()
	names := cluster.Union(r.snapshot.names, what.CopyNames)
	if what.EveryLabel {
		r.labelled(&names)
	}
	names = cluster.Union(names, nil)
	r.total = r.done + len(names) + len(what.Sources)
	for _, name := range names {
		r.list(kube.Target{Resource: kube.Secrets, Name: name}, func(err error) { r.snapshot.copiesDenied[name] = err })
	}
	for _, key := range what.Sources {
		r.source(key)
	}
	r.snapshot.names = cluster.Union(r.snapshot.names, names)
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.snapshot, nil
}

// reader gathers what read asks for.
type reader struct {
	lookup    lookup
	ctx       context.Context
	client    dynamic.Interface
	projector *cluster.Projector
	snapshot  *Snapshot
	errs      []error
	gone      bool // see inVain: no more is asked

	progress    func(done, total int)
	done, total int
}

// status reads the status ConfigMap, which tells under which names copies were made.
func (r *reader) status(key types.NamespacedName) {
	saved, err := r.configMap(key)
	switch {
	case apierrors.IsForbidden(err):
		r.snapshot.statusDenied = err
	case err != nil:
		r.fail(fmt.Errorf("read the status ConfigMap %s: %w", key, err))
	case saved != nil:
		r.snapshot.status, r.snapshot.names = saved, cluster.SecretNames(saved.Data[status.KeyNames])
	}
}

// annotations reads the policy ConfigMap, which may hold a confirmation.
func (r *reader) annotations(key types.NamespacedName) {
	policy, err := r.configMap(key)
	switch {
	case apierrors.IsForbidden(err):
		r.snapshot.policyDenied = err
	case err != nil:
		r.fail(fmt.Errorf("read the policy ConfigMap %s: %w", key, err))
	}
	r.snapshot.policy = policy
}

// configMap returns nil for one that does not exist.
func (r *reader) configMap(key types.NamespacedName) (*cluster.ConfigMap, error) {
	u, err := r.configMapObject(key)
	if u == nil {
		return nil, err
	}
	return cluster.NewConfigMap(u), nil
}

func (r *reader) configMapObject(key types.NamespacedName) (*unstructured.Unstructured, error) {
	if key.Name == "" || r.gone {
		return nil, nil
	}
	u, err := r.lookup.get(kube.ConfigMaps, key)
	if apierrors.IsNotFound(err) && !kube.NotFoundElsewhere(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (r *reader) list(what kube.Target, denied func(error)) {
	if r.gone {
		return
	}
	err := what.Each(r.ctx, r.client, metav1.ListOptions{}, func(u *unstructured.Unstructured) error {
		return r.snapshot.add(r.projector, u)
	})
	r.failed(what.String(), err, denied)
	if r.done++; r.progress != nil {
		r.progress(r.done, r.total)
	}
}

// labelled lists the secrets with our label, whatever their names, and adds the names.
func (r *reader) labelled(names *[]string) {
	if r.gone {
		return
	}
	what := kube.Target{Resource: kube.Secrets}
	selector := metav1.ListOptions{LabelSelector: cluster.LabelManagedBy + "=" + cluster.FieldManager}
	err := what.Each(r.ctx, r.client, selector, func(u *unstructured.Unstructured) error {
		*names = append(*names, u.GetName())
		return nil
	})
	r.failed("secrets with our label", err, nil)
}

// source reads one source. It is listed by its name, because that is what a role for watching it permits.
func (r *reader) source(key types.NamespacedName) {
	r.list(kube.Target{Resource: kube.Secrets, Namespace: key.Namespace, Name: key.Name}, func(err error) { r.snapshot.sourcesDenied[key] = err })
}

func (r *reader) failed(what string, err error, denied func(error)) {
	switch {
	case err == nil:
	case denied != nil && apierrors.IsForbidden(err):
		denied(err)
	default:
		r.fail(fmt.Errorf("list %s: %w", what, err))
	}
}

func (r *reader) fail(err error) {
	r.errs = append(r.errs, err)
	r.gone = r.gone || inVain(err)
}

// inVain reports whether any other request will fail too, in the same words and perhaps after a question of a
// sign-in plugin: nobody answers, or nobody knows who asks.
func inVain(err error) bool {
	var transport *url.Error
	return apierrors.IsUnauthorized(err) || errors.As(err, &transport)
}
