package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const (
	hubRule  = "- {name: hub, secrets: [{source: {name: hub}, name: reg}]}\n"
	ghcrRule = "- {name: ghcr, secrets: [{source: {name: ghcr}}], namespaces: {include: [team-*]}}\n"
)

// world is a Publisher over caches that the test fills. What is written is in them at once.
type world struct {
	*Publisher
	kube.Client
	t       *testing.T
	caches  state.Filling
	cluster *state.Cluster
	policy  *policy.Policy
	missing map[string]bool // sources
	refuse  func(verb, name string) error
	held    bool
	log     bytes.Buffer

	writes   []string
	problems []status.Problem // as they were told last
	told     int
	decided  int // how often all namespaces were
	changed  atomic.Int64
	requeued []string

	// What the API server does with parameters for pods.
	acts      func(parameter string) bool // nil: on all of them
	asked     error
	questions int
	converged bool
}

func newWorld(t *testing.T, rules string) *world {
	w := &world{t: t, missing: map[string]bool{}, refuse: func(string, string) error { return nil }}
	w.cluster = state.New(state.Config{
		Installation: cluster.Installation{Home: "pullsecrets"}, StatusName: "status", Admission: true,
		Handlers: state.Handlers{Sources: func(map[types.NamespacedName]policy.SourceState) {}},
	})
	w.caches = state.NewFilling([]string{"reg"}, w.source)
	w.cluster.Fill(w.caches)
	w.follow(rules)
	log := zerolog.New(&w.log)
	w.Publisher = New(Options{
		Enabled: true, Client: w, Cluster: w.cluster, Held: func() bool { return w.held }, Log: log, Throttled: report.NewThrottledLog(log),
		DecideAll: func(p *policy.Policy, each func(plan.Plan)) {
			w.decided++
			state.DecideAll(w.cluster, p, state.Circumstances{}, each)
		},
		Changed:   func() { w.changed.Add(1) },
		Requeue:   func(namespace string) { w.requeued = append(w.requeued, namespace) },
		Converged: func(*policy.Policy) bool { return w.converged },
		Problems:  func(problems []status.Problem) { w.problems, w.told = problems, w.told+1 },
	})
	w.MarkChanged()
	return w
}

// follow has another text be the policy.
func (w *world) follow(rules string) {
	w.t.Helper()
	p, problems := policy.Parse(map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + rules}, policy.Options{Namespace: "pullsecrets"})
	if p == nil {
		w.t.Fatal(problems)
	}
	w.policy = p
	w.cluster.Ensure(nil, p.CopyNames())
}

func (w *world) source(key types.NamespacedName) policy.SourceState {
	if w.missing[key.Name] {
		return policy.NewSourceState(nil, cluster.Installation{})
	}
	content, _, _ := w.cluster.Projector.Content(cluster.TypeDockerConfigJSON, []byte(`{"auths":{"hub.example":{"username":"a","password":"b"}}}`))
	return policy.NewSourceState(&cluster.Source{Secret: &cluster.Secret{
		Meta: cluster.Meta{Namespace: key.Namespace, Name: key.Name}, Type: cluster.TypeDockerConfigJSON, Content: content,
	}}, cluster.Installation{})
}

// publish publishes, and returns what was written by it.
func (w *world) publish() (writes []string, wait time.Duration) {
	w.writes = nil
	wait = w.Publish(w.t.Context(), w.policy)
	return w.writes, wait
}

// publishes wants just these writes, and nothing to wait for.
func (w *world) publishes(why string, want ...string) {
	w.t.Helper()
	if got, wait := w.publish(); !slices.Equal(got, want) || wait != 0 {
		w.t.Errorf("%s: wrote %q and waits %s, want %q", why, got, wait, want)
	}
}

// has are the names of the problems, with their reasons.
func (w *world) has() (problems []string) {
	for _, p := range w.problems {
		problems = append(problems, p.Reason+" "+p.Name)
	}
	return problems
}

