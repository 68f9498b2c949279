package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// NamesInUse reads from the status ConfigMap which names may have copies, sorted; none where there is no status.
func NamesInUse(ctx context.Context, client dynamic.Interface, namespace, statusName string) ([]string, error) {
	status, err := dynamicApplier{client}.Get(ctx, configMapResource, namespace, statusName)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return parseNames(cluster.NewConfigMap(status).Data[statusNames]), nil
}

// recover takes the names in use from the ledgers of service accounts, where somebody deleted the status. Or what an
// edit removed in the meantime would lose its references, while its copies stay. What is in a namespace that is going
// goes with it.
func (j *judge) recover() {
	if !j.lost {
		return
	}
	j.lost = false
	for _, obj := range j.c.watches.namespaces.all() {
		ns := obj.(*cluster.Namespace)
		if ns.Terminating {
			continue
		}
		for _, sa := range j.c.watches.accounts.inNamespace(ns.Name) {
			j.inUse = union(j.inUse, ledgerNames(sa.(*cluster.ServiceAccount)))
		}
	}
}

// retire lets go of the names that are no longer in the policy and have no copy left, and stops the watches that
// nobody needs. It waits for a whole pass, because until then a copy may still be on its way.
func (j *judge) retire() {
	p := j.c.active.Load()
	names := slices.DeleteFunc(slices.Clone(j.inUse), func(name string) bool {
		return !slices.Contains(p.CopyNames(), name) && !j.hasCopies(name)
	})
	j.inUse = names
	j.c.watches.keep(j.c.watchedSources(p), union(names, p.CopyNames()))
}

// hasCopies reports whether copies of a name may be left. What may not be read may be there.
func (j *judge) hasCopies(name string) bool {
	w := j.c.watches.copy(name)
	if w == nil || !w.settled() || w.forbidden() {
		return true
	}
	for _, obj := range w.all() {
		if secret := obj.(*cluster.Secret); secret.Ours() {
			return true
		}
	}
	return j.c.written.pending(plan.KindSecret, name)
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// parseNames reads names of secrets. Somebody may have edited them: what no secret can be called has no copy.
func parseNames(text string) []string {
	names := slices.DeleteFunc(strings.Fields(text), func(name string) bool {
		return len(validation.IsDNS1123Subdomain(name)) > 0
	})
	slices.Sort(names)
	return slices.Compact(names)
}

func ledgerNames(sa *cluster.ServiceAccount) []string {
	return parseNames(strings.ReplaceAll(sa.Ledger, ",", " "))
}
