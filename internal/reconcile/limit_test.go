package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/watch"
)

// TestEditsInQuickSuccessionAreCountedByOneMeasure edits the policy before the last edit is carried out everywhere, and
// while the caches lag behind what was written. More than there is can never be about to go, so nothing is held at 100
// percent, whatever edit follows which.
func TestEditsInQuickSuccessionAreCountedByOneMeasure(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		f := newLaggingController(t, 100)
		for edit := range 6 {
			p := f.edit(r)
			n, all := f.wouldRemove(p)
			if n.Copies > all.Copies || n.References > all.References {
				t.Fatalf("seed %d, edit %d: %+v would go, of %+v", seed, edit, n, all)
			}
			f.activator.Activate(t.Context(), p)
			if f.limit.Held() {
				t.Fatalf("seed %d, edit %d: held, with %+v of %+v", seed, edit, n, all)
			}
			for range r.IntN(f.queue.Len() + 1) {
				f.workOnce(t.Context())
			}
			if f.limit.Held() {
				t.Fatalf("seed %d, edit %d: held while it was carried out", seed, edit)
			}
			f.catchUp(r)
		}
	}
}

// TestAnEditThatFollowsAnotherIsHeldByWhatIsThere holds what removes too much of what the caches do not show yet.
func TestAnEditThatFollowsAnotherIsHeldByWhatIsThere(t *testing.T) {
	f := newLaggingController(t, 50)
	f.activator.Activate(t.Context(), f.policy(`
- {name: one, secrets: [{source: {name: s}, name: one}]}`))
	for f.queue.Len() > 0 {
		f.workOnce(t.Context())
	}
	f.activator.Activate(t.Context(), f.policy(" []")) // and no cache shows a single copy
	if !f.limit.Held() {
		t.Error("all copies go, and nothing is held")
	}
}

// laggingController is a controller over an API server that is a map, whose caches are filled by the test.
type laggingController struct {
	*filled
	t      *testing.T
	server *mapServer
	client *switchedClient
}

// switchedClient is a client that a test exchanges.
type switchedClient struct{ kube.Client }

func newLaggingController(t *testing.T, percent int) *laggingController {
	f := &laggingController{t: t, server: &mapServer{objects: map[kube.Key]*unstructured.Unstructured{}}}
	all := f.policy(`
- {name: all, secrets: [{source: {name: s}, name: one}, {source: {name: s}, name: two}, {source: {name: s}, name: three}]}`)
	ins, haves := largeCluster(all, 1, 30, false)
	for _, in := range ins {
		for _, sa := range in.Accounts {
			u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{
				"name": sa.Name, "namespace": sa.Namespace, "uid": "u-" + sa.Name, "resourceVersion": f.server.next(),
			}}}
			f.server.objects[kube.KeyOf(sa.Namespace, plan.Action{Kind: plan.KindServiceAccount, Name: sa.Name})] = u
			*sa = *cluster.NewServiceAccount(u)
		}
	}
	f.filled = cachedBy(Config{Log: zerolog.Nop(), Workers: 1, Namespace: home, MaxPrune: percent}, all, ins, haves)
	f.cluster.Projector = cluster.NewProjector([]byte("key")) // that of largeCluster
	f.client = &switchedClient{f.server}
	f.executor = apply.New(apply.Options{
		Client: f.client, Writes: f.cluster.Writes, Projector: f.cluster.Projector, Installation: f.installation(),
		Account: f.cluster.Account, BeforeOverwrite: func(string, plan.Action) {},
	})
	return f
}

// wouldRemove counts what a policy would remove, and what there is.
func (f *laggingController) wouldRemove(p *policy.Policy) (gone, all plan.Count) {
	f.decideAll(p, func(todo plan.Plan) { gone, all = gone.Plus(todo.Removed()), all.Plus(todo.There) })
	return gone, all
}

const home = "pullsecrets"

func (f *laggingController) policy(rules string) *policy.Policy {
	f.t.Helper()
	p, problems := policy.Parse(map[string]string{"p.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:" + rules}, policy.Options{Namespace: home})
	if p == nil {
		f.t.Fatal(problems)
	}
	return p
}

// edit makes up a policy.
func (f *laggingController) edit(r *rand.Rand) *policy.Policy {
	var b strings.Builder
	for i, name := range []string{"one", "two", "three"} {
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "\n- {name: r%d, secrets: [{source: {name: s}, name: %s}], namespaces: {include: [%s]}, serviceAccounts: {include: [%s]}}",
				i, name, pick(r, `"*"`, `"team-0-1?"`, `"team-0-?"`), pick(r, "default", `"*"`, "web", ""))
		}
	}
	if b.Len() == 0 {
		return f.policy(" []")
	}
	return f.policy(b.String())
}

