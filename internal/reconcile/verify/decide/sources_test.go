package decide

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

var hub = types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}

// world is one source, a clock, and whoever asks and answers.
type world struct {
	t         *testing.T
	now       time.Time
	sources   *Sources
	policy    *policy.Policy
	projector *cluster.Projector
	state     policy.SourceState // as it is in the cluster
	version   int
	questions []time.Time
	answers   []Answer // to each question that is asked from now on
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), sources: NewSources(Usual),
		projector: cluster.NewProjector([]byte("key")), answers: accepted,
	}
	w.verify(true)
	return w
}

var (
	accepted    = []Answer{{Host: "hub.example", Verdict: Accepted}}
	refused     = []Answer{{Host: "hub.example", Verdict: Refused, Detail: "401 Unauthorized"}}
	unreachable = []Answer{{Host: "hub.example", Verdict: Unreachable, Detail: "no answer within 10s"}}
	untold      = []Answer{{Host: "*.example", Verdict: Untold, Detail: "a host with wildcards cannot be asked"}}
)

// verify has the policy say whether the source is to be verified.
func (w *world) verify(yes bool) {
	p, problems := policy.Parse(map[string]string{"a.yaml": fmt.Sprintf(
		"apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n- name: hub\n  secrets:\n  - {source: {name: hub}, verify: %t}\n  - {source: {name: hub}, name: again}\n", yes)},
		policy.Options{Namespace: "pullsecrets"})
	if p == nil {
		w.t.Fatal(problems.Errors())
	}
	w.policy = p
}

// hold has the source hold a credential, in a new version.
func (w *world) hold(password string) { w.put("uid", password) }

func (w *world) put(uid types.UID, password string) {
	w.version++
	content, defect, _ := w.projector.Content(cluster.TypeDockerConfigJSON,
		fmt.Appendf(nil, `{"auths":{"hub.example":{"username":"robot","password":%q}}}`, password))
	if defect != "" {
		w.t.Fatal(defect)
	}
	w.state = policy.NewSourceState(&cluster.Source{Secret: &cluster.Secret{
		Meta: cluster.Meta{Namespace: hub.Namespace, Name: hub.Name, UID: uid, ResourceVersion: fmt.Sprint(w.version)},
		Type: cluster.TypeDockerConfigJSON, Content: content,
	}}, cluster.Installation{Home: "pullsecrets"})
}

// look is the state of the source as decisions see it now.
func (w *world) look() policy.SourceState {
	states := map[types.NamespacedName]policy.SourceState{hub: w.state}
	w.sources.Judge(w.policy, states, w.now, func() float64 { return 0.5 })
	return states[hub]
}

// pass lets time go by, and has questions answered at once.
func (w *world) pass(d time.Duration) policy.SourceState {
	for end := w.now.Add(d); ; {
		w.look()
		for _, q := range w.sources.Due(w.now) {
			w.questions = append(w.questions, w.now)
			w.sources.Answered(q, w.answers, w.now, 0.5)
		}
		w.sources.Expire(w.now)
		next := w.sources.Next()
		if next.IsZero() || next.After(end) {
			w.now = end
			return w.look()
		}
		w.now = next
	}
}

func (w *world) want(state policy.SourceState, want policy.SourceStatus, words ...string) {
	w.t.Helper()
	text := state.Cause
	for _, f := range state.Findings {
		text += f.Reason + ": " + f.Text
	}
	if state.Status != want || len(words) == 0 && text != "" {
		w.t.Errorf("it is %s %q, want %s", state.Status, text, want)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.t.Errorf("%s says %q, without %q", state.Status, text, word)
		}
	}
}

// restart forgets everything but what the status has.
func (w *world) restart() {
	text, err := status.Record{Verified: w.sources.Known()}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.sources = NewSources(Usual)
	w.sources.Restore(status.Decode(text).Verified)
	w.questions = nil
}

