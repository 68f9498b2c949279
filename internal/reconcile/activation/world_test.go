package activation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/prune"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// world is an Activator that runs, over caches that the test fills. What is written to the two ConfigMaps is in the caches at
// once. It is for a bubble of synctest, and a test that rests while others work: whatever it does to the world, it does while
// nothing else runs.
type world struct {
	mu sync.Mutex // the test has it, but while it rests
	*Activator
	kube.Client // nil: of it only Apply is asked for
	t           *testing.T
	caches      state.Filling
	log         logged
	refuse      func(name string) error // the writes of a ConfigMap; nil for none
	// refuseStatus refuses what the status would hold; nil for nothing.
	refuseStatus func(*cluster.ConfigMap) error
	version      int

	writes   []string // the names of the ConfigMaps that were written
	pinned   string   // the version that the last one was written over
	requeued []string // namespaces
	events   []string
	decided  int  // how often all namespaces were
	leads    bool // this process does
	idle     bool // nobody works on namespaces
}

// logged is a log that many goroutines write to.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), words)
}

// newWorld is a world with some namespaces, each with one service account.
func newWorld(t *testing.T, namespaces int, options Options) *world {
	w := &world{t: t, leads: true}
	w.mu.Lock()
	t.Cleanup(w.mu.Unlock)
	o := options
	o.Namespace, o.PolicyName, o.StatusName = "pullsecrets", "the-policy", "the-status"
	o.Log = zerolog.New(&w.log)
	o.StatusInterval = 5 * time.Second
	if o.MaxPrune == 0 {
		o.MaxPrune = 50
	}
	policyName := o.PolicyName
	if o.fixed() {
		policyName = ""
	}
	o.Verifier = verify.New(verify.Options{Times: decide.Usual, Noted: func() {}})
	o.Cluster = state.New(state.Config{
		Installation: cluster.Installation{Home: o.Namespace}, PolicyName: policyName, StatusName: o.StatusName,
		Handlers: state.Handlers{Sources: func(map[types.NamespacedName]policy.SourceState) {}},
	})
	w.caches = state.NewFilling([]string{"regcred", "other"}, func(key types.NamespacedName) policy.SourceState {
		content, _, _ := o.Cluster.Projector.Content(cluster.TypeDockerConfigJSON, []byte(`{"auths":{"hub.example":{"username":"a","password":"b"}}}`))
		return policy.NewSourceState(&cluster.Source{Secret: &cluster.Secret{
			Meta: cluster.Meta{Namespace: key.Namespace, Name: key.Name}, Type: cluster.TypeDockerConfigJSON, Content: content,
		}}, cluster.Installation{})
	})
	o.Cluster.Fill(w.caches)
	for i := range namespaces {
		name := fmt.Sprintf("team-%02d", i)
		w.caches.Namespaces.Add(&cluster.Namespace{Meta: cluster.Meta{Name: name}})
		w.caches.Accounts.Add(&cluster.ServiceAccount{Meta: cluster.Meta{Namespace: name, Name: "default"}})
	}
	o.Client, o.Limit, o.Publisher = w, prune.NewLimit(o.MaxPrune), admission.New(admission.Options{})
	o.Reporter = report.New(report.Options{Log: o.Log, Explain: plan.Reason.Explain, Changed: func() { w.WakeSoon() }})
	o.Metrics = report.NewMetrics(o.Reporter, report.Gauges{})
	events := report.NewEvents(t.Context(), recorded{w: w}, func(err error) { t.Error(err) })
	o.Events = func() *report.Events { return events }
	o.Throttled = report.NewThrottledLog(o.Log)
	o.Leads = func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.leads
	}
	o.DecideAll = func(p *policy.Policy, each func(plan.Plan)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.decided++
		state.DecideAll(o.Cluster, p, state.Circumstances{}, each)
	}
	o.Requeue = func(namespaces []string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.requeue(namespaces...)
	}
	w.Activator = New(o)
	return w
}

