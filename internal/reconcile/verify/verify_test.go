package verify

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

var projector = cluster.NewProjector([]byte("key"))

// states are as many sources, each with a credential of its own.
func states(n int, password string) map[types.NamespacedName]policy.SourceState {
	out := map[types.NamespacedName]policy.SourceState{}
	for i := range n {
		key := types.NamespacedName{Namespace: "pullsecrets", Name: fmt.Sprintf("s%d", i)}
		content, _, _ := projector.Content(cluster.TypeDockerConfigJSON, fmt.Appendf(nil, `{"auths":{"hub.example":{"username":"robot","password":"%s-%d"}}}`, password, i))
		out[key] = policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &cluster.Secret{
			Meta: cluster.Meta{Namespace: key.Namespace, Name: key.Name, UID: "uid", ResourceVersion: password}, Content: content,
		}}}
	}
	return out
}

func verifying(t *testing.T, n int) *policy.Policy {
	t.Helper()
	text := "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets:\n"
	for i := range n {
		text += fmt.Sprintf("  - {source: {name: s%d}, verify: true}\n", i)
	}
	p, problems := policy.Parse(map[string]string{"a.yaml": text}, policy.Options{Namespace: "pullsecrets"})
	if p == nil {
		t.Fatal(problems.Errors())
	}
	return p
}

// start runs a Verifier until the test ends, and fails it where that does not end.
func start(t *testing.T, ask Ask, news func([]decide.News)) *Verifier {
	t.Helper()
	v := New(Options{Ask: ask, Times: decide.Usual, News: news, Noted: func() {}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return v
}

func accept(context.Context, *cluster.Source) []decide.Answer {
	return []decide.Answer{{Host: "hub.example", Verdict: decide.Accepted}}
}

// hang answers when nobody waits any more.
func hang(ctx context.Context, _ *cluster.Source) []decide.Answer {
	<-ctx.Done()
	return []decide.Answer{{Host: "hub.example", Verdict: decide.Unreachable}}
}

func count(of map[types.NamespacedName]policy.SourceState, status policy.SourceStatus) (n int) {
	for _, state := range of {
		if state.Status == status {
			n++
		}
	}
	return n
}

func TestAnswersLeadToNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 30
		var told atomic.Int64
		v := start(t, accept, func(news []decide.News) { told.Add(int64(len(news))) })
		p, of := verifying(t, n), states(n, "one")
		v.Judge(p, of)
		if count(of, policy.SourceVerifying) != n { // by now they may have answered already
			t.Errorf("not all wait: %v", v.Known())
		}
		synctest.Wait()
		of = states(n, "one")
		if v.Judge(p, of); count(of, policy.SourceUsable) != n || told.Load() != n || v.Waiting() {
			t.Errorf("not all are accepted, %d were told: %v", told.Load(), v.Known())
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if told.Load() != n {
			t.Error("the same was told again")
		}
	})
}

// TestNobodyIsAskedBeforeRun is what keeps a standby silent: it neither runs into a decision nor has one made.
func TestNobodyIsAskedBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{Ask: func(context.Context, *cluster.Source) []decide.Answer {
			t.Error("somebody was asked")
			return nil
		}, Times: decide.Usual, Noted: func() {}})
		v.Judge(verifying(t, 1), states(1, "one"))
		time.Sleep(time.Hour)
	})
}

// TestAQuestionAboutWhatIsGoneEnds so that the one about what there is need not wait for it.
func TestAQuestionAboutWhatIsGoneEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		v := start(t, func(ctx context.Context, s *cluster.Source) []decide.Answer {
			asked = append(asked, s.ResourceVersion)
			if s.ResourceVersion == "one" {
				return hang(ctx, s)
			}
			return accept(ctx, s)
		}, func([]decide.News) {})
		p := verifying(t, 1)
		v.Judge(p, states(1, "one"))
		time.Sleep(time.Second)
		v.Judge(p, states(1, "two"))
		time.Sleep(decide.Usual.Gap)
		synctest.Wait()
		of := states(1, "two")
		if v.Judge(p, of); count(of, policy.SourceUsable) != 1 || fmt.Sprint(asked) != "[one two]" {
			t.Errorf("it is %v, asked about %v", v.Known(), asked)
		}
	})
}

// TestASourceThatChangesFasterThanAQuestionTakes is held for a minute, and not as long as it changes.
func TestASourceThatChangesFasterThanAQuestionTakes(t *testing.T) {
	for _, every := range []time.Duration{4 * time.Second, 8 * time.Second, 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			timingOut := func(ctx context.Context, s *cluster.Source) []decide.Answer {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				return hang(ctx, s)
			}
			v := start(t, timingOut, func([]decide.News) {})
			p := verifying(t, 1)
			for begun, i := time.Now(), 0; time.Since(begun) < 2*decide.Usual.Window; i++ {
				of := states(1, fmt.Sprint(i))
				v.Judge(p, of)
				if wait := time.Since(begun); wait < decide.Usual.Window && count(of, policy.SourceVerifying) != 1 {
					t.Errorf("changed every %s: after %s it is %v", every, wait, of)
				}
				time.Sleep(every)
				synctest.Wait()
				of = states(1, fmt.Sprint(i))
				v.Judge(p, of)
				if count(of, policy.SourceUsable) == 1 {
					return
				}
			}
			t.Errorf("changed every %s: it is held for ever: %v", every, v.Known())
		})
	}
}

// TestNothingOutlivesRun is held by start, which waits for Run, and by synctest, which waits for every goroutine.
func TestNothingOutlivesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := start(t, hang, func([]decide.News) { t.Error("what was broken off was told") })
		v.Judge(verifying(t, 5), states(5, "one"))
		time.Sleep(time.Second)
	})
}

func TestAVersionAloneIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noted := 0
		v := New(Options{Ask: accept, Times: decide.Usual, Noted: func() { noted++ }})
		v.Restore([]status.VerifiedSource{{Source: "pullsecrets/s0", UID: "uid", ResourceVersion: "one", Verdict: status.VerdictAccepted}})
		p, of := verifying(t, 1), states(1, "one")
		if v.Judge(p, of); noted != 0 || count(of, policy.SourceUsable) != 1 {
			t.Errorf("what the status has is noted %d times: %v", noted, of)
		}
		for key, state := range of {
			again := *state.Source.Secret
			again.ResourceVersion = "touched"
			of[key] = policy.SourceState{Status: policy.SourceUsable, Source: &cluster.Source{Secret: &again}}
		}
		if v.Judge(p, of); noted != 1 || count(of, policy.SourceUsable) != 1 {
			t.Errorf("another version is noted %d times: %v", noted, of)
		}
	})
}

// TestEveryVerdictOfARegistryMeansSomething: only what says no is a no, and only what may say more later is asked again soon.
func TestEveryVerdictOfARegistryMeansSomething(t *testing.T) {
	for of, want := range map[registry.Verdict]decide.Verdict{
		registry.Accepted: decide.Accepted, registry.Refused: decide.Refused, registry.Unreachable: decide.Unreachable,
		registry.NoRegistry: decide.Untold, registry.Anonymous: decide.Untold, registry.NotAsked: decide.Untold,
		"something new": decide.Unreachable,
	} {
		if got := verdict(of); got != want {
			t.Errorf("%s is %d, want %d", of, got, want)
		}
	}
}
