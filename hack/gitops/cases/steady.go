package cases

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/watch"
)

// passes is how often a tool goes over a revision that it has applied already.
const passes = 5

// steady has the tool go on with what is in git already, and says what comes of that.
//
// The case is about an account's list, or about the copies if there is none to name.
func (s *story) steady(name string, of account) {
	s.T.Helper()
	if s.admission { // the controller gives up what it changed in a list, so a tool may become its owner once more
		s.commit()
	}
	drift := map[string]bool{}
	writing, drifting := 0, 0
	for pass := range passes {
		shown, err := s.tool.Drift(s.ctx, s.git.objects(s.prefix))
		must(s.T, err)
		before := s.record.len()
		changed, err := s.tool.Pass(s.ctx, s.git.objects(s.prefix))
		switch {
		case errors.Is(err, ErrRefused):
			drift[refused] = true
			s.T.Log(err)
		case err != nil:
			s.T.Fatal(err)
		}
		if len(shown)+len(changed) > 0 {
			s.T.Logf("%s: shown as different: %v, changed: %v", name, shown, changed)
			drifting++
		}
		for _, id := range append(shown, changed...) {
			drift[strings.Fields(id)[0]] = true
		}
		s.settled()
		if pass == passes-1 {
			must(s.T, s.record.quiet(quietEnd))
		}
		if written := s.record.since(before); len(written) > 0 {
			s.T.Logf("%s: written in a pass: %v", name, written)
			writing++
		}
	}
	got := Outcome{
		Drift: none, Writes: map[int]string{0: none, passes: each}[writing], Owner: "pullsecrets (the copies)", Lost: s.lost(),
	}
	if of.name != "" {
		u, err := s.Get(s.ctx, Object("v1", "ServiceAccount", of.namespace, of.name))
		must(s.T, err)
		got.Owner = ownersOf(u)
	}
	if len(drift) > 0 {
		got.Drift = strings.Join(slices.Sorted(maps.Keys(drift)), ", ")
	}
	if drifting > 0 && drifting < passes {
		got.Drift += " in " + some
	}
	if got.Writes == "" {
		got.Writes = some
	}
	s.out.add(s.kind.Name, name, s.admission, got)
	s.judge(name, got)
}

// lost says what went in this case and should not have gone, if only for a moment.
func (s *story) lost() string {
	lost := map[string]bool{}
	had := map[string][]string{}
	for i, e := range s.record.since(0) {
		id, inCase := ID(e.object), i >= s.began
		switch e.object.GetKind() {
		case "ServiceAccount":
			list := listOf(e.object)
			for _, name := range had[id] {
				if inCase && !slices.Contains(list, name) {
					lost[s.whose(e.object.GetNamespace(), e.object.GetName(), name)] = true
				}
			}
			had[id] = list
		case "Secret":
			if inCase && e.kind == watch.Deleted && e.object.GetNamespace() != Home && slices.Contains(s.git.names, e.object.GetName()) {
				lost["copies"] = true
			}
		}
	}
	delete(lost, "")
	if len(lost) == 0 {
		return nothing
	}
	return strings.Join(slices.Sorted(maps.Keys(lost)), ", ")
}

// whose says what it means that a name left a list: nothing if git and the policy took it away.
func (s *story) whose(ns, account, name string) string {
	switch {
	case slices.Contains(s.git.account(ns, account).list, name):
		return "theirs"
	case slices.Contains(s.git.names, name):
		return ours
	}
	return ""
}

// judge holds an outcome to what is promised: under admission nobody fights, without it only those do whose git has a
// list, and what is documented ends that.
func (s *story) judge(name string, got Outcome) {
	s.T.Helper()
	want := Outcome{Drift: none, Writes: none, Owner: got.Owner, Lost: nothing}
	if name == "an account with a list in git" {
		switch {
		case s.admission && s.kind.SeesItsOwnListOnly:
			want.Drift = "ServiceAccount"
		case s.admission:
		case s.kind.Refuses:
			want.Drift = refused
		default:
			want.Drift, want.Writes, want.Lost = "ServiceAccount", each, ours
		}
	}
	if got != want {
		s.T.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
	}
}