func (w *world) Apply(_ context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error) {
	if resource != kube.AdmissionRules || !force || obj.GetNamespace() != "pullsecrets" {
		w.t.Errorf("applies %s %s/%s, forced %t", resource.Resource, obj.GetNamespace(), obj.GetName(), force)
	}
	w.writes = append(w.writes, "apply "+obj.GetName())
	if err := w.refuse("apply", obj.GetName()); err != nil {
		return nil, err
	}
	version := kube.MustNotExist
	if live, there := w.cluster.Parameters()[obj.GetName()]; there {
		version = live.ResourceVersion
	}
	if obj.GetResourceVersion() != version {
		w.t.Errorf("%s is applied over version %q, and %q is there", obj.GetName(), obj.GetResourceVersion(), version)
	}
	out := obj.DeepCopy()
	out.SetUID(types.UID("uid-" + obj.GetName()))
	out.SetResourceVersion(version + "0")
	w.caches.Parameters.Add(cluster.NewAdmissionRule(out))
	return out, nil
}

// TryApply answers as the policy for pods does.
func (w *world) TryApply(_ context.Context, _ schema.GroupVersionResource, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	w.questions++
	if w.asked != nil {
		return nil, w.asked
	}
	var seen []string
	for name, one := range w.cluster.Parameters() {
		if servesPods(one.Spec) && (w.acts == nil || w.acts(name)) {
			seen = append(seen, name+"="+one.ResourceVersion)
		}
	}
	out := obj.DeepCopy()
	out.SetAnnotations(map[string]string{admission.AnnotationSeen: strings.Join(seen, " ")})
	return out, nil
}

func (w *world) Delete(_ context.Context, _ schema.GroupVersionResource, obj cluster.Object) error {
	w.writes = append(w.writes, "delete "+obj.GetName())
	if err := w.refuse("delete", obj.GetName()); err != nil {
		return err
	}
	w.caches.Parameters.Delete(obj)
	return nil
}

func TestEachRuleIsPublishedOnce(t *testing.T) {
	w := newWorld(t, hubRule+ghcrRule)
	w.publishes("at first", "apply hub", "apply ghcr")
	w.publishes("nothing changed")
	w.MarkChanged()
	w.publishes("it was looked at, and nothing differs")
	w.follow(hubRule + strings.Replace(ghcrRule, "team-*", "dev-*", 1))
	w.publishes("nobody said that there is another policy")
	w.MarkChanged()
	w.publishes("another rule", "apply ghcr")
	w.follow(ghcrRule)
	w.MarkChanged()
	w.publishes("another rule, and one that is gone", "delete hub", "apply ghcr")
	if len(w.problems) > 0 {
		t.Errorf("there are problems: %v", w.problems)
	}
	if got := w.cluster.Parameters()["ghcr"]; got == nil || !got.Ours {
		t.Errorf("it carries no mark of ours: %+v", got)
	}
	team := &cluster.Namespace{Meta: cluster.Meta{Name: "team-a"}}
	account := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "team-a", Name: "default"}}
	if p := w.Published(); p == nil || !p.Add(team, account, "ghcr") || p.Add(team, account, "reg") {
		t.Error("what is published is not what is there")
	}
}

func TestWithoutAPolicyOrTheAnswerOfTheListNothingIsPublished(t *testing.T) {
	w := newWorld(t, hubRule)
	if wait := w.Publish(t.Context(), nil); wait != 0 || len(w.writes) > 0 {
		t.Errorf("no policy: waits %s, writes %q", wait, w.writes)
	}
	w.Cluster = state.New(state.Config{StatusName: "status", Admission: true}) // was not started
	w.publishes("not known what there is")
	w.Enabled, w.Cluster = false, w.cluster
	w.publishes("not enabled")
	w.Note(plan.Plan{Namespace: "a", Actions: []plan.Action{{Kind: plan.KindSecret, Name: "reg", Reason: plan.ForeignSecret}}})
	w.Begin(t.Context(), w.policy, w.NewSurvey())
	if w.changed.Load() > 0 || len(w.writes) > 0 || w.told > 0 {
		t.Errorf("not enabled: %d changes, writes %q, %d times problems", w.changed.Load(), w.writes, w.told)
	}
	w.Enabled = true
	w.publishes("it still has something to do", "apply hub")
}

