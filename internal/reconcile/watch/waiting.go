package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

const (
	// waitPatience is how long a list may take before the log says that it is waited for.
	waitPatience = 10 * time.Second
	// waitInterval is how often the log says it again.
	waitInterval = time.Minute
	// waitLook is how often it is looked whether there is something to say.
	waitLook = time.Second
	// shownLists is how many lists are named; the rest is counted.
	shownLists = 20
	// maxLastErr is how much is said of an error, in bytes.
	maxLastErr = 150
)

// Waiting is an informer that has not given its first answer yet.
type Waiting struct {
	kube.Target
	Since   time.Time
	LastErr string // why the last request failed; empty if none did
}

// Unsettled returns which of some informers were started and have not given their first answer yet, the oldest first.
func Unsettled(all []*Informer) (out []Waiting) {
	for _, one := range all {
		if waiting := one.waiting(); !waiting.Since.IsZero() && !one.Settled() {
			out = append(out, waiting)
		}
	}
	slices.SortFunc(out, func(a, b Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.String(), b.String()))
	})
	return out
}

func (w *Informer) waiting() Waiting {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return Waiting{w.Target, w.since, w.lastErr}
}

// describe says what is waited for, since when, and why if that is known.
func (u Waiting) describe(now time.Time) string {
	text := fmt.Sprintf("%s, since %s (%s)", u.Target, u.Since.UTC().Format(time.RFC3339), now.Sub(u.Since).Truncate(time.Second))
	if u.LastErr != "" {
		text += ", last error: " + bound.TextTo(u.LastErr, maxLastErr)
	}
	return text
}

// Describe says of the first lists what is waited for, a line each, and counts the rest. The lines are bounded.
func Describe(lists []Waiting, now time.Time) (lines []string) {
	for _, u := range lists[:min(len(lists), shownLists)] {
		lines = append(lines, u.describe(now))
	}
	if more := len(lists) - shownLists; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// LogWaiting logs what is waited for until ctx ends.
func LogWaiting(ctx context.Context, log zerolog.Logger, unsettled func() []Waiting) {
	tick := time.NewTicker(waitLook)
	defer tick.Stop()
	waits := waitLog{log: log}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			waits.look(unsettled(), now)
		}
	}
}

// waitLog logs which lists are waited for: when there is one that it did not name yet, and again every waitInterval.
type waitLog struct {
	log    zerolog.Logger
	logged map[kube.Target]bool // what is waited for and was counted
	last   time.Time
}

func (l *waitLog) look(lists []Waiting, now time.Time) {
	late := slices.DeleteFunc(slices.Clone(lists), func(u Waiting) bool { return now.Sub(u.Since) < waitPatience })
	if len(late) == 0 {
		if len(l.logged) > 0 {
			l.log.Info().Msg("no list is waited for any more")
		}
		l.logged = nil
		return
	}
	isNew := slices.ContainsFunc(late, func(u Waiting) bool { return !l.logged[u.Target] })
	if !isNew && now.Sub(l.last) < waitInterval {
		return
	}
	l.last, l.logged = now, map[kube.Target]bool{}
	for _, u := range late {
		l.logged[u.Target] = true
	}
	l.log.Warn().Strs("lists", Describe(late, now)).
		Msg("waiting for the first answer of lists; no policy comes in force before all that it needs are answered")
}
