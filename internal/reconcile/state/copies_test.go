package state

import (
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// TestACopyThatIsNotKnownIsNotTakenForAbsent: of a name whose list was not answered nothing is said, and one that may not be listed is
// told as forbidden.
func TestACopyThatIsNotKnownIsNotTakenForAbsent(t *testing.T) {
	copyOf := func(name string) kube.Target { return kube.Target{Resource: kube.Secrets, Name: name} }
	there := watch.NewObjects()
	secret := &cluster.Secret{Meta: cluster.Meta{Namespace: "team", Name: "there", UID: "u", ResourceVersion: "3"}}
	there.Add(secret)
	group := watch.NewGroup(watch.Options{}) // was not started: nothing is answered
	c := &Cluster{Writes: NewOwnWrites(), named: named{copies: map[string]*watch.Informer{
		"absent":    watch.Filled(copyOf("absent"), watch.NewObjects()),
		"forbidden": watch.Filled(copyOf("forbidden"), nil),
		"there":     watch.Filled(copyOf("there"), there),
		"unknown":   group.Add(watch.Spec{Target: copyOf("unknown")}),
	}}}
	for _, own := range []bool{false, true} {
		if own { // of which the caches do not show something yet
			harmless := &cluster.Secret{Meta: cluster.Meta{Namespace: "team", Name: "other", UID: "o", ResourceVersion: "9"}}
			if err := c.Writes.Do(plan.KindSecret, kube.NameOf(harmless), func() (cluster.Object, error) { return harmless, nil }); err != nil {
				t.Fatal(err)
			}
		}
		copies, looked := c.Copies("team", &policy.Policy{})
		if want := []string{"absent", "forbidden", "there"}; !slices.Equal(looked, want) {
			t.Errorf("own writes %t: looked for %q, want %q", own, looked, want)
		}
		if len(copies) != 2 || copies["there"].Secret != secret || !copies["forbidden"].Forbidden {
			t.Errorf("own writes %t: there are %v", own, copies)
		}
		if elsewhere, _ := c.Copies("other", &policy.Policy{}); len(elsewhere) != 1 || !elsewhere["forbidden"].Forbidden {
			t.Errorf("own writes %t: elsewhere there are %v", own, elsewhere)
		}
	}
}
