package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// NamesInUse reads from the status ConfigMap which names may have copies, sorted; none where there is no status.
func NamesInUse(ctx context.Context, client dynamic.Interface, namespace, statusName string) ([]string, error) {
	saved, err := kube.New(client).Get(ctx, kube.ConfigMaps, namespace, statusName)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return cluster.SecretNames(cluster.NewConfigMap(saved).Data[status.KeyNames]), nil
}

// recover takes the names in use from the ledgers of service accounts, where somebody deleted the status. Or what an
// edit removed in the meantime would lose its references, while its copies stay. It returns false until it is known
// which of them may be read; for the others see trackFound.
func (j *judge) recover() bool {
	if !j.lost {
		return true
	}
	noted := slices.DeleteFunc(j.c.noted(), func(name string) bool { return slices.Contains(j.accepted.policy.CopyNames(), name) })
	readable, all := j.lookFor(noted)
	j.c.watches.awaitAside(!all)
	if !all {
		return false
	}
	j.lost = false
	j.inUse = cluster.Union(j.inUse, readable)
	return true
}

// retire lets go of the names that are no longer in the policy, have no copy left and are in no ledger, and stops the
// watches that nobody needs. It waits for a whole pass, because until then a copy may still be on its way.
func (j *judge) retire() {
	p := j.c.active.Load()
	noted := sync.OnceValue(j.c.noted) // mostly nobody asks
	names := slices.DeleteFunc(slices.Clone(j.inUse), func(name string) bool {
		return !slices.Contains(p.CopyNames(), name) && !j.hasCopies(name) && !slices.Contains(noted(), name)
	})
	j.inUse = names
	j.c.watches.keep(j.c.watchedSources(p), cluster.Union(names, p.CopyNames()))
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

// track has names looked for that were found in ledgers, as a backup brings them back with copies of rules that are
// long gone. They are looked for in the judge's own time, see trackFound. A policy that was given prunes nothing, and so
// has no use for them.
func (j *judge) track(names []string) {
	if len(names) == 0 || j.fixed() {
		return
	}
	names = cluster.SecretNames(strings.Join(names, " "))
	j.foundMu.Lock()
	known := len(j.found)
	j.found = cluster.Union(j.found, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(j.aside, name) }))
	more := len(j.found) > known
	j.foundMu.Unlock()
	if more {
		j.wake()
	}
}

// trackFound takes names into use that were found in ledgers: it saves them, so that the next decisions see their copies.
// wait is how long to wait before the next try; 0 is that there is nothing left to do.
//
// Until it is seen that the copies of a name may be read, they are watched and no more. Anybody may write any name into
// the ledger of an account of its own, and a ledger of an earlier version may be another installation's. So one that may
// not be read is no problem of the policy, and stays in lists and ledgers, until the roles permit it.
func (j *judge) trackFound(ctx context.Context) (wait time.Duration) {
	j.foundMu.Lock()
	found := cluster.Union(j.aside, j.found)
	j.found = nil
	j.foundMu.Unlock()
	if len(found) == 0 && !j.crowded {
		return 0
	}
	noted := j.c.noted()
	found = slices.DeleteFunc(found, func(name string) bool { return slices.Contains(j.inUse, name) || !slices.Contains(noted, name) })
	if j.crowded && len(found) < j.room() {
		j.crowded = false
		j.c.enqueueAll() // what there was no room for is found again
	}
	readable, _ := j.lookFor(found)
	if len(readable) == 0 {
		return 0
	}
	names := cluster.Union(j.inUse, readable)
	switch err := j.save(ctx, names); {
	case err != nil && !apierrors.IsForbidden(err):
		return staleRetry
	case err != nil:
		j.inUse = names // as when a policy comes in force: only a restart forgets them
	}
	j.c.Log.Info().Strs("names", bound.List(readable, "names")).Msg("service accounts have names in their ledgers that no rule has; their copies are looked for")
	j.c.watches.need(nil, names)
	j.lookFor(slices.DeleteFunc(found, func(name string) bool { return slices.Contains(readable, name) }))
	j.c.enqueueAll()
	return 0
}

// lookFor watches the copies of names that ledgers have, as many as there is room for. It returns those that may be
// read, and whether that is known of each.
func (j *judge) lookFor(names []string) (readable []string, all bool) {
	if room := j.room(); len(names) > room {
		j.crowded = true
		j.c.troubles.say(levelWarn, fmt.Sprintf("service accounts have ledgers with more than %d names that no rule has; the rest waits until those are gone", maxUntracked))
		names = names[:room]
	}
	j.foundMu.Lock()
	j.aside = slices.Clone(names)
	j.foundMu.Unlock()
	return j.c.watches.look(names)
}

// room is how many names there may be that only ledgers have.
func (j *judge) room() int {
	policy := j.accepted.policy.CopyNames()
	return max(0, maxUntracked-len(cluster.Union(j.inUse, policy))+len(policy))
}

// vouched reports whether a ledger vouches for a copy, see cluster.Ledger.Vouches.
func (c *Controller) vouched(secret *cluster.Secret) bool {
	return slices.ContainsFunc(c.watches.accounts.inNamespace(secret.Namespace), func(obj any) bool {
		return cluster.ParseLedger(c.latestAccount(obj.(*cluster.ServiceAccount)).Ledger).Vouches(secret.Name)
	})
}

// noted returns the names in ledgers of ours, in any namespace, sorted. What is in a namespace that is going goes with it.
func (c *Controller) noted() []string {
	names := map[string]bool{}
	for _, obj := range c.watches.accounts.all() {
		sa := c.latestAccount(obj.(*cluster.ServiceAccount))
		if sa.Ledger == "" {
			continue
		}
		if ns, ok := c.watches.namespaces.get(sa.Namespace).(*cluster.Namespace); ok && !ns.Terminating {
			for _, name := range c.installation().NotedOn(sa) {
				names[name] = true
			}
		}
	}
	return cluster.SecretNames(strings.Join(slices.Collect(maps.Keys(names)), " "))
}