// TestOnlyWhatIsOursIsDeleted, and nothing while a prune is held: then parameters are only added.
func TestOnlyWhatIsOursIsDeleted(t *testing.T) {
	for _, c := range []struct {
		why          string
		ours, held   bool
		want         []string
		stillAddsOld bool // the API server goes on adding the names of the parameter that nobody wants
	}{
		{"ours", true, false, []string{"delete old", "apply ghcr", "apply hub"}, false},
		{"somebody's, who keeps it in git", false, false, []string{"apply ghcr", "apply hub"}, false},
		{"ours, and a prune is held", true, true, []string{"apply ghcr"}, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld(t, hubRule)
			w.publishes("at first", "apply hub")
			old := *w.cluster.Parameters()["hub"]
			old.Name, old.UID, old.Ours = "old", "uid-old", c.ours
			w.caches.Parameters.Add(&old)
			w.follow(ghcrRule + strings.Replace(hubRule, "reg", "other", 1))
			w.held = c.held
			w.MarkChanged()
			w.publishes("then", c.want...)
			everywhere := &cluster.Namespace{Meta: cluster.Meta{Name: "a"}}
			adds := w.Published().Add(everywhere, &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "a", Name: "default"}}, "reg")
			if adds != c.stillAddsOld {
				t.Errorf("what is held to be added: %t", adds)
			}
		})
	}
}

func TestAComponentThatIsAbsentIsToldOnce(t *testing.T) {
	w := newWorld(t, hubRule)
	absent := w.caches
	absent.Forbidden = func(of kube.Target) bool { return of.Resource == kube.AdmissionRules }
	w.cluster.Fill(absent)
	for range 3 {
		w.publishes("absent")
	}
	if want := []string{Absent + " admissionrules.pullsecrets.internal"}; !slices.Equal(w.has(), want) || w.told != 1 {
		t.Errorf("%q, told %d times", w.has(), w.told)
	}
	if w.Published() != nil {
		t.Error("something is published")
	}
	w.cluster.Fill(w.caches)
	w.MarkChanged()
	w.publishes("it was installed", "apply hub")
	if len(w.problems) > 0 || w.Published() == nil {
		t.Errorf("it was installed, and there are problems: %v", w.problems)
	}
	w.cluster.Fill(absent)
	w.MarkChanged()
	w.publishes("it was removed again")
	if w.Published() != nil {
		t.Error("it was removed again, and names are still taken to be added")
	}
}

