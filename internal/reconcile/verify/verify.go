// Package verify asks the registries of those sources that a policy wants verified (verify: true), before they are copied and
// every hour after that. When they are asked, and what follows, is decided by package decide; nothing of the workers waits here.
package verify

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
)

// Ask asks the registries of a source whether they take its credential. It returns when ctx ends, if not before.
type Ask func(ctx context.Context, source *cluster.Source) []decide.Answer

// Options are what a Verifier needs.
type Options struct {
	Ask   Ask
	Times decide.Times
	// News is called when an answer, or that none came, has another state of a source to follow.
	News func([]decide.News)
	// Noted is called when Known is other than before, be it that a source has another version alone.
	Noted func()
}

// Verifier has registries asked. Its methods may be called at any time from any goroutine.
type Verifier struct {
	Options
	woken chan struct{}

	mu      sync.Mutex
	sources *decide.Sources
	noted   []status.VerifiedSource
	asking  map[types.NamespacedName]question
}

// question is one that is under way.
type question struct {
	decide.Question
	cancel context.CancelFunc
}

// New returns a Verifier that asks nobody before Run.
func New(o Options) *Verifier {
	return &Verifier{Options: o, woken: make(chan struct{}, 1), sources: decide.NewSources(o.Times), asking: map[types.NamespacedName]question{}}
}

// Restore begins with what an earlier process knew.
func (v *Verifier) Restore(saved []status.VerifiedSource) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sources.Restore(saved)
	v.noted = v.sources.Known()
}

// Judge replaces the states of the sources that a policy wants verified by what is known of them. What is not known yet is asked
// from now on; nothing waits for it here.
func (v *Verifier) Judge(p *policy.Policy, states map[types.NamespacedName]policy.SourceState) {
	v.mu.Lock()
	v.sources.Judge(p, states, time.Now(), rand.Float64)
	for _, q := range v.asking {
		if v.sources.Outdated(q.Question) {
			q.cancel()
		}
	}
	changed := v.note()
	v.mu.Unlock()
	v.wake()
	if changed {
		v.Noted()
	}
}

// note reports whether Known is other than when it was looked at last.
func (v *Verifier) note() bool {
	now := v.sources.Known()
	if slices.Equal(now, v.noted) {
		return false
	}
	v.noted = now
	return true
}

// Known is what is known of the sources that are verified, by name.
func (v *Verifier) Known() []status.VerifiedSource {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sources.Known()
}

// Waiting reports whether copies of any source wait for an answer.
func (v *Verifier) Waiting() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sources.Waiting()
}

func (v *Verifier) wake() {
	select {
	case v.woken <- struct{}{}:
	default:
	}
}

// Run has registries asked until ctx ends, and returns when nobody is asked any more.
func (v *Verifier) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.woken:
		case <-timer.C:
		}
		due, news, next := v.look(ctx, time.Now())
		for _, q := range due {
			asking.Go(func() { v.ask(q) })
		}
		v.tell(news)
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// look returns what is to be asked now, what became of waiting, and when to look again.
func (v *Verifier) look(ctx context.Context, now time.Time) (due []asked, news []decide.News, next time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, q := range v.sources.Due(now) {
		one, cancel := context.WithCancel(ctx)
		v.asking[q.Key] = question{q, cancel}
		due = append(due, asked{q, one, cancel})
	}
	news = v.sources.Expire(now)
	return due, news, v.sources.Next()
}

// asked is a question with the time that it has.
type asked struct {
	decide.Question
	ctx    context.Context
	cancel context.CancelFunc
}

func (v *Verifier) ask(q asked) {
	defer q.cancel()
	answers := v.Ask(q.ctx, q.Source)
	v.mu.Lock()
	delete(v.asking, q.Key)
	var news []decide.News
	if q.ctx.Err() == nil { // or nobody wants to know any more
		news = v.sources.Answered(q.Question, answers, time.Now(), rand.Float64())
	} else {
		v.sources.Withdrawn(q.Question)
	}
	v.mu.Unlock()
	v.tell(news)
	v.wake()
}

func (v *Verifier) tell(news []decide.News) {
	if len(news) == 0 {
		return
	}
	v.News(news)
}
