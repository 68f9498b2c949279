package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
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
			j.inUse = union(j.inUse, ledgerNames(j.c.installation(), sa.(*cluster.ServiceAccount)))
		}
	}
}

// retire lets go of the names that are no longer in the policy, have no copy left and are in no ledger, and stops the
// watches that nobody needs. It waits for a whole pass, because until then a copy may still be on its way.
func (j *judge) retire() {
	p := j.c.active.Load()
	names := slices.DeleteFunc(slices.Clone(j.inUse), func(name string) bool {
		return !slices.Contains(p.CopyNames(), name) && !j.hasCopies(name) && !j.c.notedAnywhere(name)
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
		secret := obj.(*cluster.Secret)
		if owner, _ := j.c.installation().Owns(secret, j.c.vouched(secret)); owner == cluster.Ours {
			return true
		}
	}
	return j.c.written.pending(plan.KindSecret, name)
}

// maxUntracked bounds how many names are taken from ledgers besides those in use: whoever may annotate service accounts
// could have any number of names watched.
const maxUntracked = 100

// track has names taken into use that were found in ledgers, as a backup brings them back with copies of rules that are
// long gone. They are taken in the judge's own time, see trackFound.
func (j *judge) track(names []string) {
	if len(names) == 0 {
		return
	}
	j.foundMu.Lock()
	j.found = union(j.found, parseNames(strings.Join(names, " ")))
	j.foundMu.Unlock()
	j.wake()
}

// trackFound saves the names that were found and watches their copies, so that the next decisions see them. wait is how
// long to wait before the next try; 0 is that there is nothing left to do.
func (j *judge) trackFound(ctx context.Context, p *policy.Policy) (wait time.Duration) {
	j.foundMu.Lock()
	found := j.found
	j.found = nil
	j.foundMu.Unlock()
	found = slices.DeleteFunc(found, func(name string) bool { return slices.Contains(j.inUse, name) })
	if len(found) == 0 {
		return 0
	}
	others := len(j.inUse) - len(p.CopyNames())
	if room := max(0, maxUntracked-others); len(found) > room {
		j.c.troubles.say(levelWarn, fmt.Sprintf("service accounts have ledgers with more than %d names that no rule has; the rest waits until those are gone", maxUntracked))
		found = found[:room]
	}
	names := union(j.inUse, found)
	switch err := j.save(ctx, names); {
	case err != nil && !isForbidden(err):
		j.track(found)
		return staleRetry
	case err != nil:
		j.inUse = names // as when a policy comes in force: only a restart forgets them
	}
	j.c.Log.Info().Strs("names", cutList(found, "names")).Msg("service accounts have names in their ledgers that no rule has; their copies are looked for")
	j.c.watches.need(nil, names)
	return 0
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

// ledgerNames are the names that an installation noted on an account, without those that no secret can have.
func ledgerNames(by cluster.Installation, sa *cluster.ServiceAccount) []string {
	return parseNames(strings.Join(by.NotedOn(sa), " "))
}

// vouched reports whether a ledger vouches for a copy, see cluster.Ledger.Vouches.
func (c *Controller) vouched(secret *cluster.Secret) bool {
	return slices.ContainsFunc(c.watches.accounts.inNamespace(secret.Namespace), func(obj any) bool {
		return cluster.ParseLedger(c.latestAccount(obj.(*cluster.ServiceAccount)).Ledger).Vouches(secret.Name)
	})
}

// notedAnywhere reports whether a ledger of ours in any namespace has a name.
func (c *Controller) notedAnywhere(name string) bool {
	return slices.ContainsFunc(c.watches.accounts.all(), func(obj any) bool {
		sa := c.latestAccount(obj.(*cluster.ServiceAccount))
		ns, ok := c.watches.namespaces.get(sa.Namespace).(*cluster.Namespace)
		return ok && !ns.Terminating && slices.Contains(c.installation().NotedOn(sa), name)
	})
}