// TestAnAPIServerThatDoesNotMutateIsAskedAgain: it may be upgraded, or not have answered.
func TestAnAPIServerThatDoesNotMutateIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hubRule)
		asked, answer, err := 0, false, error(nil)
		w.Mutates = func(context.Context) (bool, error) {
			asked++
			return answer, err
		}
		waits := func(why string, want time.Duration, wantAsked int, problems ...string) {
			t.Helper()
			if writes, wait := w.publish(); wait != want || asked != wantAsked || len(writes) > 0 || !slices.Equal(w.has(), problems) {
				t.Errorf("%s: waits %s, asked %d times, writes %q, has %q", why, wait, asked, writes, w.has())
			}
		}
		absent := Absent + " admissionrules.pullsecrets.internal"
		err = errors.New("no answer")
		waits("it does not answer", writeAgain, 1)
		err = nil
		time.Sleep(writeAgain)
		waits("it does not know them", mutatesAgain, 2, absent)
		time.Sleep(20 * time.Second)
		waits("looked at in between", 40*time.Second, 2, absent)
		time.Sleep(40 * time.Second)
		answer = true
		w.publishes("it was upgraded", "apply hub")
		w.follow(ghcrRule)
		w.MarkChanged()
		w.publishes("once it does, it is not asked again", "delete hub", "apply ghcr")
		if asked != 3 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestAWriteThatFailsIsTriedEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hubRule+ghcrRule)
		forbidden := apierrors.NewForbidden(kube.AdmissionRules.GroupResource(), "hub", errors.New("canary"))
		w.refuse = func(_, name string) error {
			if name == "hub" {
				return forbidden
			}
			return nil
		}
		var pauses []time.Duration
		for range 7 {
			_, wait := w.publish()
			pauses = append(pauses, wait)
			time.Sleep(wait / 2)
			if writes, left := w.publish(); len(writes) > 0 || left != wait-wait/2 {
				t.Errorf("in a pause: writes %q, and waits %s", writes, left)
			}
			time.Sleep(wait - wait/2)
		}
		second := time.Second
		if diff := cmp.Diff([]time.Duration{2 * second, 4 * second, 8 * second, 16 * second, 30 * second, 30 * second, 30 * second}, pauses); diff != "" {
			t.Error(diff)
		}
		if !slices.Equal(w.has(), []string{Unsaved + " hub"}) || strings.Contains(fmt.Sprint(w.problems), "canary") {
			t.Errorf("problems: %v", w.problems)
		}
		if w.Published() != nil {
			t.Error("half of it is taken for published")
		}
		w.refuse = func(string, string) error { return nil }
		w.publishes("it is permitted", "apply hub")
		if len(w.problems) > 0 || w.Published() == nil {
			t.Errorf("problems: %v", w.problems)
		}
		w.publishes("nothing changed")
		w.refuse = func(string, string) error { return forbidden }
		w.follow(ghcrRule)
		w.MarkChanged()
		if _, wait := w.publish(); wait != writeAgain {
			t.Errorf("what fails later waits %s at first", wait)
		}
	})
}

func TestACacheThatIsBehindIsNoProblem(t *testing.T) {
	w := newWorld(t, hubRule)
	w.refuse = func(string, string) error {
		return apierrors.NewConflict(kube.AdmissionRules.GroupResource(), "hub", errors.New("it is another version"))
	}
	if writes, wait := w.publish(); wait != writeAgain || len(writes) != 1 || len(w.problems) > 0 || w.Published() != nil {
		t.Errorf("waits %s, writes %q, problems %v", wait, writes, w.problems)
	}
	w.refuse = func(string, string) error { return nil }
	w.publishes("the cache has caught up", "apply hub")
}

func TestARuleThatIsTooLargeIsToldAndTheOthersArePublished(t *testing.T) {
	var large strings.Builder
	large.WriteString("- name: large\n  secrets:\n")
	for i := range 200 {
		fmt.Fprintf(&large, "  - {source: {name: hub}, name: reg-%d}\n", i)
	}
	w := newWorld(t, large.String()+ghcrRule)
	w.publishes("at first", "apply ghcr")
	if want := []string{TooLarge + " large"}; !slices.Equal(w.has(), want) {
		t.Errorf("problems: %v", w.problems)
	}
	w.follow(ghcrRule)
	w.MarkChanged()
	w.publishes("it is gone")
	if len(w.problems) > 0 {
		t.Errorf("problems: %v", w.problems)
	}
}

