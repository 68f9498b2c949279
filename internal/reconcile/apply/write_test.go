package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// scripted is an API server that has one object, and admission that adds names to it.
type scripted struct {
	live    *unstructured.Unstructured
	version int
	adds    func(touches int) (names []string, ledger string) // what admission makes of a touched account; nil for nothing
	refuse  func(verb string) error
	writes  []string
	sent    *unstructured.Unstructured // with the last write

	ineffective bool
	puts        []string // names that admission puts into each list that is applied
}

func (s *scripted) TryApply(context.Context, schema.GroupVersionResource, *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return nil, errors.New("nobody asks")
}

func (s *scripted) Effective() bool  { return !s.ineffective }
func (s *scripted) MarkIneffective() { s.ineffective = true }

func (s *scripted) executor() *Executor {
	return New(Options{
		Client: s, Writes: state.NewOwnWrites(), Projector: state.NewProjector(), Installation: cluster.Installation{Home: "pullsecrets"}, Guarantee: s,
		Account:         func(o metav1.Object) *cluster.ServiceAccount { return cluster.NewServiceAccount(o) },
		BeforeOverwrite: func(string, plan.Action) {},
	})
}

// write begins a write, and fails if it is over another version than there is.
func (s *scripted) write(verb string, obj *unstructured.Unstructured) error {
	s.writes = append(s.writes, verb)
	s.sent = obj.DeepCopy()
	if s.refuse != nil {
		if err := s.refuse(verb); err != nil {
			return err
		}
	}
	if s.live != nil && obj.GetResourceVersion() != s.live.GetResourceVersion() {
		return apierrors.NewConflict(schema.GroupResource{}, obj.GetName(), nil)
	}
	s.version++
	return nil
}

// keep has an object be the live one, in a new version, and answers with it as the API server does: of its type.
func (s *scripted) keep(u *unstructured.Unstructured) (metav1.Object, error) {
	s.live = u.DeepCopy()
	s.live.SetUID("uid")
	s.live.SetResourceVersion(fmt.Sprint(10 + s.version))
	if u.GetKind() == "Secret" {
		secret := &corev1.Secret{}
		return secret, runtime.DefaultUnstructuredConverter.FromUnstructured(s.live.Object, secret)
	}
	account := &corev1.ServiceAccount{}
	return account, runtime.DefaultUnstructuredConverter.FromUnstructured(s.live.Object, account)
}

// untyped is an answer of keep as it is live.
func untyped(o metav1.Object) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	return &unstructured.Unstructured{Object: fields}, err
}

func (s *scripted) Apply(_ context.Context, _ schema.GroupVersionResource, obj *unstructured.Unstructured, force bool) (metav1.Object, error) {
	if err := s.write(fmt.Sprintf("apply forced=%t", force), obj); err != nil {
		return nil, err
	}
	for _, name := range s.puts {
		list, _, _ := unstructured.NestedSlice(obj.Object, "imagePullSecrets")
		_ = unstructured.SetNestedSlice(obj.Object, append(list, map[string]any{"name": name}), "imagePullSecrets")
	}
	return s.keep(obj)
}

func (s *scripted) Touch(_ context.Context, obj *unstructured.Unstructured) (metav1.Object, error) {
	if err := s.write("touch", obj); err != nil {
		return nil, err
	}
	out := s.live.DeepCopy()
	if s.adds != nil {
		names, ledger := s.adds(len(s.writes))
		out = account(ledger, names...)
	}
	return s.keep(out)
}

func (s *scripted) Delete(_ context.Context, _ schema.GroupVersionResource, obj cluster.Object) error {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetResourceVersion(obj.GetResourceVersion())
	err := s.write("delete", u)
	if err == nil {
		s.live = nil
	}
	return err
}

func (s *scripted) ReleaseOwnership(_ context.Context, _ schema.GroupVersionResource, obj metav1.Object) (metav1.Object, error) {
	u, err := untyped(obj)
	if err != nil {
		return nil, err
	}
	if err := s.write("release", u); err != nil {
		return nil, err
	}
	return s.keep(u)
}