// requeue asks for all namespaces, and for these.
func (w *world) requeue(namespaces ...string) {
	for _, ns := range w.Cluster.Namespaces() {
		namespaces = append(namespaces, ns.Name)
	}
	w.requeued = append(w.requeued, namespaces...)
}

// run starts the Activator and waits until it has nothing more to do.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	w.t.Cleanup(func() {
		w.mu.Unlock()
		defer w.mu.Lock()
		cancel()
		<-ended
	})
	w.finish()
}

// settle has the Activator look, and waits until there is nothing more to do.
func (w *world) settle() {
	w.Wake()
	w.finish()
}

// finish works on all namespaces that are asked for, until there is nothing more to do.
func (w *world) finish() {
	w.rest(0)
	for len(w.requeued) > 0 && !w.idle {
		for _, namespace := range slices.Compact(slices.Sorted(slices.Values(w.requeued))) {
			w.work(namespace)
		}
		w.requeued = nil
		w.rest(soon) // what is reported is looked at then
	}
}

// rest lets time pass, and others do what they have to do by then.
func (w *world) rest(pause time.Duration) {
	w.mu.Unlock()
	defer w.mu.Lock()
	time.Sleep(pause)
	synctest.Wait()
}

// work does in the caches what is decided about a namespace, as a worker does in the cluster.
func (w *world) work(namespace string) {
	p := w.Active()
	if p == nil {
		return
	}
	todo, ok := state.Decide(w.Cluster, p, namespace, state.Circumstances{HoldPrune: w.Limit.Held()})
	if !ok {
		w.Attempted(p, namespace, false, true)
		return
	}
	w.Track(todo.Untracked)
	for _, a := range todo.Actions {
		meta := cluster.Meta{Namespace: namespace, Name: a.Name, UID: types.UID("uid-" + a.Name), ResourceVersion: w.next()}
		switch {
		case a.List != nil:
			w.caches.Accounts.Add(&cluster.ServiceAccount{
				Meta: meta, PullSecrets: a.List.Names, Applied: true, OwnsList: true, HasLedger: true,
				Ledger: w.Cluster.Installation().Ledger(namespace, a.List.Ledger),
			})
		case a.Verb == plan.Delete:
			w.caches.Copies[a.Name].Delete(&meta)
		case a.Copy != nil:
			source := w.Cluster.Sources(p)[a.Source].Source
			w.caches.Copies[a.Name].Add(&cluster.Secret{
				Meta: meta, Type: a.Copy.Type, Content: source.Content, Marks: a.Copy.Marks, Applied: true, OwnsData: true,
			})
		}
	}
	w.Reporter.Record(todo, apply.Result{Namespace: namespace}, false)
	w.Attempted(p, namespace, false, true)
}

func (w *world) next() string {
	w.version++
	return strconv.Itoa(w.version + 1) // 1 is that of an object that must not exist
}

// edit has somebody write the policy ConfigMap: another text, and annotations that he sets.
func (w *world) edit(text string, annotations ...string) {
	w.change(func(cm *cluster.ConfigMap) {
		cm.Data = map[string]string{"policy.yaml": text}
		for i := 0; i < len(annotations); i += 2 {
			cm.Annotations[annotations[i]] = annotations[i+1]
		}
	})
}

// change has somebody change the policy ConfigMap.
func (w *world) change(change func(*cluster.ConfigMap)) {
	cm := &cluster.ConfigMap{Meta: cluster.Meta{Namespace: "pullsecrets", Name: "the-policy", UID: "uid-the-policy"}, Annotations: map[string]string{}}
	if now := w.Cluster.PolicyMap(); now != nil {
		cm.Data, cm.Annotations = now.Data, maps.Clone(now.Annotations)
	}
	change(cm)
	cm.ResourceVersion = w.next()
	w.caches.Policy.Add(cm)
}

