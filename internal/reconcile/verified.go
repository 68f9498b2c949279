package reconcile

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
)

// sourceAccepted is the reason of an Event: the registries of a source take its credential, which was not so before.
const sourceAccepted = "SourceAccepted"

func (c *Controller) newVerifier() *verify.Verifier {
	ask, times := c.Ask, c.Patience
	if ask == nil {
		ask = func(context.Context, *cluster.Source) []decide.Answer {
			return []decide.Answer{{Host: "the registry", Verdict: decide.Unreachable, Detail: "this process asks none"}}
		}
	}
	if times == (decide.Times{}) {
		times = decide.Usual
	}
	return verify.New(verify.Options{Ask: ask, Times: times, News: c.verified, Noted: func() { c.activator.WakeSoon() }})
}

// verified has everything decided again, soon, because something else is known of sources than before.
func (c *Controller) verified(all []decide.News) {
	for _, news := range all {
		c.tellVerified(news)
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// newsPause is how long answers are gathered: each has all namespaces decided, and hundreds of registries may answer at a time.
const newsPause = 200 * time.Millisecond

// followNews has everything decided again when registries have answered, until ctx ends.
func (c *Controller) followNews(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.news:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(newsPause):
		}
		select { // what came meanwhile is part of it
		case <-c.news:
		default:
		}
		c.sourceChanged()
	}
}

// tellVerified tells of a source that is refused, and of one that is not any more. What is said of a source that is copied all the
// same is a finding about it.
func (c *Controller) tellVerified(news decide.News) {
	now := news.Now
	eventType, reason, text := corev1.EventTypeNormal, sourceAccepted, "its registries take its credential"
	switch {
	case now.Verdict == status.VerdictRefused:
		eventType, reason, text = corev1.EventTypeWarning, string(plan.SourceRefused), now.Text+"; copies stay as they are"
	case news.Before.Verdict == status.VerdictAsking && news.Before.Text == "", now.Verdict != status.VerdictAccepted, now.Text != "":
		c.Log.Info().Str("source", now.Source).Str("verdict", string(now.Verdict)).Msg("the registries were asked")
		return
	}
	if eventType == corev1.EventTypeNormal {
		c.Log.Info().Str("source", now.Source).Msg(text)
	}
	if cm := c.cluster.PolicyMap(); cm != nil {
		c.events.Load().Emit(cm, eventType, reason, "source "+now.Source+": "+text)
	}
}