func TestASourceIsHeldUntilItsRegistriesTakeIt(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.want(w.look(), policy.SourceVerifying)
	if !w.sources.Waiting() {
		t.Error("nothing waits")
	}
	w.want(w.pass(0), policy.SourceUsable)
	w.hold("two")
	w.want(w.look(), policy.SourceVerifying)
	w.want(w.pass(Usual.Gap), policy.SourceUsable)
}

func TestWhatARegistryRefusesIsRefusedAsAWhole(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.answers = append(append(append([]Answer{}, accepted...), unreachable...), Answer{Host: "other.example", Verdict: Refused, Detail: "403 Forbidden"})
	w.want(w.pass(0), policy.SourceRefused, "other.example refuses the credential (403 Forbidden)")
	if w.sources.Waiting() {
		t.Error("something waits")
	}
	w.answers = unreachable // no answer is not a yes either
	w.want(w.pass(10*time.Hour), policy.SourceRefused, "403 Forbidden")
	w.answers = untold
	w.want(w.pass(10*time.Hour), policy.SourceRefused, "403 Forbidden")
	w.answers = accepted
	w.want(w.pass(2*time.Hour), policy.SourceUsable)
}

func TestACredentialThatReplacesARefusedOneIsToldOnlyOnceItIsKnown(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.answers = refused
	w.pass(0)
	w.hold("two")
	w.want(w.look(), policy.SourceRefused, "this one is being asked about", "401")
	w.restart()
	w.want(w.look(), policy.SourceRefused, "this one is being asked about", "401")
	w.answers = accepted
	w.want(w.pass(Usual.Gap), policy.SourceUsable)
}

// TestWhatMayBeTheRefusedOneIsNotRolledOut has a source touched while no process runs, and a registry that is away since.
func TestWhatMayBeTheRefusedOneIsNotRolledOut(t *testing.T) {
	touched := func(t *testing.T) *world {
		w := newWorld(t)
		w.hold("one")
		w.answers = refused
		w.pass(0)
		w.restart()
		w.hold("one") // or another; nobody can tell
		w.answers = unreachable
		w.look()
		if !w.sources.Waiting() {
			t.Error("nobody waits for an answer")
		}
		w.want(w.pass(10*time.Hour), policy.SourceRefused, "the credential before this one was refused, and this one is being asked about", "401")
		if w.sources.Waiting() {
			t.Error("it is waited for without end")
		}
		if n := len(w.questions); n < 10 || n > 30 {
			t.Errorf("it was asked %d times", n)
		}
		return w
	}
	w := touched(t)
	w.restart() // with the version that is known by now
	w.want(w.pass(10*time.Hour), policy.SourceRefused, "is being asked about", "401")
	w.answers = accepted
	w.want(w.pass(2*time.Hour), policy.SourceUsable)

	w = touched(t)
	w.answers = untold
	w.want(w.pass(2*time.Hour), policy.SourceUsable, "SourceUnverified", "does not tell")

	w = touched(t)
	w.hold("two") // which is another one for certain
	w.want(w.pass(Usual.Window-time.Second), policy.SourceRefused, "401")
	w.want(w.pass(time.Second), policy.SourceUsable, "SourceUnverified", "does not answer")
}

func TestNoAnswerIsNotANo(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.answers = unreachable
	w.want(w.pass(Usual.Window-time.Second), policy.SourceVerifying)
	if n := len(w.questions); n < 3 || n > 6 {
		t.Errorf("it was asked %d times within the minute", n)
	}
	w.want(w.pass(time.Second), policy.SourceUsable, "SourceUnverified", "hub.example does not answer (no answer within 10s)")
	w.questions = nil
	w.want(w.pass(24*time.Hour), policy.SourceUsable, "SourceUnverified")
	if n := len(w.questions); n < 24 || n > 40 {
		t.Errorf("it was asked %d times within a day", n)
	}
	w.answers = accepted
	w.want(w.pass(2*time.Hour), policy.SourceUsable)
}

func TestWhoCannotTellIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.answers = append(append([]Answer{}, accepted...), untold...)
	w.want(w.pass(0), policy.SourceUsable, "*.example does not tell", "wildcards")
	w.answers = nil
	w.hold("two")
	w.want(w.pass(time.Minute), policy.SourceUsable, "no registry that can be asked")
}

func TestARevokedCredentialIsToldWithinTheHour(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.want(w.pass(3*time.Hour), policy.SourceUsable)
	if n := len(w.questions); n != 4 {
		t.Errorf("it was asked %d times in three hours", n)
	}
	w.answers = refused
	w.want(w.pass(Usual.Interval*11/10), policy.SourceRefused, "401 Unauthorized")
}

func TestARegistryThatGoesAwayIsToldAndTakesNothingBack(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.pass(time.Minute)
	w.answers = unreachable
	w.want(w.pass(Usual.Interval-time.Second), policy.SourceUsable) // it was asked a moment ago
	w.want(w.pass(2*Usual.Window), policy.SourceUsable, "took it, but cannot be asked again", "no answer within 10s")
	w.answers = accepted
	w.want(w.pass(2*time.Hour), policy.SourceUsable)
}

func TestAChangeOfMetadataIsNoChange(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.pass(0)
	for range 100 {
		w.hold("one")
		w.want(w.pass(time.Second), policy.SourceUsable)
	}
	if n := len(w.questions); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	if known := w.sources.Known(); len(known) != 1 || known[0].ResourceVersion != w.state.Source.ResourceVersion {
		t.Errorf("another version is remembered than there is: %+v", known)
	}
	w.put("made anew", "one") // whoever does that wants to know
	w.want(w.look(), policy.SourceUsable)
	if w.pass(Usual.Gap); len(w.questions) != 2 {
		t.Errorf("the new object was asked about %d times", len(w.questions)-1)
	}
}

func TestASourceThatChangesAllTheTime(t *testing.T) {
	w := newWorld(t)
	for i := range 60 {
		w.hold(fmt.Sprint(i))
		w.pass(time.Second)
	}
	if n := len(w.questions); n > 13 {
		t.Errorf("it was asked %d times in a minute", n)
	}
	w.want(w.pass(Usual.Gap), policy.SourceUsable) // the last one counts

	w.answers = unreachable // it is not held for ever
	released := false
	for i := range 180 {
		w.hold(fmt.Sprint(i))
		released = released || w.pass(time.Second).Status == policy.SourceUsable
	}
	if !released {
		t.Error("it is held as long as it changes")
	}
}

func TestALateAnswerIsAboutWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.look()
	late := w.sources.Due(w.now)
	w.hold("two")
	w.look()
	if !w.sources.Outdated(late[0]) {
		t.Error("the question is about what there is")
	}
	w.sources.Answered(late[0], accepted, w.now, 0.5)
	w.want(w.look(), policy.SourceVerifying)
	w.answers = refused
	w.want(w.pass(Usual.Gap), policy.SourceRefused, "401")
}

func TestARestartLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.pass(0)
	w.restart()
	w.answers = unreachable
	w.want(w.look(), policy.SourceUsable)
	w.want(w.pass(0), policy.SourceUsable)
	if len(w.questions) > 0 {
		t.Error("it was asked again at once")
	}
	w.want(w.pass(Usual.Interval), policy.SourceUsable, "cannot be asked again")

	w.answers = refused
	w.hold("two")
	w.pass(Usual.Gap)
	w.restart()
	w.want(w.pass(0), policy.SourceRefused, "401 Unauthorized")

	w.answers = unreachable
	w.hold("three")
	w.pass(2 * Usual.Window)
	w.restart()
	w.want(w.look(), policy.SourceUsable, "SourceUnverified")
	if w.pass(Usual.Window); len(w.questions) == 0 {
		t.Error("what was not verified is not asked about for a minute")
	}

	w.restart()
	w.hold("four") // while no process ran
	w.want(w.look(), policy.SourceVerifying)
}

