package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// promise puts the parameters of rules in place without a controller.
func (s *sandbox) promise(rules string) {
	s.t.Helper()
	p, problems := policy.Parse(map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.expand(rules)},
		policy.Options{Namespace: home})
	if p == nil {
		s.t.Fatal(problems)
	}
	s.parameters(p, admission.Dependencies{Namespace: home})
}

// atOnce creates namespaces at once, and returns when f returned for each.
func (s *sandbox) atOnce(prefix string, n int, f func(ns string)) {
	s.t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ns := s.name(fmt.Sprintf("%s-%d", prefix, i))
			if _, err := s.client.Resource(namespaces).Create(s.ctx, object("v1", "Namespace", "", ns), metav1.CreateOptions{}); err != nil {
				s.t.Error(err)
				return
			}
			f(ns)
		})
	}
	wg.Wait()
}

// TestNoAccountIsBornWithoutItsNames creates namespaces at once while no controller runs.
func TestNoAccountIsBornWithoutItsNames(t *testing.T) {
	s := newSandbox(t)
	s.component()
	misses := func(prefix string) (n int) {
		var mu sync.Mutex
		s.atOnce(prefix, 200, func(ns string) {
			var list []string
			s.awaits(ns+" has its default account", func() (err error) {
				list, err = s.listOf(ns, "default")
				return err
			})
			slices.Sort(list)
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(list, []string{s.name("ghcr"), s.name("reg")}) {
				n++
			}
		})
		return n
	}
	without := misses("off")
	s.promise(twoRules)
	with := misses("on")
	t.Logf("of 200 default accounts, %d are born without their names; without parameters %d", with, without)
	if with != 0 || without != 200 {
		t.Errorf("%d missed with parameters, and %d without any", with, without)
	}
}

// awaits is eventually for other goroutines than the test's.
func (s *sandbox) awaits(what string, condition func() error) {
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); {
		if condition() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Errorf("never: %s", what)
}

