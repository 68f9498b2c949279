package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/evict"
)

func asItIs(*evict.Config) {}

// wantEvicted waits until a pod is gone.
func (s *sandbox) wantEvicted(pod *unstructured.Unstructured) {
	s.T.Helper()
	s.Eventually("the pod "+pod.GetName()+" is evicted", func() error {
		_, err := s.Client.Resource(api.Pods).Namespace(pod.GetNamespace()).Get(s.Ctx, pod.GetName(), metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there, or: %v", err)
		}
		return nil
	})
}

// wantLeft wants a pod to be there.
func (s *sandbox) wantLeft(pod *unstructured.Unstructured, why string) {
	s.T.Helper()
	u, err := s.Client.Resource(api.Pods).Namespace(pod.GetNamespace()).Get(s.Ctx, pod.GetName(), metav1.GetOptions{})
	if err != nil || u.GetUID() != pod.GetUID() || u.GetDeletionTimestamp() != nil {
		s.T.Errorf("%s: the pod %s is not left alone: %v", why, pod.GetName(), err)
	}
}

// podEvents are the messages of the Events on a pod that was evicted.
func (s *sandbox) podEvents(pod *unstructured.Unstructured) (messages []string) {
	s.T.Helper()
	list, err := s.Client.Resource(api.Events).Namespace(pod.GetNamespace()).List(s.Ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(pod.GetUID()) + ",reason=EvictedForPullSecret",
	})
	harness.Must(s.T, err)
	for _, u := range list.Items {
		text, _, _ := unstructured.NestedString(u.Object, "message")
		messages = append(messages, text)
	}
	return messages
}

func TestAPodThatCameTooEarlyIsEvicted(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns, kept := s.Namespace("a"), s.Namespace("kept")
	s.Merge(api.Namespaces, "", kept, `{"metadata":{"annotations":{"pullsecrets/evict":"false"}}}`)
	annotated := func(key, value string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{key: value}) }
	}
	set, setOfKept := s.ReplicaSet(ns, "web"), s.ReplicaSet(kept, "web")
	other := s.Create(api.ConfigMaps, api.Object("v1", "ConfigMap", ns, "no-controller"))
	early := s.OwnedPod(ns, "early", set)
	initial := s.OwnedPod(ns, "first-try", set)
	s.PodStatus(ns, "first-try", "Pending", "ErrImagePull")
	left := map[string]*unstructured.Unstructured{
		"it is a bare pod":                   s.OwnedPod(ns, "bare", nil),
		"its annotation forbids it":          s.OwnedPod(ns, "kept", set, annotated("pullsecrets/evict", "false")),
		"its namespace's annotation does":    s.OwnedPod(kept, "early", setOfKept),
		"it is opted out of all rules":       s.OwnedPod(ns, "excluded", set, annotated("pullsecrets/exclude", "true")),
		"its controller may not make it new": s.OwnedPod(ns, "odd", other),
		"it has a list of its own": s.OwnedPod(ns, "own", set, func(u *unstructured.Unstructured) {
			_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"name": "mine"}}, "spec", "imagePullSecrets")
		}),
		"it waits for something else": s.OwnedPod(ns, "creating", set),
		"it runs":                     s.OwnedPod(ns, "running", set),
	}
	s.PodStatus(ns, "creating", "Pending", "ContainerCreating")
	s.PodStatus(ns, "running", "Running", "")
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantPod(ns, "default", nil, "reg") // the API server takes the account from a cache
	late := s.OwnedPod(ns, "late", set)
	r := s.Evict(asItIs)
	s.wantEvicted(early)
	s.wantEvicted(initial)
	left["it has the name, and waits all the same"] = late
	r.WantMetrics(
		`pullsecrets_evictions_total{result="evicted"} 2`, `pullsecrets_evictions_total{result="failed"} 0`,
		`pullsecrets_stuck_pods{verdict="NoController"} 1`, `pullsecrets_stuck_pods{verdict="OptedOut"} 3`, `pullsecrets_stuck_pods{verdict="LacksNothing"} 1`,
		`pullsecrets_stuck_pods{verdict="OtherController"} 1`, `pullsecrets_stuck_pods{verdict="OwnList"} 1`,
	)
	for why, pod := range left {
		s.wantLeft(pod, why)
	}
	if got := s.podEvents(early); len(got) != 1 || !strings.Contains(got[0], "ImagePullBackOff") || !strings.Contains(got[0], s.Name("reg")) {
		t.Errorf("Events on the pod: %q", got)
	}
	if n := len(r.Log.Lines("pod evicted", `"controller":"ReplicaSet/web"`, s.Name("reg"))); n != 2 {
		t.Errorf("%d lines tell of it", n)
	}
}

// TestTheFlagNamesOtherControllers of kinds that are known not to mind.
func TestTheFlagNamesOtherControllers(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	pod := s.OwnedPod(ns, "early", s.Create(api.ConfigMaps, api.Object("v1", "ConfigMap", ns, "odd")))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	s.Evict(func(c *evict.Config) { c.Owners = []schema.GroupKind{{Kind: "ConfigMap"}} })
	s.wantEvicted(pod)
}