func (s *scripted) TakeOwnership(_ context.Context, _ schema.GroupVersionResource, obj *unstructured.Unstructured, from sets.Set[string]) (metav1.Object, error) {
	if err := s.write("take from "+strings.Join(sets.List(from), ","), obj); err != nil {
		return nil, err
	}
	return s.keep(obj)
}

func (s *scripted) Get(_ context.Context, resource schema.GroupVersionResource, _, name string) (*unstructured.Unstructured, error) {
	if s.live == nil {
		return nil, apierrors.NewNotFound(resource.GroupResource(), name)
	}
	return s.live.DeepCopy(), nil
}

// TestNamesThatTheAPIServerAddsAreNotApplied: a touch leaves the list its owner's.
func TestNamesThatTheAPIServerAddsAreNotApplied(t *testing.T) {
	const ledger = "pullsecrets/a: hub"
	after := func(n int, ledger string) func(int) ([]string, string) {
		return func(touches int) ([]string, string) {
			if touches < n {
				return []string{"theirs"}, ""
			}
			return []string{"theirs", "hub"}, ledger
		}
	}
	touches := func(n int, then ...string) []string {
		return append(slices.Repeat([]string{"touch"}, n), then...)
	}
	whole := []string{"apply forced=true", "release"}
	for _, c := range []struct {
		why         string
		adds        func(int) ([]string, string)
		change      func(s *scripted, a *plan.Action)
		writes      []string
		took        time.Duration
		ineffective bool
	}{
		{"at once", after(1, ledger), nil, touches(1), 0, false},
		{"a moment after its parameter", after(3, ledger), nil, touches(3), 3 * touchFirst, false},
		{"never", nil, nil, touches(5, whole...), 31 * touchFirst, true},
		{"without a ledger", after(1, ""), nil, touches(1, whole...), 0, false},
		{"it is known not to", after(1, ledger), func(s *scripted, _ *plan.Action) { s.ineffective = true }, whole, 0, true},
		{"a name is to be removed too", after(1, ledger), func(_ *scripted, a *plan.Action) { a.List.Removed = []string{"old"} }, whole, 0, false},
		{"nothing is to be added", after(1, ledger), func(_ *scripted, a *plan.Action) { a.List.Added = nil }, whole, 0, false},
		{"the list is to be kept", after(1, ledger), func(_ *scripted, a *plan.Action) { a.List.Release = false }, whole[:1], 0, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{live: account("", "theirs"), adds: c.adds}
				a := addNames("uid", "theirs", "hub")
				a.Name, a.ResourceVersion = "default", "2"
				a.List.Added, a.List.Ledger, a.List.Release = []string{"hub"}, []string{"hub"}, true
				if c.change != nil {
					c.change(s, &a)
				}
				began := time.Now()
				if err := s.executor().setList(t.Context(), "a", a); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); !slices.Equal(s.writes, c.writes) || took != c.took || s.ineffective != c.ineffective {
					t.Errorf("written are %q in %s, ineffective is %t; want %q in %s", s.writes, took, s.ineffective, c.writes, c.took)
				}
				if got := cluster.NewServiceAccount(s.live).PullSecrets; !slices.Equal(got, []string{"theirs", "hub"}) {
					t.Errorf("the list is %q", got)
				}
			})
		})
	}
}

// TestAListIsGivenUpAlthoughANameCameBack: its owner would conflict with us until the next try.
func TestAListIsGivenUpAlthoughANameCameBack(t *testing.T) {
	for _, c := range []struct {
		why     string
		release bool
		refuse  string
		writes  []string
		back    bool // that a name came back is the error
	}{
		{"shared", true, "", []string{"apply forced=true", "release"}, true},
		{"shared, and that fails", true, "release", []string{"apply forced=true", "release"}, false},
		{"to be kept", false, "", []string{"apply forced=true"}, true},
	} {
		s := &scripted{live: account("", "theirs", "hub"), puts: []string{"hub"}, refuse: func(verb string) error {
			if verb == c.refuse {
				return errors.New("no answer")
			}
			return nil
		}}
		a := addNames("uid", "theirs")
		a.Name, a.ResourceVersion = "default", "2"
		a.List.Added, a.List.Removed, a.List.Release = nil, []string{"hub"}, c.release
		err := s.executor().setList(t.Context(), "a", a)
		if err == nil || errors.Is(err, ErrCameBack) != c.back || !slices.Equal(s.writes, c.writes) {
			t.Errorf("%s: %v after %q, want %q", c.why, err, s.writes, c.writes)
		}
	}
}

