package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// While a rule moves from accounts to pods and back, pods are created as fast as the API server takes them, in namespaces that
// were there and in new ones. None lacks the name.
func TestNoNewPodLacksANameWhileARuleMoves(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	var there []string
	for i := range 6 {
		there = append(there, s.Namespace(fmt.Sprintf("there-%d", i)))
	}
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	for _, ns := range there {
		s.WantList(ns, "default", "+reg")
	}
	s.Seen()
	pods := s.createsPods(there, true)
	for moves := 0; moves < 2 || pods.sofar() < 100; moves++ { // a busy machine creates few in two
		s.Revised("Ready", podsRule)
		for _, ns := range there {
			s.WantNothingOfOurs(ns, "default")
		}
		s.Revised("Ready", harness.OneRule)
		for _, ns := range there {
			s.WantList(ns, "default", "+reg")
		}
		s.eventuallyServes("hub", "accounts")
	}
	created, lacking := pods.stop()
	t.Logf("%d pods were created, in %d namespaces that were there and %d new ones", created, len(there), pods.namespaces)
	if len(lacking) > 0 || created < 100 || pods.namespaces == 0 {
		t.Errorf("of %d pods these lack the name: %v", created, lacking)
	}
	if lines := r.Lines(`"level":"error"`); len(lines) > 0 {
		t.Errorf("it complained: %v", lines)
	}
}

// The same where the rule gets another name at once, with or without another way of attaching.
func TestNoNewPodLacksANameWhileARuleIsRenamed(t *testing.T) {
	renamed := func(rules string) string { return strings.Replace(rules, "name: hub", "name: other", 1) }
	for _, c := range []struct{ why, from, to string }{
		{"pods", podsRule, renamed(podsRule)},
		{"accounts to pods, and back", harness.OneRule, renamed(podsRule)},
		{"pods to accounts, and back", podsRule, renamed(harness.OneRule)},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := newAdmissionSandbox(t)
			s.Source("hub", api.Credential("hub.example", "one"))
			there := []string{s.Namespace("a"), s.Namespace("b"), s.Namespace("c")}
			s.Start()
			s.Revised("Ready", c.from)
			s.eventuallyServes("hub", wayOf(c.from))
			s.Seen()
			pods := s.createsPods(there, true)
			for moves := 0; moves < 1 || pods.sofar() < 100; moves++ {
				s.Revised("Ready", c.to)
				s.eventuallyServes("other", wayOf(c.to))
				s.wantNoRule("hub")
				s.Revised("Ready", c.from)
				s.eventuallyServes("hub", wayOf(c.from))
				s.wantNoRule("other")
			}
			if created, lacking := pods.stop(); len(lacking) > 0 || created < 100 {
				t.Errorf("of %d pods these lack the name: %v", created, lacking)
			}
		})
	}
}

// wayOf is how a text of one rule attaches.
func wayOf(rules string) string {
	if strings.Contains(rules, "attach: pods") {
		return "pods"
	}
	return "accounts"
}

// wantNoRule waits until a parameter is gone.
func (s *sandbox) wantNoRule(name string) {
	s.T.Helper()
	s.Eventually("the parameter "+name+" is gone", func() error {
		_, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).Get(s.Ctx, name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there, or: %v", err)
		}
		return nil
	})
}

// A single run does not end before it is known who gives out the names.
func TestASingleRunFallsBackToAccounts(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Delete(api.AdmissionBindings, "", "pullsecrets-pods")
	s.Policy(podsRule)
	s.Eventually("the account has the name, because nothing adds it to pods", func() error { // the API server forgets the binding a moment later
		s.Once(0, "-admission")
		if list, err := s.ListOf(ns, "default"); err != nil || len(list) != 1 {
			return fmt.Errorf("it has %v, %v", list, err)
		}
		return nil
	})
}

