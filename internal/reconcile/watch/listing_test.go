package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// served is an API server that has secrets of one name, by namespace and version, and may forbid to list or watch them.
type served struct {
	dynamic.Interface
	dynamic.NamespaceableResourceInterface
	mu              sync.Mutex
	secrets         map[string]string // versions by namespace
	noList, noWatch error
	lists, watches  int

	events  []string // that the informer told
	failed  []error
	listing int // how often it was said that it is listed and not watched
	states  int // how often an informer became something else
}

func (s *served) Resource(schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return s
}

func (s *served) List(_ context.Context, options metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	if s.noList != nil {
		return nil, s.noList
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "100"}}}
	if options.FieldSelector == "metadata.name=reg" {
		for namespace, version := range s.secrets {
			list.Items = append(list.Items, *reg(namespace, version))
		}
	}
	return list, nil
}

// Watch sends what there is, where that is asked for, and nothing more.
func (s *served) Watch(_ context.Context, options metav1.ListOptions) (apiwatch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches++
	if s.noWatch != nil {
		return nil, s.noWatch
	}
	stream := apiwatch.NewFakeWithOptions(apiwatch.FakeOptions{ChannelSize: 100})
	if options.SendInitialEvents != nil && *options.SendInitialEvents {
		for namespace, version := range s.secrets {
			stream.Add(reg(namespace, version))
		}
		bookmark := reg("", "100")
		bookmark.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		stream.Action(apiwatch.Bookmark, bookmark)
	}
	return stream, nil
}

func reg(namespace, version string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret"}}
	u.SetNamespace(namespace)
	u.SetName("reg")
	u.SetUID("uid")
	u.SetResourceVersion(version)
	return u
}

// change changes something while nothing else runs.
func (s *served) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// told returns the events since the last time, and how many lists and watches there were until now.
func (s *served) told() (events []string, lists, watches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, s.events = slices.Sorted(slices.Values(s.events)), nil
	return events, s.lists, s.watches
}

// counted is how many failures were told, how often it was that something is listed and not watched, and how often an
// informer became something else.
func (s *served) counted() (failed, listing, states int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.failed), s.listing, s.states
}

func (s *served) group(options Options) *Group {
	count := func(n *int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		*n++
	}
	options.Client = s
	options.OnState = func() { count(&s.states) }
	options.OnListing = func(kube.Target) { count(&s.listing) }
	options.OnPlainLists = func(kube.Target) {}
	if options.Unobserved == nil {
		options.Unobserved = func(kube.Target) []cluster.Object { return nil }
	}
	return NewGroup(options)
}

func (s *served) spec() Spec {
	return Spec{
		Target: kube.Target{Resource: kube.Secrets, Name: "reg"},
		Project: func(u metav1.Object) cluster.Object {
			return regMeta(u.GetNamespace(), u.GetResourceVersion())
		},
		OnEvent: func(e Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			word := map[[2]bool]string{{false, true}: "new", {true, true}: "changed", {true, false}: "gone"}[[2]bool{e.Old != nil, e.New != nil}]
			if e.Unchanged() {
				word = "unchanged"
			}
			if e.Initial {
				word = "initial"
			}
			s.events = append(s.events, word+" "+e.Object().GetNamespace())
		},
		OnError: func(_ kube.Target, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed = append(s.failed, err)
		},
	}
}

func regMeta(namespace, version string) *cluster.Meta {
	return &cluster.Meta{Namespace: namespace, Name: "reg", UID: "uid", ResourceVersion: version}
}

func notPermitted(verb string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", fmt.Errorf("cannot %s", verb))
}

// follow starts an informer and ends it with the test.
func (s *served) follow(t *testing.T, options Options) *Informer {
	ctx, cancel := context.WithCancel(t.Context())
	g := s.group(options)
	one := g.Add(s.spec())
	g.Start(ctx)
	t.Cleanup(func() {
		cancel()
		g.Wait(time.Minute)
	})
	synctest.Wait()
	return one
}

