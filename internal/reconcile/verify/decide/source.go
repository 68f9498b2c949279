package decide

import (
	"cmp"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// Times are how patiently registries are asked.
type Times struct {
	Window   time.Duration // for which a source is held that no registry answers for
	Interval time.Duration // between two questions about a source that does not change
	Gap      time.Duration // between two questions about a source that does, and the first pause where there is no answer
}

// Usual are the times of the controller.
var Usual = Times{Window: time.Minute, Interval: time.Hour, Gap: 5 * time.Second}

// source is what is known of one source.
type source struct {
	known status.VerifiedSource // as it is told
	live  *cluster.Source       // the last one that could be copied; nil as long as there is the status alone to go by

	left   time.Time // since when no policy wants it verified; zero while one does
	absent bool      // it cannot be copied for another reason
	asking bool      // a question is under way
	cause  string    // of the text that is told; empty where nobody knows, as after a restart

	held    time.Time // since when copies wait; zero while they do not
	unsure  bool      // it may be the credential that was refused: after a restart, only another version tells
	overdue bool      // and no registry answered in time

	silent time.Time // since when there is no answer; zero while there is
	tries  int       // since then
	why    said      // there is none
	last   time.Time // when it was asked
	next   time.Time // when it is to be asked
}

// see takes in the source as it is now. Only another credential is a change: the same in an object that was made anew is asked
// about soon, and copied meanwhile as before.
func (s *source) see(live *cluster.Source, now time.Time, t Times, chance float64) {
	before := s.live
	s.live, s.absent = live, false
	switch {
	case before == nil && s.known.Of(live) && s.known.Verdict != status.VerdictAsking:
		s.next = now.Add(part(s.spread(t), chance))
	case before == nil:
		s.changed(now, t)
		s.unsure = s.known.Text != ""
	case !live.Content.Equal(before.Content):
		s.changed(now, t)
	case live.UID != before.UID:
		s.next = s.soonest(now, t)
	}
	if s.known.Verdict == status.VerdictAsking && s.held.IsZero() {
		s.held = now
	}
	s.known.UID, s.known.ResourceVersion = live.UID, live.ResourceVersion
}

// spread is the time over which the first questions after a restart are spread: it takes as many restarts as questions would
// be asked anyway to ask more often. What a registry did not answer for is asked about sooner, as without the restart.
func (s *source) spread(t Times) time.Duration {
	if s.known.Silent {
		return t.Window
	}
	return t.Interval
}

// changed begins anew with another credential. How long copies wait counts from the first of several changes on, so that a
// source that changes all the time is not held for ever.
func (s *source) changed(now time.Time, t Times) {
	if s.known.Verdict != status.VerdictRefused && s.known.Verdict != status.VerdictAsking {
		s.known.Text, s.known.Silent = "", false // or it is why the credential before this one was refused
	}
	s.known.Verdict = status.VerdictAsking
	if s.unsure { // this one is another credential for certain
		s.unsure, s.overdue, s.held = false, false, time.Time{}
	}
	s.answering()
	s.next = s.soonest(now, t)
}

// absence takes in that it cannot be copied for another reason.
func (s *source) absence() {
	s.absent, s.held = true, time.Time{}
	s.answering()
}

func (s *source) answering() { s.silent, s.tries, s.why = time.Time{}, 0, said{} }

func (s *source) soonest(now time.Time, t Times) time.Time {
	if next := s.last.Add(t.Gap); next.After(now) {
		return next
	}
	return now
}

// follows reports whether it is to be asked about at all.
func (s *source) follows() bool { return s.left.IsZero() && !s.absent && s.live != nil }

// answered takes in what the registries said of the credential as it is now.
func (s *source) answered(answers []Answer, now time.Time, t Times, chance float64) {
	all := sumUp(answers)
	if all.verdict == Unreachable {
		if s.silent.IsZero() {
			s.silent = now
		}
		s.next = now.Add(around(t.pause(s.tries), chance))
		s.tries++
		s.why = all
		s.expire(now, t)
		return
	}
	s.answering()
	s.next = now.Add(around(t.Interval, chance))
	switch {
	case all.verdict == Accepted:
		s.settle(status.VerdictAccepted, "", all)
	case all.verdict == Refused:
		s.tell(status.VerdictRefused, all.text, all)
	case s.known.Verdict != status.VerdictRefused: // who cannot tell takes no refusal back
		s.tell(status.VerdictUnverified, unverified(all.text), all)
	}
}

// tell settles what is not told already: registries put times and numbers into their words, and those are nothing new.
func (s *source) tell(verdict status.Verdict, text string, because said) {
	if s.known.Verdict != verdict || s.cause != because.cause {
		s.settle(verdict, text, because)
	}
}

// pause is how long to wait after so many tries without an answer before the last one.
func (t Times) pause(tries int) time.Duration {
	pause := t.Gap
	for ; tries > 0 && pause < t.Interval; tries-- {
		pause *= 2
	}
	return min(pause, t.Interval)
}

// expires is when waiting for an answer ends; zero where nothing waits.
func (s *source) expires(t Times) time.Time {
	switch {
	case s.known.Verdict == status.VerdictAsking && (s.held.IsZero() || s.overdue):
	case s.known.Verdict == status.VerdictAsking: // however often it changed, and whether or not a question came to its end
		return s.held.Add(t.Window)
	case s.silent.IsZero() || s.known.Verdict == status.VerdictRefused || s.cause == s.why.cause:
	default: // that it does not answer is not told yet
		return s.silent.Add(t.Window)
	}
	return time.Time{}
}

// expire ends the waiting if it is time to: no answer is not a no. What may be the credential that was refused stays so.
func (s *source) expire(now time.Time, t Times) {
	switch end := s.expires(t); {
	case end.IsZero() || now.Before(end):
	case s.unsure && s.known.Verdict == status.VerdictAsking:
		s.overdue = true
	case s.known.Verdict == status.VerdictAccepted:
		s.settle(status.VerdictAccepted, "the registries took it, but cannot be asked again: "+s.why.text, s.why)
	default:
		s.settle(status.VerdictUnverified, unverified(cmp.Or(s.why.text, "no registry has answered yet")), s.why)
		s.known.Silent = true
	}
}

func unverified(why string) string { return "it is copied without being verified: " + why }

func (s *source) settle(verdict status.Verdict, text string, because said) {
	s.known.Verdict, s.known.Text, s.held = verdict, text, time.Time{}
	s.known.Silent, s.cause = because.verdict == Unreachable, because.cause
	s.unsure, s.overdue = false, false
}

// part is a part of a time, which chance from 0 to 1 says.
func part(d time.Duration, chance float64) time.Duration { return time.Duration(float64(d) * chance) }

// around is a time that is up to a tenth longer or shorter, so that not all are asked at once.
func around(d time.Duration, chance float64) time.Duration { return part(d, 0.9+0.2*chance) }
