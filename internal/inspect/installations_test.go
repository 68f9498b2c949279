package inspect

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// TestTwoInstallationsComeToRest has two installations with random policies work on one random cluster in turn, while
// somebody else writes at random. In the end neither has anything left to do, and what was neither one's is as it was.
func TestTwoInstallationsComeToRest(t *testing.T) {
	for seed := range uint64(randomWorlds) {
		r := rand.New(rand.NewPCG(seed, 1))
		clusterText := randomCluster(r) + "\n---\n" + elsewhere
		first, second := strings.ReplaceAll(randomPolicy(r), "force: true", "force: false"), strings.ReplaceAll(randomPolicy(r), "force: true", "force: false")
		a := newWorld(t, first, clusterText)
		b := a.of(t, "other", second)
		foreign := ofNeither(a, b)
		for range r.IntN(4) {
			inTurn(a, b)
			disturb(r, a, foreign)
		}
		if rounds := 0; !atRest(t, a, b, &rounds) {
			t.Errorf("not at rest after %d rounds:\n%s\n%s", rounds, a.plans(), b.plans())
		}
		for key, before := range foreign {
			if diff := cmp.Diff(describeSecret(before), describeSecret(a.secret(key))); diff != "" {
				t.Errorf("%s was neither one's (-before +after):\n%s", key, diff)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s\n%s\n%s", seed, first, second, clusterText)
		}
	}
}

// elsewhere is the second installation's namespace, with sources that are never copies.
const elsewhere = `{kind: Namespace, metadata: {name: other}}
---
{kind: Secret, metadata: {name: one, namespace: other, uid: o-1}, type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{"auths":{"x":{"username":"u","password":"o"}}}'}}
---
{kind: Secret, metadata: {name: two, namespace: other, uid: o-2}, type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{"auths":{"x":{"username":"u","password":"2"}}}'}}`

// inTurn lets each installation work once on each namespace.
func inTurn(worlds ...*world) (changed bool) {
	for _, w := range worlds {
		w.recover() // names that somebody brought back in a ledger
		for _, ns := range w.namespaces {
			todo := w.plan(ns)
			w.execute(ns.Name, todo)
			changed = changed || todo.HasChanges()
		}
	}
	return changed
}

func atRest(t *testing.T, a, b *world, rounds *int) bool {
	t.Helper()
	for *rounds = 0; *rounds < 8; *rounds++ {
		if !inTurn(a, b) {
			return true
		}
	}
	return false
}

// ofNeither are the secrets that neither installation may write. One without any mark of its installation but with our
// field manager's is whoever's asks first.
func ofNeither(a, b *world) map[types.NamespacedName]*cluster.Secret {
	out := map[types.NamespacedName]*cluster.Secret{}
	for key, s := range a.secrets {
		if a.owner(key.Namespace, key.Name) != cluster.Ours && b.owner(key.Namespace, key.Name) != cluster.Ours && !s.Ancestor {
			copied := *s.Secret
			out[key] = &copied
		}
	}
	return out
}

// disturb is somebody else, who leaves alone what is compared in the end.
func disturb(r *rand.Rand, w *world, foreign map[types.NamespacedName]*cluster.Secret) {
	keys := slices.SortedFunc(maps.Keys(w.secrets), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		s := w.secrets[key]
		if foreign[key] != nil || slices.Contains(w.policy.Sources(), key) {
			continue
		}
		switch r.IntN(8) {
		case 0:
			s.Marks.ManagedBy = ""
		case 1:
			s.Marks = cluster.Marks{ManagedBy: s.Marks.ManagedBy}
		case 2: // a restore
			s.Applied, s.OwnsData = false, false
		case 3:
			delete(w.secrets, key)
		case 4:
			s.OwnsData, s.Owners = false, []cluster.Owner{{Manager: "kubectl"}}
			s.Content = nil
		case 5: // it is copied elsewhere, marks and all
			to := types.NamespacedName{Namespace: pick(r, "a", "pullsecrets", "other"), Name: key.Name}
			if w.secrets[to] == nil {
				copied := *s.Secret
				copied.Namespace, copied.Applied, copied.OwnsData = to.Namespace, false, false
				w.secrets[to] = &cluster.Source{Secret: &copied, Credential: s.Credential}
			}
		}
	}
	for _, list := range w.accounts {
		for _, sa := range list {
			switch r.IntN(6) {
			case 0:
				sa.PullSecrets = []string{"theirs"}
			case 1:
				sa.Ledger, sa.HasLedger = "", false
			case 2:
				sa.Applied, sa.OwnsList = false, false
			}
		}
	}
}

func describeSecret(s *cluster.Secret) string {
	if s == nil {
		return "gone"
	}
	hosts := []string{}
	if s.Content != nil {
		for _, r := range s.Content.Registries {
			hosts = append(hosts, fmt.Sprint(r))
		}
	}
	return fmt.Sprint(s.UID, s.Type, s.Marks, s.Applied, hosts, s.OtherKeys)
}

// TestPurgeOfOneInstallationLeavesTheOther decides for no rules, as purge does.
func TestPurgeOfOneInstallationLeavesTheOther(t *testing.T) {
	for seed := range uint64(randomWorlds / 4) {
		r := rand.New(rand.NewPCG(seed, 2))
		clusterText := randomCluster(r) + "\n---\n" + elsewhere
		a := newWorld(t, randomPolicy(r), clusterText)
		b := a.of(t, "other", randomPolicy(r))
		inTurn(a, b)
		purged := &world{Snapshot: a.Snapshot, policy: &policy.Policy{}}
		for _, ns := range purged.namespaces {
			for _, action := range purged.plan(ns).Actions {
				key := types.NamespacedName{Namespace: ns.Name, Name: action.Name}
				if action.Kind == plan.KindSecret && action.Verb == plan.Delete && b.owner(ns.Name, action.Name) == cluster.Ours && a.secret(key).Marks.For != "" {
					t.Errorf("seed %d: the copy %s of the other one goes", seed, key)
				}
				if action.List == nil {
					continue
				}
				for _, name := range b.installation.NotedOn(b.account(ns.Name, action.Name)) {
					if slices.Contains(action.List.Removed, name) && cluster.ParseLedger(b.account(ns.Name, action.Name).Ledger).Home != "" {
						t.Errorf("seed %d: the reference of the other one to %s goes", seed, key)
					}
				}
			}
		}
	}
}
