package reconcile

import (
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

// unsettled is a watch that has not given its first answer yet.
type unsettled struct {
	kube.Target
	since   time.Time
	lastErr string // why the last request failed; empty if none did
}

// unsettled returns the watches that have not given their first answer yet, the oldest first.
func (w *watches) unsettled() (out []unsettled) {
	for _, one := range w.everyOne() {
		if !one.settled() {
			out = append(out, one.wait())
		}
	}
	slices.SortFunc(out, func(a, b unsettled) int {
		if order := a.since.Compare(b.since); order != 0 {
			return order
		}
		return strings.Compare(a.String(), b.String())
	})
	return out
}

// everyOne returns all watches, in no order.
func (w *watches) everyOne() (all []*watch) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	all = append(all, w.namespaces, w.accounts, w.status)
	if w.policy != nil {
		all = append(all, w.policy)
	}
	if w.admission != nil {
		all = append(all, w.admission)
	}
	for _, one := range w.sources {
		all = append(all, one)
	}
	if w.awaited {
		for _, one := range w.aside {
			all = append(all, one)
		}
	}
	for _, one := range w.copies {
		all = append(all, one)
	}
	return all
}

func (w *watch) wait() unsettled {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return unsettled{w.Target, w.since, w.lastErr}
}

// describe says what is waited for, since when, and why if that is known.
func (u unsettled) describe(now time.Time) string {
	text := fmt.Sprintf("%s, since %s (%s)", u.Target, u.since.UTC().Format(time.RFC3339), now.Sub(u.since).Truncate(time.Second))
	if u.lastErr != "" {
		text += ", last error: " + bound.TextTo(u.lastErr, maxLastErr)
	}
	return text
}

// describeUnsettled describes the first lists, a line each, and counts the rest.
func describeUnsettled(lists []unsettled, now time.Time) (lines []string) {
	for _, u := range lists[:min(len(lists), shownLists)] {
		lines = append(lines, u.describe(now))
	}
	if more := len(lists) - shownLists; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// Unsettled says which lists have not been answered yet, a line each, the oldest first. The lines are bounded in number
// and length.
func (c *Controller) Unsettled() []string { return describeUnsettled(c.unsettled(), time.Now()) }

// unsettled may be asked at any time, also before the watches are started.
func (c *Controller) unsettled() []unsettled {
	if w := c.started.Load(); w != nil {
		return w.unsettled()
	}
	return nil
}

// sayWaiting logs what is waited for until ctx ends.
func (c *Controller) sayWaiting(ctx context.Context) {
	tick := time.NewTicker(waitLook)
	defer tick.Stop()
	said := waitLog{log: c.Log}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			said.look(c.unsettled(), now)
		}
	}
}

// waitLog logs which lists are waited for: when there is one that it did not name yet, and again every waitInterval.
type waitLog struct {
	log  zerolog.Logger
	said map[kube.Target]bool // what is waited for and was counted
	last time.Time
}

func (l *waitLog) look(lists []unsettled, now time.Time) {
	late := slices.DeleteFunc(slices.Clone(lists), func(u unsettled) bool { return now.Sub(u.since) < waitPatience })
	if len(late) == 0 {
		if len(l.said) > 0 {
			l.log.Info().Msg("no list is waited for any more")
		}
		l.said = nil
		return
	}
	isNew := slices.ContainsFunc(late, func(u unsettled) bool { return !l.said[u.Target] })
	if !isNew && now.Sub(l.last) < waitInterval {
		return
	}
	l.last, l.said = now, map[kube.Target]bool{}
	for _, u := range late {
		l.said[u.Target] = true
	}
	l.log.Warn().Strs("lists", describeUnsettled(late, now)).
		Msg("waiting for the first answer of lists; no policy comes in force before all that it needs are answered")
}