// removePolicy has somebody delete the policy ConfigMap.
func (w *world) removePolicy() {
	gone := w.Cluster.PolicyMap()
	w.caches.Policy.Delete(gone)
	w.Cluster.Writes.Observe(kube.KindConfigMap, watch.Event{Old: gone})
}

// annotation is one of the policy ConfigMap.
func (w *world) annotation(key string) string { return w.Cluster.PolicyMap().Annotations[key] }

// isSaid wants the annotations to tell of a state, with these words.
func (w *world) isSaid(why, state, words string) {
	w.t.Helper()
	if s, m := w.annotation(cluster.AnnotationStatus), w.annotation(cluster.AnnotationMessage); s != state || !strings.Contains(m, words) {
		w.t.Errorf("%s: the annotations say %q, %q; want %s with %q", why, s, m, state, words)
	}
}

// names are those that the status ConfigMap has.
func (w *world) names() []string {
	if saved := w.Cluster.StatusMap(); saved != nil {
		return cluster.SecretNames(saved.Data[status.KeyNames])
	}
	return nil
}

// copies counts the copies of a name.
func (w *world) copies(name string) int { return len(w.caches.Copies[name].List()) }

// Apply is part of kube.Client: it writes a ConfigMap, as the API server does.
func (w *world) Apply(_ context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name, store := obj.GetName(), w.caches.Status
	if name == "the-policy" {
		store = w.caches.Policy
	}
	if resource != kube.ConfigMaps || !force || obj.GetNamespace() != "pullsecrets" {
		w.t.Errorf("applies %s %s/%s, forced %t", resource.Resource, obj.GetNamespace(), name, force)
	}
	if w.refuse != nil {
		if err := w.refuse(name); err != nil {
			return nil, err
		}
	}
	live, there := store.Get(kube.NameOf(obj)).(*cluster.ConfigMap)
	if version := obj.GetResourceVersion(); there && version != "" && version != live.ResourceVersion {
		return nil, apierrors.NewConflict(resource.GroupResource(), name, nil)
	}
	out := obj.DeepCopy()
	if name == "the-policy" {
		data := map[string]any{}
		for key, text := range live.Data {
			data[key] = text
		}
		out.Object["data"] = data
		annotations := maps.Clone(live.Annotations)
		maps.DeleteFunc(annotations, func(key, _ string) bool { return slices.Contains(annotationKeys, key) })
		maps.Copy(annotations, obj.GetAnnotations())
		out.SetAnnotations(annotations)
	}
	if name == "the-status" && w.refuseStatus != nil {
		if err := w.refuseStatus(cluster.NewConfigMap(out)); err != nil {
			return nil, err
		}
	}
	out.SetUID(types.UID("uid-" + name))
	out.SetResourceVersion(w.next())
	w.writes = append(w.writes, name)
	w.pinned = obj.GetResourceVersion()
	store.Add(cluster.NewConfigMap(out))
	return out, nil
}

// recorded is what an Event takes of the dynamic client.
type recorded struct {
	dynamic.Interface
	dynamic.ResourceInterface
	w *world
}

func (r recorded) Resource(schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return inAnyNamespace{r}
}

func (r recorded) Create(_ context.Context, u *unstructured.Unstructured, _ metav1.CreateOptions, _ ...string) (*unstructured.Unstructured, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	about, _, _ := unstructured.NestedString(u.Object, "involvedObject", "name")
	reason, _, _ := unstructured.NestedString(u.Object, "reason")
	r.w.events = append(r.w.events, about+" "+reason)
	return u, nil
}

// Patch is what the recorder asks for in place of Create, where an Event says what one said before.
func (r recorded) Patch(_ context.Context, name string, _ types.PatchType, _ []byte, _ metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	about, _, _ := strings.Cut(name, ".")
	r.w.events = append(r.w.events, about+" again")
	return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": name}}}, nil
}

type inAnyNamespace struct{ dynamic.ResourceInterface }

func (i inAnyNamespace) Namespace(string) dynamic.ResourceInterface { return i.ResourceInterface }