func TestATouchThatFailsIsTheErrorOfTheWrite(t *testing.T) {
	s := &scripted{live: account("", "theirs"), refuse: func(string) error { return errors.New("no answer") }}
	a := addNames("uid", "theirs", "hub")
	a.List.Added, a.List.Release, a.ResourceVersion = []string{"hub"}, true, "2"
	if err := s.executor().setList(t.Context(), "a", a); err == nil || !slices.Equal(s.writes, []string{"touch"}) {
		t.Errorf("%v after %q", err, s.writes)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{live: account("", "theirs")}
		ctx, cancel := context.WithTimeout(t.Context(), touchFirst/2)
		defer cancel()
		if err := s.executor().setList(ctx, "a", a); !errors.Is(err, context.DeadlineExceeded) || s.ineffective {
			t.Errorf("%v, ineffective is %t", err, s.ineffective)
		}
	})
}

// TestAListIsGivenUpAtTheVersionThatWasDecidedOn, an empty one with its field.
func TestAListIsGivenUpAtTheVersionThatWasDecidedOn(t *testing.T) {
	ours := func(u *unstructured.Unstructured) *unstructured.Unstructured {
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: cluster.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(`{"f:imagePullSecrets":{}}`)}})
		return u
	}
	for _, c := range []struct {
		why     string
		live    *unstructured.Unstructured
		version string
		writes  []string
		class   kube.Class
	}{
		{"a list of others", ours(account("", "theirs")), "2", []string{"release"}, kube.OK},
		{"an empty one", ours(account("")), "2", []string{"apply forced=true"}, kube.OK},
		{"an empty one that is not ours", account(""), "2", []string{"release"}, kube.OK},
		{"another version", ours(account("", "theirs")), "1", nil, kube.Stale},
		{"it is gone", nil, "2", nil, kube.Gone},
	} {
		s := &scripted{live: c.live}
		err := s.executor().act(t.Context(), "a", plan.Action{Verb: plan.Release, Kind: plan.KindServiceAccount, Name: "default", UID: "uid", ResourceVersion: c.version})
		if kube.Classify(err) != c.class || !slices.Equal(s.writes, c.writes) {
			t.Errorf("%s: %v after %q", c.why, err, s.writes)
		}
		if len(c.writes) > 0 && strings.HasPrefix(c.writes[0], "apply") {
			if _, has := s.sent.Object["imagePullSecrets"]; has {
				t.Errorf("%s: the field stays ours: %v", c.why, s.sent.Object)
			}
		}
	}
}