// TestPodsThatStartWithTheirAccountHaveTheNames creates pods in a loop that begins before the account is there.
func TestPodsThatStartWithTheirAccountHaveTheNames(t *testing.T) {
	s := newSandbox(t)
	s.component()
	s.source("hub", credential("hub.example", "one"))
	s.admission = true
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantRules("hub: reg")
	if n := s.barePods("on"); n > 0 {
		t.Errorf("%d pods lack the name", n)
	}
	r.stop()
	must(t, s.client.Resource(admissionRules).Namespace(home).DeleteCollection(s.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	s.seen()
	if n := s.barePods("off"); n != manyPods { // or the above would say nothing
		t.Errorf("without parameters and without a controller, %d of %d pods lack the name", n, manyPods)
	}
}

const manyPods = 30

// barePods creates namespaces with a pod each, manyPods of them, and returns how many pods lack the name.
func (s *sandbox) barePods(prefix string) (n int) {
	var mu sync.Mutex
	s.atOnce(prefix, manyPods, func(ns string) {
		pod := object("v1", "Pod", ns, "early")
		pod.Object["spec"] = map[string]any{"containers": []any{map[string]any{"name": "c", "image": "hub.example/x"}}}
		var created *unstructured.Unstructured
		s.awaits("a pod in "+ns, func() (err error) { // refused until the account is there
			created, err = s.client.Resource(pods).Namespace(ns).Create(s.ctx, pod, metav1.CreateOptions{})
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

// TestWhoAppliesAListOfTheirOwnFightsNobody applies an account whose list lacks ours, again and again.
func TestWhoAppliesAListOfTheirOwnFightsNobody(t *testing.T) {
	s := newSandbox(t)
	s.component()
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "one"))
	s.admission = true
	r := s.start()
	s.revised("Ready", twoRules)
	s.wantRules("hub: reg", "more: reg ghcr")
	for i, way := range []string{"kubectl apply --server-side", "kubectl apply"} {
		t.Run(way, func(t *testing.T) {
			ns := s.namespace(fmt.Sprintf("w-%d", i))
			for _, account := range []string{"ci", "default"} { // new, and born before
				s.wantAppliedTwice(t, way, ns, account)
			}
		})
	}
	if lines := r.reported(); len(lines) > 0 {
		t.Errorf("it complained:\n%s", strings.Join(lines, "\n"))
	}
}

func (s *sandbox) wantAppliedTwice(t *testing.T, way, ns, account string) {
	t.Helper()
	manifest := fmt.Sprintf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: %s, namespace: %s}\nimagePullSecrets: [{name: theirs}, {name: more}]\n", account, ns)
	var first *unstructured.Unstructured
	for i := range 6 {
		if err := appliers[way](s, ns, manifest); err != nil {
			t.Fatal(err)
		}
		u := s.get(accounts, ns, account)
		if first == nil {
			first = u
			continue
		}
		if u.GetResourceVersion() != first.GetResourceVersion() {
			t.Fatalf("%s, apply %d changed the account: %v %v became %v %v", account, i+1, first.Object["imagePullSecrets"],
				first.GetAnnotations(), u.Object["imagePullSecrets"], u.GetAnnotations())
		}
	}
	want := []string{"more", "theirs", s.name("reg")}
	if account == "default" {
		want = append(want, s.name("ghcr"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(cluster.NewServiceAccount(first).PullSecrets))); diff != "" {
		t.Errorf("%s: the list (-want +got): %s", account, diff)
	}
	if way == "kubectl apply --server-side" {
		if out, err := s.kubectl(manifest, "diff", "--server-side", "-f", "-"); err != nil || out != "" {
			t.Errorf("kubectl diff --server-side shows (%v):\n%s", err, out)
		}
	}
}

// TestARemovalThatComesBackKeepsTheCopy holds a parameter of somebody else against the policy.
func TestARemovalThatComesBackKeepsTheCopy(t *testing.T) {
	s := newSandbox(t)
	s.component()
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.admission = true
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	stubborn := s.get(admissionRules, home, "hub")
	again := object(stubborn.GetAPIVersion(), stubborn.GetKind(), home, "stubborn")
	again.Object["spec"] = stubborn.Object["spec"]
	s.create(admissionRules, again)
	s.seen()

	s.revised("Degraded", noRules)
	s.wantStatus("Degraded", "put removed names back")
	s.wantList(ns, "default", "+reg")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	if lines := r.lines("put removed names back", `"level":"warn"`); len(lines) != 1 {
		t.Errorf("it is said %d times: %v", len(lines), lines)
	}
	s.delete(admissionRules, home, "stubborn")
	s.wantNothingOfOurs(ns, "default")
	s.wantNoCopy(ns, "reg")
	s.wantStatus("Ready")
}

// TestTheBudgetOfTheAPIServerIsEnough has it evaluate as many and as large parameters as are allowed; failurePolicy
// Fail makes it refuse what it cannot evaluate.
func TestTheBudgetOfTheAPIServerIsEnough(t *testing.T) {
	s := newSandbox(t)
	s.component()
	globs := func(rule int, format string, n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, rule, i))
		}
		return `["` + strings.Join(out, `", "`) + `"]`
	}
	ns := s.namespace("a-namespace-with-a-long-name-0123456789-0123456789") // up to 63
	var rules strings.Builder
	for i := range 200 {
		fmt.Fprintf(&rules, "- {name: r%d, secrets: [{source: {name: s%d}, name: n%d}], namespaces: {include: %s, exclude: %s}, serviceAccounts: {include: %s}}\n",
			i, i%7, i%20, strings.Replace(globs(i, "*t-%d-?%d*", 39), "[", `["PREFIX*", `, 1), globs(i, "x-%d-%d-*", 30),
			strings.Replace(globs(i, "sa-%d-*-%d", 29), "[", `["long*", `, 1))
	}
	s.promise(rules.String())
	long := "long" + strings.Repeat("-account", 31)
	began := time.Now()
	names := s.born(ns, long)
	t.Logf("200 rules of 100 globs, of which ten each share a name, take %s", time.Since(began))
	if want := 20; len(names) != want {
		t.Errorf("an account gets %d names, want %d: %.300v", len(names), want, names)
	}

	// One rule at the very bounds: accounts by 64 KiB of globs, and 256 KiB in all.
	var large strings.Builder
	fmt.Fprintf(&large, "- {name: z, secrets: [{source: {name: s}, name: last}], namespaces: {include: %s}, serviceAccounts: {include: %s}}\n",
		strings.Replace(globs(1, "*team-%d-?%d*", 8600), "[", `["PREFIX*", `, 1), strings.Replace(globs(1, "*sa-%d-?%d*", 3000), "[", `["long*", `, 1))
	p, problems := policy.Parse(map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + s.expand(large.String())}, policy.Options{Namespace: home})
	if p == nil {
		t.Fatal(problems)
	}
	if _, errs := admission.Rules(p, admission.Dependencies{}); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	s.parameters(p, admission.Dependencies{Namespace: home})
	began = time.Now()
	names = s.born(ns, long)
	t.Logf("one rule of 256 KiB takes %s", time.Since(began))
	if !slices.Equal(names, []string{"last"}) {
		t.Errorf("with one very large rule an account gets %.300v", names)
	}
}