// When the component comes to a running controller, a rule that had fallen back to accounts moves to pods by itself. As it is
// shipped, nobody's pod is denied meanwhile, and none lacks the name.
func TestARuleMovesToPodsWhenTheComponentComes(t *testing.T) {
	s := newSandbox(t)
	s.Needs(harness.Mutation)
	s.Admission = true
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Degraded", podsRule)
	s.WantStatus("Degraded", "install kustomize/components/admission", "attach: pods has no effect in the rules hub")
	s.WantList(ns, "default", "+reg")
	pods := s.createsPods([]string{ns}, false)
	t.Cleanup(s.RemoveComponent)
	s.ApplyComponentAsShipped() // with Fail, pods are denied until the API server has listed the parameters
	s.WantNothingOfOurs(ns, "default")
	s.WantStatus("Ready", "in force in all namespaces")
	s.WantPod(ns, "default", []string{"theirs"}, "theirs", "+reg")
	created, lacking := pods.stop()
	if len(lacking) > 0 || created == 0 {
		t.Errorf("of %d pods these lack the name: %v", created, lacking)
	}
	s.RemoveComponent()
	s.WantList(ns, "default", "+reg")
	s.WantStatus("Degraded", "attach: pods has no effect in the rules hub")
}

// eventuallyServes waits until a parameter serves just these ways of attaching.
func (s *sandbox) eventuallyServes(rule string, want ...string) {
	s.T.Helper()
	s.Eventually(fmt.Sprintf("the parameter %s serves %v", rule, want), func() error {
		u, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).Get(s.Ctx, rule, metav1.GetOptions{})
		if err != nil {
			return err
		}
		got := []string{"accounts"}
		if list, ok := u.Object["spec"].(map[string]any)["attach"].([]any); ok {
			got = nil
			for _, a := range list {
				got = append(got, a.(string))
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("it serves %v", got)
		}
		return nil
	})
}

// loop creates pods until it is stopped.
type loop struct {
	end     chan struct{}
	running sync.WaitGroup

	mu         sync.Mutex
	created    int
	namespaces int // that it made
	lacking    []string
}

// sofar is how many pods were created until now.
func (l *loop) sofar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.created
}

// createsPods creates pods in dry runs: in namespaces that are there, and if births is true in new ones, as soon as the API server
// takes one.
func (s *sandbox) createsPods(there []string, births bool) *loop {
	l := &loop{end: make(chan struct{})}
	name := s.Name("reg")
	l.running.Go(func() {
		for n := 0; l.goesOn(); n++ {
			ns := there[n%len(there)]
			names, err := s.bornPod(podWith(ns, "default"))
			l.note(ns, slices.Contains(names, name), err)
		}
	})
	if births {
		l.running.Go(func() {
			for n := 0; l.goesOn(); n++ {
				l.note(s.born(fmt.Sprintf("born-%d", n), name))
				l.namespaces = n + 1
			}
		})
	}
	return l
}

// born makes a namespace and the first pod in it that the API server takes.
func (s *sandbox) born(short, name string) (ns string, has bool, err error) {
	ns = s.Name(short)
	if _, err := s.Client.Resource(api.Namespaces).Create(s.Ctx, api.Object("v1", "Namespace", "", ns), metav1.CreateOptions{}); err != nil {
		return ns, false, err
	}
	var names []string
	for deadline := time.Now().Add(harness.Patient); time.Now().Before(deadline); {
		if names, err = s.bornPod(podWith(ns, "default")); err == nil {
			break
		}
	}
	return ns, slices.Contains(names, name), err
}

func (l *loop) goesOn() bool {
	select {
	case <-l.end:
		return false
	default:
		return true
	}
}

// note takes in what came of a pod.
func (l *loop) note(ns string, has bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.created++
	if !has || err != nil {
		l.lacking = append(l.lacking, fmt.Sprintf("%s in %s: %v", time.Now().Format("15:04:05.000"), ns, err))
	}
}

func (l *loop) stop() (created int, lacking []string) {
	close(l.end)
	l.running.Wait()
	return l.created, l.lacking
}
