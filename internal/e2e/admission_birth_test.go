package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestNoAccountIsBornWithoutItsNames creates namespaces at once while no controller runs.
func TestNoAccountIsBornWithoutItsNames(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	misses := func(prefix string) (n int) {
		var mu sync.Mutex
		s.atOnce(prefix, 200, func(ns string) {
			var list []string
			s.awaits(ns+" has its default account", func() (err error) {
				list, err = s.ListOf(ns, "default")
				return err
			})
			slices.Sort(list)
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(list, []string{s.Name("ghcr"), s.Name("reg")}) {
				n++
			}
		})
		return n
	}
	without := misses("off")
	s.Promise(harness.TwoRules)
	with := misses("on")
	t.Logf("of 200 default accounts, %d are born without their names; without parameters %d", with, without)
	if with != 0 || without != 200 {
		t.Errorf("%d missed with parameters, and %d without any", with, without)
	}
}

// TestPodsThatStartWithTheirAccountHaveTheNames creates pods in a loop that begins before the account is there.
func TestPodsThatStartWithTheirAccountHaveTheNames(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Admission = true
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantRules("hub: reg")
	if n := s.barePods("on"); n > 0 {
		t.Errorf("%d pods lack the name", n)
	}
	r.Stop()
	harness.Must(t, s.Client.Resource(api.AdmissionRules).Namespace(api.Home).DeleteCollection(s.Ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	s.Seen()
	if n := s.barePods("off"); n != manyPods { // or the above would say nothing
		t.Errorf("without parameters and without a controller, %d of %d pods lack the name", n, manyPods)
	}
}

const manyPods = 30

// barePods creates namespaces with a pod each, manyPods of them, and returns how many pods lack the name.
func (s *sandbox) barePods(prefix string) (n int) {
	var mu sync.Mutex
	s.atOnce(prefix, manyPods, func(ns string) {
		pod := api.Object("v1", "Pod", ns, "early")
		pod.Object["spec"] = map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
		var created *unstructured.Unstructured
		s.awaits("a pod in "+ns, func() (err error) { // refused until the account is there
			created, err = s.Client.Resource(api.Pods).Namespace(ns).Create(s.Ctx, pod, metav1.CreateOptions{})
			return err
		})
		list, _, _ := unstructured.NestedSlice(created.Object, "spec", "imagePullSecrets")
		mu.Lock()
		defer mu.Unlock()
		if len(list) != 1 {
			n++
		}
	})
	return n
}

// atOnce creates namespaces at once, and returns when f returned for each.
func (s *sandbox) atOnce(prefix string, n int, f func(ns string)) {
	s.T.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ns := s.Name(fmt.Sprintf("%s-%d", prefix, i))
			if _, err := s.Client.Resource(api.Namespaces).Create(s.Ctx, api.Object("v1", "Namespace", "", ns), metav1.CreateOptions{}); err != nil {
				s.T.Error(err)
				return
			}
			f(ns)
		})
	}
	wg.Wait()
}

// awaits is Eventually for other goroutines than the test's, and more patient: hundreds of namespaces come at once.
func (s *sandbox) awaits(what string, condition func() error) {
	for deadline := time.Now().Add(4 * harness.Patient); time.Now().Before(deadline); {
		if condition() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Errorf("never: %s", what)
}