// TestListsThatOthersUseTooAreDecidedAgain when other parameters are published: it may be that they can be given up now.
func TestListsThatOthersUseTooAreDecidedAgain(t *testing.T) {
	w := newWorld(t, hubRule)
	account := func(namespace string, owns bool, owners []cluster.Owner, names ...string) {
		w.caches.Accounts.Add(&cluster.ServiceAccount{
			Meta: cluster.Meta{Namespace: namespace, Name: "default"}, PullSecrets: names, OwnsList: owns, Owners: owners,
			Ledger: "pullsecrets/" + namespace + ": reg",
		})
	}
	account("ours-alone", true, nil, "reg")
	account("given-up", false, []cluster.Owner{{Manager: "argocd"}}, "theirs", "reg")
	account("shared-field", true, []cluster.Owner{{Manager: "argocd"}}, "reg")
	account("shared-list", true, nil, "theirs", "reg")
	requeued := func(why string, want ...string) {
		t.Helper()
		slices.Sort(w.requeued)
		if !slices.Equal(w.requeued, want) {
			t.Errorf("%s: %q are decided again, want %q", why, w.requeued, want)
		}
		w.requeued = nil
	}
	w.publishes("at first", "apply hub")
	requeued("at first", "shared-field", "shared-list")
	w.MarkChanged()
	w.publishes("nothing differs")
	requeued("nothing differs")
	w.follow(ghcrRule)
	w.MarkChanged()
	w.publishes("others", "delete hub", "apply ghcr")
	requeued("others", "shared-field", "shared-list")
}

func TestWhatIsWithoutEffectIsSoUntilSomethingElseIsPublished(t *testing.T) {
	w := newWorld(t, hubRule)
	w.publishes("at first", "apply hub")
	if !w.Effective() {
		t.Error("it is taken for ineffective before anybody tried")
	}
	w.MarkIneffective()
	w.MarkChanged()
	w.publishes("nothing differs")
	if w.Effective() {
		t.Error("what was published has no effect, and nothing else was")
	}
	w.follow(ghcrRule)
	w.MarkChanged()
	w.publishes("others", "delete hub", "apply ghcr")
	if !w.Effective() {
		t.Error("others were published, and nobody tries")
	}
}

// TestASourceThatWentHasAllNamespacesLookedAtFirst: where a copy of ours is, its name stays.
func TestASourceThatWentHasAllNamespacesLookedAtFirst(t *testing.T) {
	w := newWorld(t, hubRule)
	for _, name := range []string{"with", "without"} {
		w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: name}})
	}
	w.caches.Copies["reg"].Add(&cluster.Secret{
		Meta: cluster.Meta{Namespace: "with", Name: "reg"}, Type: cluster.TypeDockerConfigJSON, Applied: true, OwnsData: true,
		Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Rule: "hub", Source: "pullsecrets/hub", For: "pullsecrets/with"},
	})
	adds := func(why string, want ...string) {
		t.Helper()
		var got []string
		for _, name := range []string{"with", "without"} {
			account := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: name, Name: "default"}}
			if w.Published().Add(w.cluster.Namespace(name), account, "reg") {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the name is added in %q, want %q", why, got, want)
		}
	}
	w.publishes("at first", "apply hub")
	adds("at first", "with", "without")
	w.missing["hub"] = true
	w.cluster.ForgetSources()
	w.SourcesChanged()
	w.publishes("the source went", "apply hub")
	adds("the source went", "with")
	if w.decided != 1 {
		t.Errorf("all namespaces were decided %d times", w.decided)
	}
	w.missing["hub"] = false
	w.cluster.ForgetSources()
	w.SourcesChanged()
	w.publishes("the source is back", "apply hub")
	adds("the source is back", "with", "without")
}

// TestWhatIsInTheWayTakesANameOut of one namespace.
func TestWhatIsInTheWayTakesANameOut(t *testing.T) {
	w := newWorld(t, hubRule)
	w.publishes("at first", "apply hub")
	foreign := plan.Plan{Namespace: "a", Actions: []plan.Action{{Kind: plan.KindSecret, Name: "reg", Rule: "hub", Reason: plan.ForeignSecret}}}
	w.Note(foreign)
	w.Note(foreign)
	if w.changed.Load() != 1 {
		t.Errorf("it is told %d times", w.changed.Load())
	}
	w.publishes("a foreign secret", "apply hub")
	account := &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "a", Name: "default"}}
	if w.Published().Add(&cluster.Namespace{Meta: cluster.Meta{Name: "a"}}, account, "reg") {
		t.Error("the name of somebody's secret is added")
	}
	w.Note(plan.Plan{Namespace: "a"})
	w.publishes("it is gone", "apply hub")
}