// catchUp has the caches show a part of what the API server has.
func (f *laggingController) catchUp(r *rand.Rand) {
	for key, u := range f.server.objects {
		if r.IntN(2) > 0 {
			continue
		}
		var o cluster.Object = cluster.NewServiceAccount(u)
		store := f.caches.Accounts
		if key.Kind == plan.KindSecret {
			o, store = f.cluster.Projector.Secret(u), f.caches.Copies[key.Name]
		}
		_ = store.Add(o)
		f.cluster.Writes.Observe(key.Kind, watch.Event{New: o})
	}
	for _, store := range f.caches.Copies {
		for _, obj := range store.List() {
			o := obj.(*cluster.Secret)
			if key := (kube.Key{Kind: plan.KindSecret, ObjectName: kube.NameOf(o)}); f.server.objects[key] == nil && r.IntN(2) == 0 {
				_ = store.Delete(o)
				f.cluster.Writes.Observe(plan.KindSecret, watch.Event{Old: o})
			}
		}
	}
}

// pick returns one of some texts.
func pick(r *rand.Rand, options ...string) string { return options[r.IntN(len(options))] }

// mapServer is an API server that one controller writes to and nobody else.
type mapServer struct {
	objects map[kube.Key]*unstructured.Unstructured
	version int
}

func (m *mapServer) TryApply(context.Context, schema.GroupVersionResource, *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return nil, errors.New("nobody asks")
}

func (m *mapServer) next() string {
	m.version++
	return fmt.Sprint(m.version + 1) // 1 is that of an object that must not exist
}

func (m *mapServer) key(resource schema.GroupVersionResource, namespace, name string) kube.Key {
	return kube.KeyOf(namespace, plan.Action{Kind: kube.KindOf[resource], Name: name})
}

func (m *mapServer) Apply(_ context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured, _ bool) (metav1.Object, error) {
	key := m.key(resource, obj.GetNamespace(), obj.GetName())
	out := obj.DeepCopy()
	if before := m.objects[key]; before != nil {
		if before.GetResourceVersion() != obj.GetResourceVersion() {
			return nil, apierrors.NewConflict(resource.GroupResource(), obj.GetName(), nil)
		}
		out.SetUID(before.GetUID())
	} else {
		out.SetUID(types.UID("u-" + m.next()))
	}
	out.SetResourceVersion(m.next())
	out.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: cluster.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
		FieldsV1: metav1.NewFieldsV1(`{"f:imagePullSecrets":{},"f:data":{"f:.dockerconfigjson":{}}}`)}})
	m.objects[key] = out
	return out.DeepCopy(), nil
}

func (m *mapServer) Delete(_ context.Context, resource schema.GroupVersionResource, obj cluster.Object) error {
	key := m.key(resource, obj.GetNamespace(), obj.GetName())
	if live := m.objects[key]; live != nil && live.GetResourceVersion() != obj.GetResourceVersion() {
		return apierrors.NewConflict(resource.GroupResource(), obj.GetName(), nil)
	}
	delete(m.objects, key)
	return nil
}

func (m *mapServer) ReleaseOwnership(_ context.Context, resource schema.GroupVersionResource, obj metav1.Object) (metav1.Object, error) {
	out := obj.(*unstructured.Unstructured).DeepCopy()
	out.SetManagedFields(nil)
	out.SetResourceVersion(m.next())
	m.objects[m.key(resource, obj.GetNamespace(), obj.GetName())] = out
	return out.DeepCopy(), nil
}

func (m *mapServer) Get(_ context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	return m.objects[m.key(resource, namespace, name)].DeepCopy(), nil
}

func (m *mapServer) Touch(_ context.Context, account *unstructured.Unstructured) (metav1.Object, error) {
	return account, nil
}

func (m *mapServer) TakeOwnership(_ context.Context, _ schema.GroupVersionResource, obj *unstructured.Unstructured, _ sets.Set[string]) (metav1.Object, error) {
	return obj, nil
}

// TestWhatCannotBeRemovedCountsOnce has a few namespaces opt out whose copies a webhook keeps from being deleted.
func TestWhatCannotBeRemovedCountsOnce(t *testing.T) {
	f := newLaggingController(t, 50)
	p := f.policy(`
- {name: one, secrets: [{source: {name: s}, name: one}]}`)
	f.activator.Activate(t.Context(), p)
	for f.queue.Len() > 0 {
		f.workOnce(t.Context())
	}
	f.client.Client = deniedDeletes{f.server}
	var out []string
	for _, obj := range f.caches.Namespaces.List()[:3] {
		ns := *obj.(*cluster.Namespace)
		ns.Excluded = true
		f.caches.Namespaces.Add(&ns)
		out = append(out, ns.Name)
	}
	for range 10 { // tries
		for _, ns := range out {
			if _, err := f.reconcile(t.Context(), ns, false); err == nil {
				t.Fatal("it was deleted")
			}
		}
	}
	if f.limit.Held() {
		t.Error("three copies that cannot be deleted are too many")
	}
	f.client.Client = f.server
	for _, ns := range out {
		if _, err := f.reconcile(t.Context(), ns, false); err != nil {
			t.Fatal(err)
		}
	}
	if want := (plan.Count{Copies: 3, References: 3}); f.limit.Counted(time.Now()) != want {
		t.Errorf("counted %+v, want %+v", f.limit.Counted(time.Now()), want)
	}
}

type deniedDeletes struct{ kube.Client }

func (deniedDeletes) Delete(context.Context, schema.GroupVersionResource, cluster.Object) error {
	return apierrors.NewForbidden(kube.Secrets.GroupResource(), "one", errors.New("by a webhook"))
}