func TestADryRunEvictsNothing(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	pod := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	s.Start()
	s.Revised("Ready", harness.OneRule)
	r := s.Evict(func(c *evict.Config) { c.DryRun = true })
	r.WantMetrics(`pullsecrets_evictions_total{result="dry-run"} 1`, `pullsecrets_stuck_pods{verdict="EvictedBefore"} 1`)
	s.PodStatus(ns, "early", "Pending", "ErrImagePull") // it is looked at again
	second := s.OwnedPod(ns, "second", s.ReplicaSet(ns, "other"), func(u *unstructured.Unstructured) {
		u.SetAnnotations(map[string]string{"pullsecrets/evict": "false"})
	})
	r.WantMetrics(`pullsecrets_stuck_pods{verdict="OptedOut"} 1`)
	s.wantLeft(pod, "it is a dry run")
	s.wantLeft(second, "it is a dry run")
	if n := len(r.Log.Lines("would evict the pod")); n != 1 {
		t.Errorf("%d lines tell of it", n)
	}
	if got := s.podEvents(pod); len(got) > 0 {
		t.Errorf("Events on the pod: %q", got)
	}
}

// TestAPodWaitsForItsCopy holds that nothing is evicted of which the status says that the copy is not there.
func TestAPodWaitsForItsCopy(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	denied, ns := s.Namespace("denied", "deny="+s.Name("x")), s.Namespace("a")
	s.DenyAndEcho(denied)
	waits := s.OwnedPod(denied, "early", s.ReplicaSet(denied, "web"))
	pod := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	s.Start()
	s.Revised("Degraded", harness.OneRule)
	s.WantList(denied, "default", "+reg")
	s.wantRecord(`"name": "`+s.Name("reg")+`"`, denied)
	r := s.Evict(asItIs)
	s.wantEvicted(pod)
	r.WantMetrics(`pullsecrets_stuck_pods{verdict="CopyMissing"} 1`)
	s.wantLeft(waits, "its copy is not there")
	s.Merge(api.Namespaces, "", denied, `{"metadata":{"labels":{"deny":null}}}`)
	s.WantCopy(denied, "reg", api.Credential("hub.example", "one"))
	s.wantEvicted(waits)
}

// wantRecord waits until status.json has these words.
func (s *sandbox) wantRecord(words ...string) {
	s.T.Helper()
	s.Eventually("the status tells it", func() error {
		text, _, _ := unstructured.NestedString(s.Get(api.ConfigMaps, api.Home, "pullsecrets-status").Object, "data", "status.json")
		_, missing, _ := strings.Cut(text, `"missingCopies"`)
		for _, w := range words {
			if !strings.Contains(missing, w) {
				return errors.New(text)
			}
		}
		return nil
	})
}

// TestWithoutAStatusNothingIsEvicted although account and copy are there.
func TestWithoutAStatusNothingIsEvicted(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	pod := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	controller := s.Start()
	s.Revised("Ready", harness.OneRule)
	controller.Stop()
	s.Delete(api.ConfigMaps, api.Home, "pullsecrets-status")
	r := s.Evict(asItIs)
	r.WantMetrics(`pullsecrets_stuck_pods{verdict="PolicyUnknown"} 1`)
	s.wantLeft(pod, "nothing tells which policy is in force")
	s.Start()
	s.wantEvicted(pod)
}

// TestExplainSaysWhatEvictWouldDo of one pod that would be evicted, and of one that would not.
func TestExplainSaysWhatEvictWouldDo(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web"))
	s.OwnedPod(ns, "bare", nil)
	s.Start()
	s.Revised("Ready", harness.OneRule)
	said := func(pod string) string {
		status, out, errs := s.Command("explain", "-kubeconfig", s.Kubeconfig, "-namespace", api.Home, ns, "pod/"+pod)
		if status != 0 {
			t.Fatal(errs)
		}
		return out
	}
	s.Eventually("the status speaks of the policy", func() error {
		if out := said("early"); !strings.Contains(out, "evict: would evict it") || !strings.Contains(out, "it lacks "+s.Name("reg")) {
			return errors.New(out)
		}
		return nil
	})
	if out := said("bare"); !strings.Contains(out, "evict: would leave it alone: NoController") {
		t.Error(out)
	}
}

// TestAPodThatTheAPIServerWouldGiveTheNameIsEvicted, also one that names pull secrets itself, of a rule that attaches to pods. Until
// the status says that the API server does so, the account has to have the name.
func TestAPodThatTheAPIServerWouldGiveTheNameIsEvicted(t *testing.T) {
	s := newAdmissionSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	own := func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"name": "mine"}}, "spec", "imagePullSecrets")
	}
	early, withOwn := s.OwnedPod(ns, "early", s.ReplicaSet(ns, "web")), s.OwnedPod(ns, "own", s.ReplicaSet(ns, "other"), own)
	s.Start()
	s.Revised("Ready", podsRule)
	s.Evict(asItIs)
	s.wantEvicted(early)
	s.wantEvicted(withOwn)
	successor := s.OwnedPod(ns, "successor", s.ReplicaSet(ns, "third"), own)
	if got := cluster.NewPod(successor).PullSecrets; !slices.Equal(got, []string{"mine", s.Name("reg")}) {
		t.Errorf("a new pod has %v", got)
	}
}