// liveCopy is the copy reg at version 2.
func liveCopy(managers ...string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "type": cluster.TypeDockerConfigJSON}}
	u.SetNamespace("a")
	u.SetName("reg")
	u.SetUID("uid")
	u.SetResourceVersion("2")
	var entries []metav1.ManagedFieldsEntry
	for _, m := range managers {
		entries = append(entries, metav1.ManagedFieldsEntry{Manager: m, Operation: metav1.ManagedFieldsOperationUpdate,
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:app.kubernetes.io/managed-by":{}}}}`)})
	}
	u.SetManagedFields(entries)
	return u
}

// TestCopiesAreWrittenOverWhatWasDecidedOn, and by no other requests than these.
func TestCopiesAreWrittenOverWhatWasDecidedOn(t *testing.T) {
	for _, c := range []struct {
		why     string
		verb    plan.Verb
		reason  plan.Reason
		live    *unstructured.Unstructured
		refuse  string // the verb of a write that fails
		writes  []string
		version string // that the last write was over
		class   kube.Class
	}{
		{"created, where nothing must be", plan.Create, plan.Missing, nil, "", []string{"apply forced=false"}, kube.MustNotExist, kube.OK},
		{"created, and somebody was faster", plan.Create, plan.Missing, liveCopy(), "", []string{"apply forced=false"}, kube.MustNotExist, kube.Stale},
		{"updated", plan.Update, plan.Drifted, liveCopy(), "", []string{"apply forced=true"}, "2", kube.OK},
		{"taken over from the ancestor", plan.Update, plan.Adopted, liveCopy("imagepullsecret-patcher", "fork"), "",
			[]string{"take from fork,imagepullsecret-patcher", "apply forced=true"}, "11", kube.OK},
		{"taken over, and it is gone", plan.Update, plan.Adopted, nil, "", nil, "", kube.Gone},
		{"taken over, and that fails", plan.Update, plan.Adopted, liveCopy("fork"), "take from fork", []string{"take from fork"}, "2", kube.Failed},
		{"replaced: deleted, then created", plan.Replace, plan.Drifted, liveCopy(), "", []string{"delete", "apply forced=false"}, kube.MustNotExist, kube.OK},
		{"replaced, and it cannot be deleted", plan.Replace, plan.Drifted, liveCopy(), "delete", []string{"delete"}, "2", kube.Failed},
		{"given up", plan.Release, plan.Drifted, liveCopy(), "", []string{"apply forced=true"}, "2", kube.OK},
		{"deleted", plan.Delete, plan.Drifted, liveCopy(), "", []string{"delete"}, "2", kube.OK},
		{"what nobody knows", "paint", plan.Drifted, liveCopy(), "", nil, "", kube.Failed},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := &scripted{live: c.live, refuse: func(verb string) error {
				if verb == c.refuse {
					return errors.New("no answer")
				}
				return nil
			}}
			a := plan.Action{Verb: c.verb, Kind: plan.KindSecret, Name: "reg", Reason: c.reason, Copy: &plan.Copy{
				Type: cluster.TypeDockerConfigJSON, Credential: cluster.NewCredential([]byte(`{"auths":{"hub.example":{"username":"u","password":"p"}}}`)),
				Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Rule: "hub", Source: "pullsecrets/hub", For: "pullsecrets/a"},
			}}
			if c.verb != plan.Create {
				a.UID, a.ResourceVersion = "uid", "2"
			}
			err := s.executor().act(t.Context(), "a", a)
			if kube.Classify(err) != c.class || !slices.Equal(s.writes, c.writes) {
				t.Errorf("%v after %q, want %q", err, s.writes, c.writes)
			}
			if s.sent != nil && s.sent.GetResourceVersion() != c.version {
				t.Errorf("the last write is over version %q", s.sent.GetResourceVersion())
			}
			if c.verb == plan.Release { // what we owned and leave out is removed, but the type may not be
				_, data := s.sent.Object["data"]
				if data || s.sent.Object["type"] != cluster.TypeDockerConfigJSON || s.sent.GetLabels() != nil || s.sent.GetAnnotations() != nil {
					t.Errorf("sent is %v", s.sent.Object)
				}
			}
		})
	}
}

// TestWhatComesAfterTheAccountsWaitsForThem: a copy that goes must not be named any more.
func TestWhatComesAfterTheAccountsWaitsForThem(t *testing.T) {
	for i := range 4 {
		fails, urgent := i%2 == 1, i > 1
		s := &scripted{live: account("pullsecrets/a: hub", "hub"), refuse: func(verb string) error {
			if fails && strings.HasPrefix(verb, "apply") {
				return errors.New("no answer")
			}
			return nil
		}}
		list := plan.Action{Verb: plan.SetList, Kind: plan.KindServiceAccount, Name: "default", UID: "uid", ResourceVersion: "2", List: &plan.List{Removed: []string{"hub"}}}
		gone := plan.Action{Verb: plan.Delete, Kind: plan.KindSecret, Name: "reg", UID: "uid", ResourceVersion: "11", AfterAccounts: true}
		result := s.executor().Apply(t.Context(), plan.Plan{Namespace: "a", Actions: []plan.Action{list, gone}}, urgent)
		if deleted := slices.Contains(s.writes, "delete"); deleted == fails || result.Done() == fails {
			t.Errorf("the account fails: %t; written are %q, done is %t", fails, s.writes, result.Done())
		}
		if want := (plan.Count{Copies: 1, References: 1}); !fails && result.Removed() != want {
			t.Errorf("removed are %+v", result.Removed())
		}
	}
}
