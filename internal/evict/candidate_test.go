package evict

import (
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/evict/decide"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
)

var (
	pods = schema.GroupResource{Resource: "pods"}
	now  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func TestWhatCameOfAnEviction(t *testing.T) {
	busy := apierrors.NewTooManyRequests("hunter2", 60)
	for _, c := range []struct {
		err  error
		want report.EvictionResult
		next time.Duration // of the next try; 0 for none
	}{
		{nil, report.Evicted, 0},
		{apierrors.NewNotFound(pods, "web"), report.EvictionGone, 0},
		{apierrors.NewConflict(pods, "web", nil), report.EvictionStale, lookEvery},
		{apierrors.NewTooManyRequests("no", 0), report.EvictionRefused, firstPause},
		{busy, report.EvictionRefused, time.Minute},
		{apierrors.NewForbidden(pods, "web", nil), report.EvictionFailed, firstPause},
		{errors.New("odd"), report.EvictionFailed, firstPause},
	} {
		e := New(Config{Log: zerolog.Nop(), PerSecond: 2})
		one := &candidate{pause: firstPause, trying: true, pod: &cluster.Pod{Meta: cluster.Meta{UID: "u"}, Controller: &cluster.Controller{UID: "c"}}}
		e.candidates["u"], e.trying = one, 1
		e.note(outcome{one, c.err}, now)
		if got := resultOf(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
		if e.trying != 0 || one.trying {
			t.Errorf("%v: it counts as being tried", c.err)
		}
		_, still := e.candidates["u"]
		if still != (c.next > 0) || still && !one.next.Equal(now.Add(c.next)) {
			t.Errorf("%v: it is tried again: %t, after %s", c.err, still, one.next.Sub(now))
		}
		again := e.history.Allows(decide.Verdict{}, one.pod, now).Evict()
		if again != still {
			t.Errorf("%v: it may be evicted again: %t", c.err, again)
		}
	}
}

func TestRefusalsAreTriedMoreAndMoreRarely(t *testing.T) {
	e := New(Config{Log: zerolog.Nop(), PerSecond: 2})
	one := &candidate{pause: firstPause, pod: &cluster.Pod{Controller: &cluster.Controller{}}}
	var waits []time.Duration
	for range 7 {
		e.note(outcome{one, apierrors.NewTooManyRequests("no", 0)}, now)
		waits = append(waits, one.next.Sub(now))
	}
	if waits[0] != firstPause || waits[1] != 2*firstPause || waits[6] != lastPause {
		t.Error(waits)
	}
}