// TestAListTellsWhatIsNewChangedAndGone, as a watch does.
func TestAListTellsWhatIsNewChangedAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &served{secrets: map[string]string{"a": "1", "b": "2", "c": "3"}}
		wrote := []cluster.Object(nil)
		one := s.follow(t, Options{ListEvery: time.Minute, ListOnly: true, Unobserved: func(kube.Target) []cluster.Object {
			s.mu.Lock()
			defer s.mu.Unlock()
			return wrote
		}})
		tells := func(why string, want ...string) {
			t.Helper()
			if got, _, watches := s.told(); !slices.Equal(got, want) || watches > 0 {
				t.Errorf("%s: told are %q, want %q; watched %d times", why, got, want, watches)
			}
		}
		tells("at first", "initial a", "initial b", "initial c")
		if settled, forbidden := one.Answer(); !settled || forbidden || one.Get(cache.ObjectName{Namespace: "a", Name: "reg"}) == nil || len(one.All()) != 3 {
			t.Errorf("settled is %t, forbidden is %t, there are %d", settled, forbidden, len(one.All()))
		}
		if _, version := one.GetWithVersion(cache.ObjectName{Namespace: "a", Name: "reg"}); version != "" {
			t.Errorf("a list that was made a while ago is taken to hold everything up to version %s", version)
		}
		s.change(func() { s.secrets = map[string]string{"a": "1", "b": "7", "d": "8"} })
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		tells("a second before the next list")
		s.change(func() { wrote = []cluster.Object{regMeta("e", "9"), regMeta("d", "8")} })
		time.Sleep(time.Second)
		synctest.Wait()
		tells("the next list, and what we wrote in between is gone", "changed b", "gone c", "gone e", "new d", "unchanged a")
		if one.Get(cache.ObjectName{Namespace: "c", Name: "reg"}) != nil || one.Get(cache.ObjectName{Namespace: "d", Name: "reg"}) == nil {
			t.Error("the cache is not that of the list")
		}
		if _, listing, _ := s.counted(); listing > 0 {
			t.Error("it is wanted for itself, and is told as if watching were forbidden")
		}
	})
}

// TestAListTellsOfWhatWeMadeAnewThatItIsGone, and not of what was there before that, which would be an older event.
func TestAListTellsOfWhatWeMadeAnewThatItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		anew := &cluster.Meta{Namespace: "a", Name: "reg", UID: "anew", ResourceVersion: "7"}
		s := &served{secrets: map[string]string{"a": "1"}}
		g := s.group(Options{ListEvery: time.Minute, ListOnly: true, Unobserved: func(kube.Target) []cluster.Object { return []cluster.Object{anew} }})
		spec := s.spec()
		var gone []string
		spec.OnEvent = func(e Event) {
			if e.New == nil {
				gone = append(gone, string(e.Old.GetUID()))
			}
		}
		g.Add(spec)
		ctx, cancel := context.WithCancel(t.Context())
		g.Start(ctx)
		defer func() {
			cancel()
			g.Wait(time.Minute)
		}()
		synctest.Wait()
		s.change(func() { s.secrets = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(gone, []string{"anew"}) {
			t.Errorf("told to be gone are %q", gone)
		}
	})
}

func TestAListThatFailsKeepsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &served{secrets: map[string]string{"a": "1"}}
		one := s.follow(t, Options{ListEvery: time.Minute, ListOnly: true})
		s.change(func() { s.noList = errors.New("no answer") })
		time.Sleep(time.Minute)
		synctest.Wait()
		if failed, _, _ := s.counted(); failed != 1 || !one.Settled() || one.Get(cache.ObjectName{Namespace: "a", Name: "reg"}) == nil {
			t.Errorf("%d failures, settled is %t, %d are there", failed, one.Settled(), len(one.All()))
		}
		s.change(func() { s.noList, s.secrets = nil, map[string]string{"b": "2"} })
		s.told()
		time.Sleep(listRetry)
		synctest.Wait()
		if got, _, _ := s.told(); !slices.Equal(got, []string{"gone a", "new b"}) {
			t.Errorf("after %s told are %q", listRetry, got)
		}
	})
}

func TestWhatMayOnlyBeListedIsListedUntilItMayBeWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &served{secrets: map[string]string{"a": "1"}, noWatch: notPermitted("watch")}
		one := s.follow(t, Options{ListEvery: 20 * time.Second})
		time.Sleep(50 * time.Second)
		synctest.Wait()
		_, lists, watches := s.told()
		_, listing, _ := s.counted()
		if settled, forbidden := one.Answer(); !settled || forbidden || listing == 0 {
			t.Errorf("settled is %t, forbidden is %t, told %d times that it is listed", settled, forbidden, listing)
		}
		time.Sleep(watchProbe)
		synctest.Wait()
		if _, more, probes := s.told(); more != lists+3 || probes != watches+1 {
			t.Errorf("within a minute %d lists, and asked %d times whether it may be watched", more-lists, probes-watches)
		}
		s.change(func() { s.noWatch = nil })
		time.Sleep(watchProbe)
		synctest.Wait()
		_, lists, _ = s.told()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if _, more, _ := s.told(); more != lists || !one.Settled() || one.Get(cache.ObjectName{Namespace: "a", Name: "reg"}) == nil {
			t.Errorf("it may be watched, and is listed %d times; settled is %t", more-lists, one.Settled())
		}
	})
}

