package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// ExpiryWarning is how long before a credential ends it is said that it does, where nobody says otherwise.
const ExpiryWarning = 7 * 24 * time.Hour

// shownEnds is how many registries one finding names.
const shownEnds = 3

// expiryFindings say which credentials ended and which are about to. Their texts change at these times alone: how long it is
// still is for whoever reads them to work out, or the status would be written every minute.
func expiryFindings(s *cluster.Source, now time.Time, before time.Duration) (out []policy.Finding) {
	var expired, expiring []cluster.End
	for _, end := range s.Ends() {
		warn := end.WarnAt(before)
		switch {
		case !now.Before(end.Until):
			expired = append(expired, end)
		case !warn.IsZero() && !now.Before(warn):
			expiring = append(expiring, end)
		}
	}
	if len(expired) > 0 {
		out = append(out, NewFinding(SourceExpired, endTexts(expired, "expired")))
	}
	if len(expiring) > 0 {
		out = append(out, NewFinding(SourceExpiring, endTexts(expiring, "expires")))
	}
	if s.BadExpires {
		out = append(out, NewFinding(ExpiryUnreadable, "its annotation "+cluster.AnnotationExpires+" is no time of RFC 3339 between 2001 and 9999, so it does not count"))
	}
	return out
}

// endTexts says of some credentials when they end.
func endTexts(ends []cluster.End, verb string) string {
	var parts []string
	for _, end := range ends[:min(len(ends), shownEnds)] {
		at := end.Until.UTC().Format(time.RFC3339)
		if end.Host == "" {
			parts = append(parts, fmt.Sprintf("its credential %s at %s, as its annotation %s says", verb, at, cluster.AnnotationExpires))
			continue
		}
		parts = append(parts, fmt.Sprintf("the credential for %s %s at %s", end.Host, verb, at))
	}
	if more := len(ends) - shownEnds; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// NextFinding is when time alone changes what Findings says of a source; zero for never.
func NextFinding(state policy.SourceState, now time.Time, before time.Duration) (next time.Time) {
	if state.Status != policy.SourceUsable {
		return next
	}
	for _, end := range state.Source.Ends() {
		for _, at := range []time.Time{end.WarnAt(before), end.Until} {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}