// TestTheWordsAreThoseOfWhoSaysSoNow unless they are the words of the same registries with another number.
func TestTheWordsAreThoseOfWhoSaysSoNow(t *testing.T) {
	one := func(host string, verdict Verdict, detail string) Answer {
		return Answer{Host: host, Verdict: verdict, Detail: detail}
	}
	w := newWorld(t)
	w.hold("one")
	w.answers = []Answer{one("a.example", Refused, "request 1"), one("b.example", Accepted, "")}
	w.want(w.pass(0), policy.SourceRefused, "a.example refuses", "request 1")
	w.answers = []Answer{one("a.example", Refused, "request 2"), one("b.example", Unreachable, "")}
	w.want(w.pass(2*time.Hour), policy.SourceRefused, "a.example refuses", "request 1")
	w.answers = []Answer{one("a.example", Accepted, ""), one("b.example", Refused, "request 3")}
	if state := w.pass(2 * time.Hour); strings.Contains(state.Cause, "a.example") {
		t.Errorf("it says %q of one that takes it", state.Cause)
	} else {
		w.want(state, policy.SourceRefused, "b.example refuses", "request 3")
	}

	w = newWorld(t)
	w.hold("one")
	w.answers = []Answer{one("a.example", Unreachable, "after 10.1s")}
	w.want(w.pass(2*time.Minute), policy.SourceUsable, "a.example does not answer (after 10.1s)")
	w.answers = []Answer{one("a.example", Unreachable, "after 10.2s")}
	w.want(w.pass(2*time.Hour), policy.SourceUsable, "a.example does not answer (after 10.1s)")
	w.answers = []Answer{one("a.example", Untold, "it asks for no credential")}
	w.want(w.pass(2*time.Hour), policy.SourceUsable, "a.example does not tell", "it asks for no credential")
	w.answers = []Answer{one("a.example", Unreachable, "after 10.3s")}
	w.want(w.pass(Usual.Interval*11/10+2*Usual.Window), policy.SourceUsable, "a.example does not answer (after 10.3s)")
	w.answers = []Answer{one("a.example", Accepted, ""), one("b.example", Unreachable, "")}
	w.want(w.pass(2*time.Hour), policy.SourceUsable, "b.example does not answer")
	w.answers = accepted
	w.want(w.pass(2*time.Hour), policy.SourceUsable)
	for _, gone := range []string{"a.example", "b.example"} {
		w.answers = []Answer{one(gone, Unreachable, "")}
		w.want(w.pass(3*time.Hour), policy.SourceUsable, "cannot be asked again: "+gone)
	}
}

// TestARestartAsksSoonWhereAnAnswerIsMissing, and in the course of an hour where it would be the same.
func TestARestartAsksSoonWhereAnAnswerIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		first, then []Answer
		soon        bool
	}{
		"accepted": {accepted, accepted, false}, "refused": {refused, refused, false}, "no answer": {unreachable, unreachable, true},
		"cannot tell": {untold, untold, false}, "accepted once": {accepted, unreachable, true}, "it came back": {unreachable, untold, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.hold("one")
			w.answers = c.first
			w.pass(2 * Usual.Window)
			w.answers = c.then
			w.pass(3 * time.Hour)
			w.restart()
			if w.pass(Usual.Window); (len(w.questions) > 0) != c.soon {
				t.Errorf("within the minute it is asked %d times", len(w.questions))
			}
			if w.pass(Usual.Interval); len(w.questions) == 0 {
				t.Error("it is not asked within the hour")
			}
		})
	}
}

func TestAVerdictThatNobodyKnowsIsNone(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.sources.Restore([]status.VerifiedSource{{Source: hub.String(), UID: "uid", ResourceVersion: "1", Verdict: "Fine"}})
	w.want(w.look(), policy.SourceVerifying)
}