// TestManySecretsInTheWayTakeFewWrites though they come one after the other, and none is left out.
func TestManySecretsInTheWayTakeFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hubRule)
		w.publishes("at first", "apply hub")
		writes, due := 0, time.Duration(0)
		for i := range 100 {
			w.Note(plan.Plan{Namespace: fmt.Sprintf("ns-%d", i), Actions: []plan.Action{{Kind: plan.KindSecret, Name: "reg", Rule: "hub", Reason: plan.ForeignSecret}}})
			w.MarkChanged() // as the events of the parameters do
			var did []string
			did, due = w.publish()
			writes += len(did)
			time.Sleep(100 * time.Millisecond)
		}
		if writes < 2 || writes > 3*fewNotes {
			t.Errorf("%d writes in ten seconds", writes)
		}
		if due <= 0 || due > noteWindow {
			t.Fatalf("the last one is written in %s", due)
		}
		time.Sleep(due)
		w.publishes("the last ones", "apply hub")
		for i := range 100 {
			ns := &cluster.Namespace{Meta: cluster.Meta{Name: fmt.Sprintf("ns-%d", i)}}
			if w.Published().Add(ns, &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: ns.Name, Name: "default"}}, "reg") {
				t.Errorf("the name of somebody's secret is added in %s", ns.Name)
			}
		}
		time.Sleep(noteWindow)
		w.Note(plan.Plan{Namespace: "ns-1"})
		w.publishes("one that comes alone does not wait", "apply hub")
	})
}

// TestANewPolicyIsPublishedBeforeItIsWorkedOn, with the exceptions that it has, and is tried again where that failed.
func TestANewPolicyIsPublishedBeforeItIsWorkedOn(t *testing.T) {
	w := newWorld(t, hubRule)
	w.publishes("at first", "apply hub")
	w.writes = nil
	w.follow(ghcrRule)
	w.Begin(t.Context(), w.policy, w.NewSurvey())
	if want := []string{"delete hub", "apply ghcr"}; !slices.Equal(w.writes, want) || w.changed.Load() > 0 || w.decided > 0 {
		t.Errorf("wrote %q, %d changes, %d looks at all namespaces", w.writes, w.changed.Load(), w.decided)
	}
	w.refuse = func(string, string) error { return errors.New("no") }
	w.follow(hubRule)
	w.Begin(t.Context(), w.policy, w.NewSurvey())
	if w.changed.Load() != 1 || len(w.problems) != 2 {
		t.Errorf("it failed: %d changes, problems %v", w.changed.Load(), w.problems)
	}
}

// TestASourceThatMayNotBeReadNeitherAddsNorTakesAway its name.
func TestASourceThatMayNotBeReadNeitherAddsNorTakesAway(t *testing.T) {
	forbidden := func(types.NamespacedName) policy.SourceState {
		return policy.SourceState{Status: policy.SourceForbidden}
	}
	for _, published := range []bool{false, true} {
		w := newWorld(t, hubRule)
		want := []string(nil)
		if published {
			w.publishes("at first", "apply hub")
		}
		w.caches.Source = forbidden
		w.cluster.Fill(w.caches)
		w.cluster.ForgetSources()
		w.SourcesChanged()
		w.publishes(fmt.Sprintf("forbidden, and published before is %t", published), want...)
		if _, there := w.cluster.Parameters()["hub"]; there != published {
			t.Errorf("there is a parameter: %t", there)
		}
	}
}
