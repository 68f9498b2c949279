package evict

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/evict/decide"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
)

const (
	// maxTrying is how many evictions are under way at once: one that a slow webhook holds up must not hold up all others.
	maxTrying = 8
	// tryTimeout is how long an eviction may take.
	tryTimeout = 20 * time.Second
	// The pauses after an eviction that was refused or failed; they double.
	firstPause = 10 * time.Second
	lastPause  = 5 * time.Minute
)

// candidate is a pod that is to be evicted.
type candidate struct {
	pod     *cluster.Pod // as it was seen last
	verdict decide.Verdict
	newest  time.Time // when the youngest pod of its controller was created

	next   time.Time // when to try
	pause  time.Duration
	trying bool
	told   bool // an Event was written
}

// outcome is what came of an eviction that was tried.
type outcome struct {
	*candidate
	err error
}

// look decides on all pods, and returns those that can be tried now, the oldest first.
func (e *Evictor) look(now time.Time) (due []*candidate) {
	e.readStatus()
	pods, newest := e.stuck()
	counts, still := map[string]int{}, map[types.UID]bool{}
	for _, pod := range pods {
		v := e.history.Allows(e.decide(pod), pod, now)
		if !v.Evict() {
			counts[string(v.Reason)]++
			continue
		}
		counts["Evict"]++
		still[pod.UID] = true
		c := e.candidates[pod.UID]
		if c == nil {
			c = &candidate{next: now.Add(e.Settle), pause: firstPause}
			e.candidates[pod.UID] = c
		}
		if c.trying {
			continue
		}
		c.pod, c.verdict, c.newest = pod, v, newest[pod.Controller.UID]
		if !now.Before(c.next) {
			due = append(due, c)
		}
	}
	for uid, c := range e.candidates {
		if !still[uid] && !c.trying {
			delete(e.candidates, uid)
		}
	}
	e.metrics.SetStuck(counts)
	slices.SortFunc(due, func(a, b *candidate) int {
		return cmp.Or(a.pod.Created.Compare(b.pod.Created), strings.Compare(a.pod.Namespace, b.pod.Namespace),
			strings.Compare(a.pod.Name, b.pod.Name))
	})
	return due
}

// stuck are the pods that wait for an image. newest is when the youngest pod of each controller was created, stuck or not.
func (e *Evictor) stuck() (pods []*cluster.Pod, newest map[types.UID]time.Time) {
	newest = map[types.UID]time.Time{}
	for _, obj := range e.pods.All() {
		pod, _ := obj.(*cluster.Pod)
		if pod == nil {
			continue
		}
		if c := pod.Controller; c != nil && pod.Created.After(newest[c.UID]) {
			newest[c.UID] = pod.Created
		}
		if pod.Waits != "" {
			pods = append(pods, pod)
		}
	}
	return pods, newest
}

func (e *Evictor) decide(pod *cluster.Pod) decide.Verdict {
	in := decide.Input{Pod: pod, Status: e.known, Owners: e.Owners}
	in.Namespace, _ = e.namespaces.Get(cache.ObjectName{Name: pod.Namespace}).(*cluster.Namespace)
	in.Account, _ = e.accounts.Get(cache.ObjectName{Namespace: pod.Namespace, Name: pod.Account}).(*cluster.ServiceAccount)
	return decide.Decide(in)
}

// try evicts a pod in a goroutine of its own, if the pace allows one more.
func (e *Evictor) try(ctx context.Context, running *sync.WaitGroup, c *candidate, now time.Time) {
	if e.trying >= maxTrying || !e.pace.TryAccept() {
		return
	}
	if e.DryRun {
		e.metrics.Count(report.EvictionDryRun)
		e.history.Evicted(c.pod, c.verdict.Names, c.newest, now)
		e.log(c, "would evict the pod")
		return
	}
	e.trying++
	c.trying = true
	running.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		if !c.told {
			c.told = true
			e.announce(ctx, c)
		}
		e.outcomes <- outcome{c, kube.Evict(ctx, e.Client, c.pod)}
	})
}

// note takes in what came of an eviction.
func (e *Evictor) note(o outcome, now time.Time) {
	e.trying--
	o.trying = false
	result := resultOf(o.err)
	e.metrics.Count(result)
	switch result {
	case report.Evicted, report.EvictionGone: // who else deletes such a pod has its controller make a new one too
		e.history.Evicted(o.pod, o.verdict.Names, o.newest, now)
		delete(e.candidates, o.pod.UID)
		if result == report.Evicted {
			e.log(o.candidate, "pod evicted")
		}
	case report.EvictionStale:
		o.next = now.Add(lookEvery)
	default:
		o.next = now.Add(max(o.pause, suggested(o.err)))
		o.pause = min(2*o.pause, lastPause)
		e.Log.Warn().Str("namespace", o.pod.Namespace).Str("kind", "Pod").Str("name", o.pod.Name).Str("error", kube.Redact(o.err)).
			Dur("retry", o.next.Sub(now)).Msg("the pod cannot be evicted; retrying")
	}
}

// resultOf says what an error of an eviction means.
func resultOf(err error) report.EvictionResult {
	switch {
	case err == nil:
		return report.Evicted
	case apierrors.IsTooManyRequests(err):
		return report.EvictionRefused
	case apierrors.IsNotFound(err):
		return report.EvictionGone
	case kube.Classify(err) == kube.Stale:
		return report.EvictionStale
	}
	return report.EvictionFailed
}

// suggested is how long the API server asks to wait.
func suggested(err error) time.Duration {
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return min(time.Duration(seconds)*time.Second, lastPause)
}

func (e *Evictor) log(c *candidate, message string) {
	e.Log.Info().Str("namespace", c.pod.Namespace).Str("kind", "Pod").Str("name", c.pod.Name).
		Str("controller", c.pod.Controller.Kind+"/"+c.pod.Controller.Name).
		Str("container", c.pod.Container).Str("waits", c.pod.Waits).
		Strs("lacks", bound.List(c.verdict.Names, "")).Msg(message)
}