func TestTurningItOffAndOn(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.answers = refused
	w.want(w.pass(0), policy.SourceRefused, "401")
	w.verify(false)
	w.want(w.look(), policy.SourceUsable)
	if len(w.sources.Known()) > 0 || !w.sources.Next().IsZero() {
		t.Error("it is still asked about")
	}
	w.now = w.now.Add(time.Minute)
	w.verify(true)
	w.want(w.look(), policy.SourceRefused, "401")
	w.answers = accepted
	w.want(w.pass(0), policy.SourceUsable)
	w.verify(false)
	w.look()
	w.now = w.now.Add(2 * Usual.Interval)
	if w.sources.Due(w.now); len(w.sources.known) > 0 {
		t.Error("it is remembered for ever")
	}
}

func TestASourceThatCannotBeCopiedIsNotAskedAbout(t *testing.T) {
	w := newWorld(t)
	w.hold("one")
	w.pass(0)
	kept := w.state
	w.state = policy.SourceState{Status: policy.SourceMissing}
	w.want(w.pass(10*time.Hour), policy.SourceMissing)
	if len(w.questions) != 1 {
		t.Errorf("it was asked %d times", len(w.questions))
	}
	w.state = kept
	w.want(w.look(), policy.SourceUsable)
	w.answers = unreachable
	w.hold("two")
	w.look()
	w.state = policy.SourceState{Status: policy.SourceMissing}
	w.pass(time.Hour)
	w.hold("two") // and the minute begins anew
	w.want(w.pass(Usual.Window/2), policy.SourceVerifying)
	w.want(w.pass(Usual.Window), policy.SourceUsable, "SourceUnverified")
}

func TestTextsAreBounded(t *testing.T) {
	var many []Answer
	for range 1000 {
		many = append(many, Answer{Host: strings.Repeat("h", 10_000), Verdict: Refused, Detail: strings.Repeat("d", 10_000)})
	}
	if text := sumUp(many).text; len(text) > maxText+3 {
		t.Errorf("%d bytes: %.80s", len(text), text)
	}
	for i := range many {
		many[i] = Answer{Host: "h", Verdict: Refused}
	}
	if text := sumUp(many).text; !strings.HasSuffix(text, ", and 997 more") {
		t.Error(text)
	}
}

// TestNeverMoreOftenThanThat holds, whatever happens: no two questions within the gap, and none that takes a copy back but a
// refusal.
func TestNeverMoreOftenThanThat(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t)
		w.hold("0")
		password, everRefused := 0, false
		for range 300 {
			switch random.IntN(8) {
			case 0:
				password = random.IntN(4)
			case 1:
				w.answers = [][]Answer{accepted, refused, unreachable, untold}[random.IntN(4)]
			case 2:
				w.verify(random.IntN(4) > 0)
			case 3:
				w.restart()
			}
			everRefused = everRefused || w.answers[0].Verdict == Refused
			w.hold(fmt.Sprint(password))
			state := w.pass(time.Duration(random.Int64N(int64(30 * time.Second))))
			for i := 1; i < len(w.questions); i++ {
				if gap := w.questions[i].Sub(w.questions[i-1]); gap < Usual.Gap*9/10 {
					t.Fatalf("seed %d: it was asked twice within %s", seed, gap)
				}
			}
			if !w.policy.Verifies(hub) && state.Status != policy.SourceUsable {
				t.Fatalf("seed %d: it is %s, and nobody wants it verified", seed, state.Status)
			}
			if state.Status == policy.SourceRefused && !everRefused {
				t.Fatalf("seed %d: it is refused, and no registry refused it", seed)
			}
			for _, f := range state.Findings {
				if f.Reason != string(plan.SourceUnverified) || f.Problem {
					t.Fatalf("seed %d: %+v", seed, f)
				}
			}
		}
		w.answers = accepted
		if w.verify(true); w.pass(2*time.Hour).Status != policy.SourceUsable {
			t.Fatalf("seed %d: it is not copied although its registry takes it", seed)
		}
	}
}
