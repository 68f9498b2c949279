package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestTheProbeListsWhatTheAPIServerActsOn asks with the controller's own token, which has no right on pods.
func TestTheProbeListsWhatTheAPIServerActsOn(t *testing.T) {
	s := newAdmissionSandbox(t)
	var rules strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rules, "- {name: r%d, attach: %s, secrets: [{source: {name: hub}, name: PREFIXn%d}],\n"+
			"   namespaces: {include: [\"PREFIX*\"]}}\n", i, []string{"pods", "accounts"}[i%10/9], i%3)
	}
	s.Grant(rules.String())
	s.Promise(rules.String())
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.Token())(config)
	controllers, err := dynamic.NewForConfig(config)
	harness.Must(t, err)
	if _, err := controllers.Resource(api.Pods).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("the token may list pods: %v", err)
	}
	var seen map[string]string
	for range 5 {
		began := time.Now()
		seen, err = s.ProbePods(controllers)
		t.Logf("a probe of %d parameters takes %s", len(seen), time.Since(began))
		harness.Must(t, err)
	}
	live := map[string]string{}
	list, err := s.Client.Resource(api.AdmissionRules).Namespace(api.Home).List(s.Ctx, metav1.ListOptions{})
	harness.Must(t, err)
	for _, u := range list.Items {
		if slices.Contains(admission.Attached(u.Object["spec"]), "pods") {
			live[u.GetName()] = u.GetResourceVersion()
		}
	}
	if diff := cmp.Diff(live, seen); diff != "" || len(seen) != 91 { // with the sandbox's own
		t.Errorf("it says that it acts on %d parameters (-live +seen): %s", len(seen), diff)
	}
	if len(list.Items) != 101 {
		t.Errorf("there are %d parameters, although the probe is a dry run", len(list.Items))
	}
}

// TestWhatTheProbeListsIsWhatANewPodGets changes a parameter again and again, and creates a pod as soon as it is listed.
func TestWhatTheProbeListsIsWhatANewPodGets(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Promise(podRule)
	ns := s.Namespace("a")
	rules := s.Client.Resource(api.AdmissionRules).Namespace(api.Home)
	var took []time.Duration
	for i := range 50 {
		name := fmt.Sprintf("reg-%d", i)
		u, err := rules.Get(s.Ctx, "pods", metav1.GetOptions{})
		harness.Must(t, err)
		harness.Must(t, unstructured.SetNestedSlice(u.Object, []any{map[string]any{"name": name, "add": true, "ledger": true}}, "spec", "names"))
		u, err = rules.Update(s.Ctx, u, metav1.UpdateOptions{})
		harness.Must(t, err)
		began := time.Now()
		s.Eventually("the new version is listed", func() error {
			seen, err := s.ProbePods(s.Client)
			if err != nil || seen["pods"] != u.GetResourceVersion() {
				return fmt.Errorf("%v, and it is at %s (%w)", seen, u.GetResourceVersion(), err)
			}
			return nil
		})
		took = append(took, time.Since(began))
		if got, err := s.bornPod(podWith(ns, "")); err != nil || !slices.Equal(got, []string{name}) {
			t.Errorf("a pod gets %v right after, want %s (%v)", got, name, err)
		}
	}
	slices.Sort(took)
	t.Logf("listed after %s in the middle, and after %s at most", took[len(took)/2], took[len(took)-1])
	harness.Must(t, rules.Delete(s.Ctx, "pods", metav1.DeleteOptions{}))
	s.Eventually("a parameter that went is not listed", func() error {
		seen, err := s.ProbePods(s.Client)
		if _, ok := seen["pods"]; ok || err != nil {
			return fmt.Errorf("%v (%w)", seen, err)
		}
		return nil
	})
}

// TestARuleMayHaveTheProbesName because people choose the names of rules.
func TestARuleMayHaveTheProbesName(t *testing.T) {
	s := newSandbox(t)
	s.Component()
	s.Promise(strings.ReplaceAll(podRule, "name: pods,", "name: "+admission.ProbeName+","))
	ns := s.Namespace("a")
	for range 2 {
		u := s.Get(api.AdmissionRules, api.Home, admission.ProbeName)
		seen, err := s.ProbePods(s.Client)
		if err != nil || seen[admission.ProbeName] != u.GetResourceVersion() {
			t.Errorf("it acts on %v, and the rule is at %s (%v)", seen, u.GetResourceVersion(), err)
		}
		if got, err := s.bornPod(podWith(ns, "")); err != nil || !slices.Equal(got, []string{s.Name("reg")}) {
			t.Errorf("a pod gets %v (%v)", got, err)
		}
		s.Merge(api.AdmissionRules, api.Home, admission.ProbeName, `{"metadata":{"labels":{"written":"again"}}}`)
		if got := s.Get(api.AdmissionRules, api.Home, admission.ProbeName).GetAnnotations()[admission.AnnotationSeen]; got != "" {
			t.Errorf("what is kept says %s", got)
		}
		s.Seen() // a later parameter is in force, and what was written before it
	}
}
