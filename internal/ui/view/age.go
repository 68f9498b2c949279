package view

import (
	"fmt"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// span is a duration as people say it, by the day where it is long: what changes with time alone changes seldom.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Hour:
		return "less than an hour"
	case d < 2*day:
		return counted(int(d/time.Hour), "hour")
	case d < 60*day:
		return counted(int(d/day), "day")
	case d < 730*day:
		return counted(int(d/(30*day)), "month")
	}
	return counted(int(d/(365*day)), "year")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// moment is a time and how long it is from now. A text that is no time is shown as it is.
type moment struct {
	Text string // as a date
	At   string // RFC 3339
	From string // "3 days ago", "in 3 days"
	Past bool
}

func newMoment(text string, now time.Time) moment {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return moment{Text: text}
	}
	m := moment{Text: at.UTC().Format(time.DateOnly), At: text, Past: !at.After(now)}
	if m.Past {
		m.From = span(now.Sub(at)) + " ago"
	} else {
		m.From = "in " + span(at.Sub(now))
	}
	return m
}

// ruleRow is a rule as the page shows it.
type ruleRow struct {
	status.RuleTotals
	Oldest moment
}

// expiresSoon is within how long an end is shown as a warning, where the controller says nothing of it.
const expiresSoon = 7 * 24 * time.Hour

// sourceRow is a source of the policy as the page shows it.
type sourceRow struct {
	overview.Source
	Changed, Ends moment
	Class         string // of its state
	EndClass      string // of its end; empty where that is far
	Words         string
}

// sourceWords say what the states of sources are.
var sourceWords = map[policy.SourceStatus]string{
	policy.SourceUsable: "usable", policy.SourceMissing: "missing", policy.SourceForbidden: "may not be read", policy.SourceInvalid: "invalid",
	policy.SourceRefused: "refused by its registry", policy.SourceVerifying: "its registries are asked",
}

func newSourceRow(s overview.Source, now time.Time) sourceRow {
	row := sourceRow{Source: s, Changed: newMoment(s.LastChange, now), Ends: newMoment(s.Expires, now), Class: "alarm", Words: sourceWords[s.State]}
	if row.Words == "" {
		row.Words = string(s.State)
	}
	switch s.State {
	case policy.SourceUsable:
		row.Class = "covered"
	case policy.SourceVerifying, "":
		row.Class = "unknown"
	}
	if ends, err := time.Parse(time.RFC3339, s.Expires); err == nil {
		switch {
		case row.Ends.Past:
			row.EndClass = "alarm"
		case ends.Sub(now) < expiresSoon:
			row.EndClass = "none"
		}
	}
	return row
}
