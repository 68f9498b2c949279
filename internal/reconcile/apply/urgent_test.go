package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// slow is an API server whose writes take a while, from when the request was written on.
type slow struct {
	kube.Client // nil: nothing else is asked
	mu          sync.Mutex
	began       []string // names in the order in which requests came
	most, now   int
	hangs       string // what begins so never ends
	refuses     string
}

const aWrite = 10 * time.Millisecond

func (s *slow) Apply(ctx context.Context, _ schema.GroupVersionResource, obj *unstructured.Unstructured, _ bool) (metav1.Object, error) {
	name := obj.GetNamespace() + "/" + obj.GetName()
	s.mu.Lock()
	s.began = append(s.began, name)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	if trace := httptrace.ContextClientTrace(ctx); trace != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	if s.hangs != "" && strings.HasPrefix(name, s.hangs) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(aWrite)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if name == s.refuses {
		return nil, errors.New("refused")
	}
	out := obj.DeepCopy()
	out.SetUID("uid")
	out.SetResourceVersion(fmt.Sprint(len(s.began) + 1))
	return out, nil
}

func (s *slow) executor(workers int) *Executor {
	return New(Options{
		Client: s, Writes: state.NewOwnWrites(), Projector: state.NewProjector(), Installation: cluster.Installation{Home: "pullsecrets"},
		Account: func(o metav1.Object) *cluster.ServiceAccount { return cluster.NewServiceAccount(o) }, Workers: workers,
		BeforeOverwrite: func(string, plan.Action) {},
	})
}

// newcomer is what a namespace needs that has accounts without names, and no copies.
func newcomer(namespace string, accounts, copies int) plan.Plan {
	p := plan.Plan{Namespace: namespace}
	var names []string
	for i := range copies {
		names = append(names, fmt.Sprintf("copy-%02d", i))
	}
	for i := range accounts {
		p.Actions = append(p.Actions, plan.Action{
			Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: fmt.Sprintf("account-%d", i), UID: "uid", ResourceVersion: "1",
			List: &plan.List{Names: names, Added: names, Ledger: names},
		})
	}
	for _, name := range names {
		p.Actions = append(p.Actions, plan.Action{Verb: plan.Create, Kind: plan.KindSecret, Name: name, Copy: &plan.Copy{
			Type: cluster.TypeDockerConfigJSON, Credential: cluster.NewCredential([]byte(`{"auths":{"a.example":{"auth":"dTpw"}}}`)),
			Marks: cluster.Marks{ManagedBy: "pullsecrets", Rule: "hub", Source: "pullsecrets/hub", For: "pullsecrets/" + namespace},
		}})
	}
	return p
}

// TestAnUrgentNamespaceHasItsAccountsFirstAndItsCopiesAtOnce, and what came of each is told in the plan's order.
func TestAnUrgentNamespaceHasItsAccountsFirstAndItsCopiesAtOnce(t *testing.T) {
	for _, c := range []struct {
		accounts, copies, workers int
		urgent                    bool
		writes                    int // one after another, at most
	}{
		{1, 1, 48, true, 1}, {1, 3, 48, true, 1}, {1, 4, 48, true, 2}, {1, 40, 48, true, 11}, {2, 3, 48, true, 2}, {0, 4, 48, true, 1}, {1, 0, 48, true, 1},
		{1, 4, 48, false, 5}, {1, 4, 1, true, 5}, {1, 4, 2, true, 4}, {0, 0, 48, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{}
			p, start := newcomer("a", c.accounts, c.copies), time.Now()
			result := s.executor(c.workers).Apply(t.Context(), p, c.urgent)
			if took := time.Since(start); took > time.Duration(c.writes)*aWrite {
				t.Errorf("%+v: it took as long as %d writes", c, took/aWrite)
			}
			for i := range c.accounts {
				if s.began[i] != fmt.Sprintf("a/account-%d", i) {
					t.Errorf("%+v: written were %q", c, s.began)
				}
			}
			if result.Err() != nil || len(result.Outcomes) != len(p.Actions) {
				t.Errorf("%+v: %d outcomes, %v", c, len(result.Outcomes), result.Err())
			}
			for i, o := range result.Outcomes {
				if o.Name != p.Actions[i].Name {
					t.Errorf("%+v: outcome %d is of %s", c, i, o.Name)
				}
			}
			if !c.urgent && s.most > 1 || s.most > 1+min(mostExtraOfOne, c.workers-1) {
				t.Errorf("%+v: %d writes at a time", c, s.most)
			}
		})
	}
}

// TestANamespaceWhoseWritesHangLeavesOthersTheirs: it has no more than its share.
func TestANamespaceWhoseWritesHangLeavesOthersTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{hangs: "bad/"}
		e := s.executor(48)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() { e.Apply(ctx, newcomer("bad", 0, 30), true) })
		}
		synctest.Wait()
		start := time.Now()
		e.Apply(t.Context(), newcomer("good", 1, 3), true)
		if took := time.Since(start); took > aWrite {
			t.Errorf("it took as long as %d writes", took/aWrite)
		}
		if s.most > 2*(1+mostExtraOfOne)+4+1 {
			t.Errorf("%d writes at a time", s.most)
		}
		cancel()
		running.Wait()
	})
}

// TestAnAccountThatIsRefusedHoldsUpNoCopy, which pods of other accounts may need.
func TestAnAccountThatIsRefusedHoldsUpNoCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{refuses: "a/account-0"}
		result := s.executor(48).Apply(t.Context(), newcomer("a", 1, 3), true)
		if got := slices.Sorted(slices.Values(s.began)); len(got) != 4 || result.Err() == nil || result.Outcomes[0].Err == nil || result.Outcomes[1].Err != nil {
			t.Errorf("written were %q, %v", got, result.Err())
		}
	})
}
