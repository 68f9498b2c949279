package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

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
	for range 2 {
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

// When the component comes to a running controller, a rule that had fallen back to accounts moves to pods by itself.
func TestARuleMovesToPodsWhenTheComponentComes(t *testing.T) {
	s := newSandbox(t)
	s.Admission = true
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Start()
	s.Revised("Degraded", podsRule)
	s.WantStatus("Degraded", "install kustomize/components/admission", "attach: pods has no effect in the rules hub")
	s.WantList(ns, "default", "+reg")
	pods := s.createsPods([]string{ns}, false)
	t.Cleanup(s.RemoveComponent)
	s.ApplyComponent()
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
