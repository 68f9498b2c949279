package watch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// bookmarkPatience is how long a watch-list may send no object before it counts as one whose bookmark was lost.
	bookmarkPatience = 10 * time.Second
	// watchListPatience is how long a watch-list may take in all: in a busy cluster new objects come for ever.
	watchListPatience = 2 * time.Minute
	// mostOpening is how many watch-lists of a process may be on their way to their bookmark. With hundreds of names, all at once
	// keep an API server so busy that it answers nobody, the Lease's renewal among them.
	mostOpening = 64
	// maxUnfinished is how often in a row a watch-list may end without its bookmark: a connection can break.
	maxUnfinished = 2
)

var errNoBookmark = errors.New("the watch-list did not end with its bookmark")

// watchLists decides for all watches of a process whether they start with a watch-list: a watch that first sends what
// exists, and then a bookmark that ends this part. A proxy before the API server can lose that bookmark, and client-go
// waits for it for ever. The first watch that got none and was answered when it listed instead has all others list too.
type watchLists struct {
	off  atomic.Bool
	lost func(kube.Target) // is called once, with the first watch whose bookmark was lost

	made    sync.Once
	opening chan struct{} // holds one for each that is on its way to its bookmark
}

// turn waits until another watch-list may be opened. done is to be called once it is complete, or ended; again does no harm.
func (l *watchLists) turn(ctx context.Context) (done func(), err error) {
	l.made.Do(func() { l.opening = make(chan struct{}, mostOpening) })
	select {
	case l.opening <- struct{}{}:
		return sync.OnceFunc(func() { <-l.opening }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open starts a watch. An error in place of a watch-list has client-go's reflector list and watch instead.
func (w *Informer) open(ctx context.Context, opts metav1.ListOptions, start startWatch) (apiwatch.Interface, error) {
	if opts.SendInitialEvents == nil || !*opts.SendInitialEvents {
		return start(ctx, opts)
	}
	done, err := w.group.lists.turn(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := w.openInTurn(ctx, opts, start, done)
	if err != nil {
		done()
	}
	return stream, err
}

// openInTurn starts a watch-list, and calls done once that is complete or ended. Where there is an error, it does not.
func (w *Informer) openInTurn(ctx context.Context, opts metav1.ListOptions, start startWatch, done func()) (apiwatch.Interface, error) {
	if w.group.lists.off.Load() || w.unfinished.Load() >= maxUnfinished {
		return nil, errNoBookmark
	}
	ctx, cancel := context.WithCancel(ctx)
	opening := time.AfterFunc(bookmarkPatience, cancel) // a proxy may send the response's headers with the first event only
	stream, err := start(ctx, opts)
	if !opening.Stop() {
		w.unfinished.Store(maxUnfinished)
		if err == nil {
			stream.Stop()
		}
		return nil, errNoBookmark
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &initialStream{w: w, from: stream, to: make(chan apiwatch.Event), stopped: make(chan struct{}), done: done}
	go func() {
		defer cancel()
		s.forward()
	}()
	return s, nil
}

type startWatch func(context.Context, metav1.ListOptions) (apiwatch.Interface, error)

// listed takes note that the API server answered a list. Where a watch-list just lost its bookmark, the fault is that of
// watch-lists alone, and no other watch has to find it out again.
func (w *Informer) listed() {
	if w.unfinished.Load() >= maxUnfinished && w.group.lists.off.CompareAndSwap(false, true) {
		w.group.lists.lost(w.Target)
	}
}

// initialStream is a watch-list that ends when its bookmark does not come.
type initialStream struct {
	w       *Informer
	from    apiwatch.Interface
	to      chan apiwatch.Event
	once    sync.Once
	stopped chan struct{}
	done    func() // another one may be opened
}

func (s *initialStream) ResultChan() <-chan apiwatch.Event { return s.to }

func (s *initialStream) Stop() { s.once.Do(func() { close(s.stopped) }) }

// forward passes on the events until the stream ends or is stopped. Until the bookmark came, it ends the stream when
// no object that exists comes any more; one that is modified or deleted is news, and says nothing of the bookmark.
func (s *initialStream) forward() {
	defer close(s.to)
	defer s.done()
	defer s.from.Stop()
	quiet, whole := time.NewTimer(bookmarkPatience), time.NewTimer(watchListPatience)
	defer quiet.Stop()
	defer whole.Stop()
	complete, failed := false, false
	for {
		select {
		case <-s.stopped:
			return
		case <-quiet.C:
			s.w.unfinished.Store(maxUnfinished)
			return
		case <-whole.C:
			s.w.unfinished.Store(maxUnfinished)
			return
		case event, ok := <-s.from.ResultChan():
			if !ok {
				if !complete && !failed {
					s.w.unfinished.Add(1)
				}
				return
			}
			failed = event.Type == apiwatch.Error
			if endsInitialEvents(event) {
				complete = true
				s.w.unfinished.Store(0)
				quiet.Stop()
				whole.Stop()
				s.done()
			}
			select {
			case <-s.stopped:
				return
			case s.to <- event:
			}
			if event.Type == apiwatch.Added && !complete {
				quiet.Reset(bookmarkPatience) // only now: whoever reads may be slow
			}
		}
	}
}

// endsInitialEvents reports whether an event is the bookmark that ends what exists.
func endsInitialEvents(event apiwatch.Event) bool {
	if event.Type != apiwatch.Bookmark {
		return false
	}
	object, err := meta.Accessor(event.Object)
	return err == nil && object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}
