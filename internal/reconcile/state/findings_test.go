package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// told is what was said of the one source, each with when.
type told struct {
	mu   sync.Mutex
	from time.Time
	said []string
}

func (w *told) take(states map[types.NamespacedName]policy.SourceState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reason := "nothing"
	for _, f := range policy.SourceFindings(states) {
		reason = f.Reason
	}
	if line := fmt.Sprintf("%s: %s", time.Since(w.from), reason); len(w.said) == 0 || w.said[len(w.said)-1] != line {
		w.said = append(w.said, line)
	}
}

// changes are the lines that say something else than the one before.
func (w *told) changes() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last string
	for _, line := range w.said {
		_, reason, _ := strings.Cut(line, ": ")
		if reason != last {
			out = append(out, line)
		}
		last = reason
	}
	return out
}

// What is said of a source follows the time without any event, and what is decided by goes on with it.
func TestTimeAloneChangesWhatIsSaidOfASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &told{from: time.Now()}
		ends := time.Now().Add(30 * time.Hour)
		c := New(Config{ExpiryWarning: 6 * time.Hour, Handlers: Handlers{Sources: w.take}})
		read := 0
		c.Fill(NewFilling(nil, func(types.NamespacedName) policy.SourceState {
			read++
			return policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &cluster.Secret{}, Expires: ends}}
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.FollowTime(ctx) })
		p, problems := policy.Parse(map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets: [{source: {name: hub}}]\n"},
			policy.Options{Namespace: "pullsecrets"})
		if p == nil {
			t.Fatal(problems)
		}
		first := c.Sources(p)
		time.Sleep(40 * time.Hour)
		synctest.Wait()
		want := []string{"0s: nothing", "24h0m0s: SourceExpiring", "30h0m0s: SourceExpired"}
		if got := w.changes(); !slices.Equal(got, want) || read != 1 {
			t.Errorf("it says %q, and the source was read %d times", got, read)
		}
		for _, state := range c.Sources(p) {
			if len(state.Findings) != 1 || read != 1 {
				t.Errorf("a decision gets %+v after %d reads", state, read)
			}
		}
		for _, state := range first {
			if len(state.Findings) > 0 {
				t.Error("what was given out was changed")
			}
		}
		if wait := c.sources.wait(); wait > time.Minute {
			t.Errorf("a clock that is set is noticed after %s", wait)
		}
		ends = ends.Add(30 * time.Hour) // somebody renews it
		c.ForgetSources()
		if c.sources.wait() != clockCheck {
			t.Error("it waits for a time of sources that are forgotten")
		}
		c.Sources(p)
		time.Sleep(40 * time.Hour)
		synctest.Wait()
		want = append(want, "40h0m0s: nothing", "54h0m0s: SourceExpiring", "60h0m0s: SourceExpired")
		if got := w.changes(); !slices.Equal(got, want) {
			t.Errorf("renewed it says %q", got)
		}
		cancel()
		running.Wait()
	})
}

// What registries said goes on to be said, and to be decided by, when time alone changes what else is said.
func TestTimeTakesNothingBackThatRegistriesSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := types.NamespacedName{Namespace: "home", Name: "hub"}
		p, problems := policy.Parse(map[string]string{"a.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: [{name: hub, secrets: [{source: {name: hub}, verify: true}]}]"},
			policy.Options{Namespace: "home"})
		if p == nil {
			t.Fatal(problems.Errors())
		}
		w := &told{from: time.Now()}
		ends := time.Now().Add(30 * time.Hour)
		asked := 0
		c := New(Config{ExpiryWarning: 6 * time.Hour, Handlers: Handlers{Sources: w.take}, Verify: func(of *policy.Policy, states map[types.NamespacedName]policy.SourceState) {
			asked++
			state := states[key]
			if of != p || state.Status != policy.SourceUsable {
				t.Errorf("it is asked about %+v", state)
			}
			state.Status, state.Cause = policy.SourceRefused, "no"
			states[key] = state
		}})
		c.Fill(NewFilling(nil, func(types.NamespacedName) policy.SourceState {
			return policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &cluster.Secret{Content: &cluster.Content{}}, Expires: ends}}
		}))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.FollowTime(ctx)
		c.Sources(p)
		for range 31 {
			time.Sleep(time.Hour)
			synctest.Wait()
			if state := c.Sources(p)[key]; state.Status != policy.SourceRefused || state.Cause != "no" {
				t.Fatalf("it is %+v", state)
			}
		}
		if got := w.changes(); asked < 3 || len(got) != 3 || !strings.HasSuffix(got[2], "SourceExpired") {
			t.Errorf("asked %d times, said %v", asked, got)
		}
	})
}