// TestWhatIsForbiddenIsAnAnswer, and is picked up when it is permitted.
func TestWhatIsForbiddenIsAnAnswer(t *testing.T) {
	for why, options := range map[string]Options{"watched": {}, "listed where it may not be watched": {ListEvery: 20 * time.Second}, "listed": {ListEvery: 20 * time.Second, ListOnly: true}} {
		synctest.Test(t, func(t *testing.T) {
			s := &served{secrets: map[string]string{"a": "1"}, noList: notPermitted("list"), noWatch: notPermitted("watch")}
			one := s.follow(t, options)
			time.Sleep(time.Second)
			synctest.Wait()
			if settled, forbidden := one.Answer(); !settled || !forbidden || one.Get(cache.ObjectName{Namespace: "a", Name: "reg"}) != nil || one.All() != nil || one.InNamespace("a") != nil {
				t.Errorf("%s: settled is %t, forbidden is %t", why, settled, forbidden)
			}
			if failed, _, states := s.counted(); failed == 0 || states != 1 {
				t.Errorf("%s: %d failures, %d changes", why, failed, states)
			}
			s.change(func() { s.noList, s.noWatch = nil, nil })
			time.Sleep(time.Minute)
			synctest.Wait()
			want := []string{"initial a"}
			if options.ListOnly { // twice more within the minute
				want = append(want, "unchanged a", "unchanged a")
			}
			if got, _, _ := s.told(); !slices.Equal(got, want) {
				t.Errorf("%s: permitted, and told are %q", why, got)
			}
			_, _, states := s.counted()
			if settled, forbidden := one.Answer(); !settled || forbidden || one.Get(cache.ObjectName{Namespace: "a", Name: "reg"}) == nil || states != 2 {
				t.Errorf("%s: permitted: settled is %t, forbidden is %t, %d changes", why, settled, forbidden, states)
			}
		})
	}
}

// TestAResourceThatTheClusterDoesNotKnow is as if it were forbidden, where it may be so.
func TestAResourceThatTheClusterDoesNotKnow(t *testing.T) {
	for _, optional := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			unknown := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "")
			s := &served{noList: unknown, noWatch: unknown}
			ctx, cancel := context.WithCancel(t.Context())
			g, spec := s.group(Options{}), s.spec()
			spec.Optional = optional
			one := g.Add(spec)
			g.Start(ctx)
			time.Sleep(time.Second)
			synctest.Wait()
			if settled, forbidden := one.Answer(); settled != optional || forbidden != optional {
				t.Errorf("optional is %t: settled is %t, forbidden is %t", optional, settled, forbidden)
			}
			if lists := Unsettled([]*Informer{one}); !optional && (len(lists) != 1 || !strings.Contains(lists[0].LastErr, "404 NotFound")) {
				t.Errorf("what is waited for is %+v", lists)
			}
			cancel()
			g.Wait(time.Minute)
		})
	}
}

// TestInformersBeginWithTheirGroup, and end when they are stopped, or with it.
func TestInformersBeginWithTheirGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &served{secrets: map[string]string{"a": "1"}}
		ctx, cancel := context.WithCancel(t.Context())
		g := s.group(Options{ListEvery: time.Second, ListOnly: true})
		before := g.Add(s.spec())
		before.Stop() // it does not run, so there is nothing to stop
		time.Sleep(time.Minute)
		if _, lists, _ := s.told(); before.Settled() || lists > 0 {
			t.Errorf("it began before its group, and listed %d times", lists)
		}
		g.Start(ctx)
		after := g.Add(s.spec())
		synctest.Wait()
		if !before.Settled() || !after.Settled() {
			t.Errorf("settled are the first: %t, the second: %t", before.Settled(), after.Settled())
		}
		after.Stop()
		synctest.Wait()
		_, lists, _ := s.told()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, more, _ := s.told(); more != lists+10 {
			t.Errorf("one of two was stopped, and there were %d lists in 10 s", more-lists)
		}
		began := time.Now()
		g.Wait(3 * time.Second)
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("one goes on, and it was waited for it for %s", waited)
		}
		cancel()
		began = time.Now()
		g.Wait(time.Minute)
		if waited := time.Since(began); waited > 0 {
			t.Errorf("all ended, and it was waited for %s", waited)
		}
	})
}

// TestAFilledInformerIsSettled, over the store of a test; without one it is forbidden.
func TestAFilledInformerIsSettled(t *testing.T) {
	if settled, forbidden := Filled(kube.Target{}, nil).Answer(); !settled || !forbidden {
		t.Errorf("settled is %t, forbidden is %t", settled, forbidden)
	}
}
