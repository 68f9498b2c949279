package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

var watchList = metav1.ListOptions{SendInitialEvents: new(true)}

// played is a stream whose events a function sends. It ends when that returns, or is stopped.
type played struct {
	events  chan apiwatch.Event
	stopped chan struct{}
}

func (p *played) ResultChan() <-chan apiwatch.Event { return p.events }

func (p *played) Stop() { close(p.stopped) }

// after sends an event some time later, and reports whether the stream was not stopped until then.
func (p *played) after(pause time.Duration, kind apiwatch.EventType) bool {
	event := apiwatch.Event{Type: kind, Object: &unstructured.Unstructured{Object: map[string]any{}}}
	if kind == apiwatch.Bookmark {
		event.Object.(*unstructured.Unstructured).SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	select {
	case <-p.stopped:
		return false
	case <-time.After(pause):
	}
	select {
	case <-p.stopped:
		return false
	case p.events <- event:
		return true
	}
}

// watchListed opens watch-lists of one watch until one has its bookmark or open gives an error, at most three. It
// returns how many were opened, and how long that took.
func watchListed(t *testing.T, play func(*played)) (w *Informer, opened int, took time.Duration) {
	w = &Informer{group: &Group{}}
	began := time.Now()
	for opened < 3 {
		stream, err := w.open(t.Context(), watchList, func(context.Context, metav1.ListOptions) (apiwatch.Interface, error) {
			p := &played{make(chan apiwatch.Event), make(chan struct{})}
			go func() {
				defer close(p.events)
				play(p)
			}()
			return p, nil
		})
		if err != nil {
			break
		}
		opened++
		complete := false
		for event := range stream.ResultChan() {
			if complete = endsInitialEvents(event); complete {
				break
			}
		}
		stream.Stop()
		if complete {
			break
		}
	}
	return w, opened, time.Since(began)
}

func TestAWatchListWithoutItsBookmarkIsGivenUp(t *testing.T) {
	sends := func(n int, every time.Duration, kind, last apiwatch.EventType) func(*played) {
		return func(p *played) {
			for range n {
				if !p.after(every, kind) {
					return
				}
			}
			if last != "" {
				p.after(0, last)
				return
			}
			<-p.stopped
		}
	}
	for _, tt := range []struct {
		why    string
		play   func(*played)
		opened int
		took   time.Duration
		lost   bool
	}{
		{"one that is whole", sends(3, time.Second, apiwatch.Added, apiwatch.Bookmark), 1, 3 * time.Second, false},
		{"a large one that is slow, but goes on", sends(10, 9*time.Second, apiwatch.Added, apiwatch.Bookmark), 1, 90 * time.Second, false},
		{"nothing comes", sends(0, 0, "", ""), 1, bookmarkPatience, true},
		{"nothing more comes", sends(2, 3*time.Second, apiwatch.Added, ""), 1, 6*time.Second + bookmarkPatience, true},
		{"only news come", sends(100, 3*time.Second, apiwatch.Modified, ""), 1, bookmarkPatience, true},
		{"new objects come for ever", sends(100, 3*time.Second, apiwatch.Added, ""), 1, watchListPatience, true},
		{"it ends early, again and again", func(p *played) { p.after(3*time.Second, apiwatch.Added) }, maxUnfinished, 3 * maxUnfinished * time.Second, true},
		{"it ends with an error, of which the reflector knows more", sends(0, 0, "", apiwatch.Error), 3, 0, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, opened, took := watchListed(t, tt.play)
				if lost := w.unfinished.Load() >= maxUnfinished; opened != tt.opened || took != tt.took || lost != tt.lost {
					t.Errorf("opened %d times in %s, lost: %v; want %d in %s, %v", opened, took, lost, tt.opened, tt.took, tt.lost)
				}
			})
		})
	}
}

func TestAWatchListWhoseHeadersDoNotComeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Informer{group: &Group{}}
		began := time.Now()
		_, err := w.open(t.Context(), watchList, func(ctx context.Context, _ metav1.ListOptions) (apiwatch.Interface, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if took := time.Since(began); !errors.Is(err, errNoBookmark) || took != bookmarkPatience {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// TestWatchListsAreGivenUpForAllOnceAListWasAnswered: where lists hang too, the watch-list was not the fault.
func TestWatchListsAreGivenUpForAllOnceAListWasAnswered(t *testing.T) {
	var said []string
	shared := &Group{lists: watchLists{lost: func(what kube.Target) { said = append(said, what.String()) }}}
	opens := func(w *Informer, opts metav1.ListOptions) bool {
		_, err := w.open(t.Context(), opts, func(context.Context, metav1.ListOptions) (apiwatch.Interface, error) {
			return apiwatch.NewEmptyWatch(), nil
		})
		return err == nil
	}
	one, other := &Informer{Spec: Spec{Target: kube.Target{Resource: kube.Secrets}}, group: shared}, &Informer{group: shared}
	one.listed()
	one.unfinished.Store(maxUnfinished)
	if opens(one, watchList) || !opens(other, watchList) || len(said) > 0 {
		t.Errorf("before the list: only its own watch lists; said: %v", said)
	}
	one.listed()
	one.listed()
	if opens(one, watchList) || opens(other, watchList) || fmt.Sprint(said) != "[secrets in all namespaces]" {
		t.Errorf("after the list: no watch starts with a watch-list, and it is said once; said: %v", said)
	}
	if !opens(other, metav1.ListOptions{}) {
		t.Error("a plain watch is none")
	}
}

// counted is a stream that says when it is no longer on its way: it was stopped.
type counted struct {
	*played
	over func()
}

func (c *counted) Stop() {
	c.over()
	c.played.Stop()
}

// TestFewWatchListsAreOnTheirWayAtATime however many there are, and those that do not get there hold up nobody for long.
func TestFewWatchListsAreOnTheirWayAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 10 * mostOpening
		ctx, cancel := context.WithCancel(t.Context())
		group := &Group{}
		var mu sync.Mutex
		opening, most, complete := 0, 0, 0
		start := func(i int) startWatch {
			return func(context.Context, metav1.ListOptions) (apiwatch.Interface, error) {
				over := sync.OnceFunc(func() {
					mu.Lock()
					defer mu.Unlock()
					opening--
				})
				mu.Lock()
				opening++
				most = max(most, opening)
				mu.Unlock()
				if i%10 == 1 {
					over()
					return nil, errors.New("no")
				}
				p := &played{make(chan apiwatch.Event), make(chan struct{})}
				go func() {
					defer close(p.events)
					if i%10 > 0 { // or its bookmark never comes
						time.Sleep(time.Second)
						over()
						p.after(0, apiwatch.Bookmark)
					}
					<-p.stopped
				}()
				return &counted{p, over}, nil
			}
		}
		for i := range many {
			go func() {
				stream, err := (&Informer{group: group}).open(ctx, watchList, start(i))
				if err != nil {
					return
				}
				for range stream.ResultChan() {
					mu.Lock()
					complete++
					mu.Unlock()
					<-ctx.Done()
					stream.Stop()
				}
			}()
		}
		time.Sleep(6 * bookmarkPatience)
		mu.Lock()
		if most != mostOpening || complete != many*8/10 {
			t.Errorf("at most %d were on their way at a time, %d are complete", most, complete)
		}
		mu.Unlock()
		cancel()
		synctest.Wait()
	})
}
