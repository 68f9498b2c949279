package activation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// maxUntracked bounds how many names are taken from ledgers besides those in use: whoever may annotate service accounts
// could have any number of names watched.
const maxUntracked = 100

// trackedNames are the copy names that may have copies. A name is saved before its first copy is made, and leaves when none is
// seen. All but found and aside belong to the goroutine of Activator.Run.
type trackedNames struct {
	o             *Options
	wake          func()
	inUse         []string // sorted: no name leaves before its last copy is gone
	statusMissing bool     // there was no status to tell which names those are
	crowded       bool     // there were more names in ledgers than are looked for

	mu    sync.Mutex
	found []string // names in ledgers that are not in use, sorted; see track
	aside []string // those of them that are looked for
}

// with returns the names in use and those of a policy.
func (n *trackedNames) with(p *policy.Policy) []string { return cluster.Union(n.inUse, p.CopyNames()) }

// recover takes the names in use from the ledgers of service accounts, where somebody deleted the status. Or what an
// edit removed in the meantime would lose its references, while its copies stay. It returns false until it is known
// which of them may be read; for the others see trackFound.
func (n *trackedNames) recover(p *policy.Policy) bool {
	if !n.statusMissing {
		return true
	}
	noted := slices.DeleteFunc(state.NamesInLedgers(n.o.Cluster), func(name string) bool { return slices.Contains(p.CopyNames(), name) })
	readable, all := n.lookFor(noted, p)
	n.o.Cluster.AwaitAside(!all)
	if !all {
		return false
	}
	n.statusMissing = false
	n.inUse = cluster.Union(n.inUse, readable)
	return true
}

// dropUnused lets go of the names that are no longer in the policy, have no copy left and are in no ledger, and stops the
// informers that nobody needs. It waits for a whole roll-out, because until then a copy may still be on its way.
func (n *trackedNames) dropUnused(p *policy.Policy) {
	noted := sync.OnceValue(func() []string { return state.NamesInLedgers(n.o.Cluster) }) // mostly nobody asks
	n.inUse = slices.DeleteFunc(slices.Clone(n.inUse), func(name string) bool {
		return !slices.Contains(p.CopyNames(), name) && !n.o.Cluster.CopiesLeft(name) && !slices.Contains(noted(), name)
	})
	n.o.Cluster.Keep(n.o.Cluster.Followed(p), n.with(p))
}

// track has names looked for that were found in ledgers, as a backup brings them back with copies of rules that are
// long gone. They are looked for in the Activator's own time, see trackFound. A policy that was given prunes nothing, and so
// has no use for them.
func (n *trackedNames) track(names []string) {
	if len(names) == 0 || n.o.fixed() {
		return
	}
	names = cluster.SecretNames(strings.Join(names, " "))
	n.mu.Lock()
	known := len(n.found)
	n.found = cluster.Union(n.found, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(n.aside, name) }))
	more := len(n.found) > known
	n.mu.Unlock()
	if more {
		n.wake()
	}
}

// trackFound takes names into use that were found in ledgers: it has them saved, so that the next decisions see their copies.
// wait is how long to wait before the next try; 0 is that there is nothing left to do.
//
// Until it is seen that the copies of a name may be read, they are watched and no more. Anybody may write any name into
// the ledger of an account of its own, and a ledger of an earlier version may be another installation's. So one that may
// not be read is no problem of the policy, and stays in lists and ledgers, until the roles permit it.
func (n *trackedNames) trackFound(ctx context.Context, p *policy.Policy, save func(context.Context, []string) error) (wait time.Duration) {
	n.mu.Lock()
	found := cluster.Union(n.aside, n.found)
	n.found = nil
	n.mu.Unlock()
	if len(found) == 0 && !n.crowded {
		return 0
	}
	noted := state.NamesInLedgers(n.o.Cluster)
	found = slices.DeleteFunc(found, func(name string) bool { return slices.Contains(n.inUse, name) || !slices.Contains(noted, name) })
	if n.crowded && len(found) < n.room(p) {
		n.crowded = false
		n.o.Requeue(nil) // what there was no room for is found again
	}
	readable, _ := n.lookFor(found, p)
	if len(readable) == 0 {
		return 0
	}
	names := cluster.Union(n.inUse, readable)
	switch err := save(ctx, names); {
	case err != nil && !apierrors.IsForbidden(err):
		return staleAgain
	case err != nil:
		n.inUse = names // as when a policy comes in force: only a restart forgets them
	}
	n.o.Log.Info().Strs("names", bound.List(readable, "names")).Msg("service accounts have names in their ledgers that no rule has; their copies are looked for")
	n.o.Cluster.Ensure(nil, names)
	n.lookFor(slices.DeleteFunc(found, func(name string) bool { return slices.Contains(readable, name) }), p)
	n.o.Requeue(nil)
	return 0
}

// lookFor watches the copies of names that ledgers have, as many as there is room for. It returns those that may be
// read, and whether that is known of each.
func (n *trackedNames) lookFor(names []string, p *policy.Policy) (readable []string, all bool) {
	if room := n.room(p); len(names) > room {
		n.crowded = true
		n.o.Throttled.Warn(fmt.Sprintf("service accounts have ledgers with more than %d names that no rule has; the rest waits until those are gone", maxUntracked))
		names = names[:room]
	}
	n.mu.Lock()
	n.aside = slices.Clone(names)
	n.mu.Unlock()
	return n.o.Cluster.LookAside(names)
}

// room is how many names there may be beside a policy's that only ledgers have.
func (n *trackedNames) room(p *policy.Policy) int {
	names := p.CopyNames()
	return max(0, maxUntracked-len(cluster.Union(n.inUse, names))+len(names))
}
