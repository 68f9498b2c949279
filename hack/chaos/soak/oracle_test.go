package soak

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const ourPolicy = `
apiVersion: pullsecrets/v1alpha1
kind: Policy
rules:
- name: most
  secrets: [{source: {name: hub}, name: regcred}]
  namespaces: {include: ["team-*"], selector: {matchExpressions: [{key: team, operator: NotIn, values: [red]}]}}
- name: conflict
  secrets: [{source: {name: quay}, name: regcred}, {source: {name: ghcr}}]
  namespaces: {include: ["team-0?"]}
  prune: false
- name: pods
  secrets: [{source: {name: ecr}}]
  attach: pods
- name: away
  secrets: [{source: {name: gitlab}}]
  namespaces: {include: [team-01]}
`

// place is a small world in which all is right, and what there is in it.
func place() (*world, *seen) {
	w := newWorld()
	w.rules[first], w.rules[second], w.component = read(ourPolicy), read("rules: []"), true
	var spaces, all, accounts []*object
	for _, ns := range []*object{
		{key: key{name: "team-01"}}, {key: key{name: "team-02"}, labels: map[string]string{"team": "red"}},
		{key: key{name: "team-03"}, annotations: map[string]string{"pullsecrets/exclude": "true"}},
	} {
		spaces = append(spaces, ns)
		accounts = append(accounts, &object{key: key{ns.name, "default"}, uid: "default of " + ns.name}, &object{key: key{ns.name, "other"}, uid: "other of " + ns.name})
	}
	for _, name := range []string{"hub", "quay", "ghcr", "ecr"} { // gitlab is missing
		all = append(all, &object{key: key{first, name}, version: "1", typ: typeConfigJSON,
			data: map[string]string{".dockerconfigjson": credential(typeConfigJSON, name, "p", false)}})
	}
	s := newSeen(spaces, all, accounts)
	for _, ns := range spaces {
		wants := want(first, w.rules[first], s, ns, true)
		for name, c := range wants.copies {
			src := s.secrets[key{first, c.source}]
			if src == nil {
				continue
			}
			o := &object{key: key{ns.name, name}, uid: name, typ: src.typ, data: maps.Clone(src.data), applied: true,
				labels:      map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"},
				annotations: map[string]string{"pullsecrets/rule": c.rule, "pullsecrets/source": first + "/" + c.source, "pullsecrets/for": first + "/" + ns.name}}
			if !c.prune {
				o.annotations["pullsecrets/prune"] = "false"
			}
			s.secrets[o.key] = o
		}
		for account, names := range wants.accounts {
			a, noted := s.accounts[key{ns.name, account}], []string{}
			for _, name := range names {
				if s.secrets[key{ns.name, name}] == nil {
					continue
				}
				a.list = append(a.list, name)
				if wants.copies[name].prune {
					noted = append(noted, name)
				}
			}
			a.annotations = map[string]string{"pullsecrets/added": first + "/" + ns.name + ": " + strings.Join(noted, ",")}
		}
	}
	a := s.accounts[key{"team-01", "default"}]
	a.list = append([]string{"theirs-1"}, a.list...)
	w.theirs[a.uid] = map[string]bool{"theirs-1": true}
	f := &object{key: key{"team-03", "pull-a"}, uid: "f", version: "7", typ: "Opaque"}
	s.secrets[f.key], w.foreign[f.key] = f, f
	before := *s
	before.secrets = maps.Clone(s.secrets)
	w.begin(&before)
	return w, s
}

// spoil makes a source of no use.
func spoil(s *seen) {
	o := *s.secrets[key{first, "hub"}]
	o.data = map[string]string{".dockerconfigjson": `{"auths": {}}`}
	s.secrets[o.key] = &o
}

func TestNothingIsSaidWhereAllIsRight(t *testing.T) {
	w, s := place()
	w.remember()
	if got := w.judge(s); len(got) > 0 {
		t.Errorf("differences:\n%s", strings.Join(got, "\n"))
	}
	if got := s.accounts[key{"team-01", "default"}].list; !slices.Equal(got, []string{"theirs-1", "regcred", "ghcr"}) {
		t.Errorf("the list is %v", got)
	}
	if got, _ := w.podNames(s, s.namespaces["team-02"], "default"); !slices.Equal(got, []string{"ecr"}) {
		t.Errorf("pods get %v", got)
	}
}

// TestTheOracleFindsWhatIsBroken breaks one thing at a time.
func TestTheOracleFindsWhatIsBroken(t *testing.T) {
	copyKey, account := key{"team-01", "regcred"}, key{"team-01", "default"}
	for name, c := range map[string]struct {
		breaks func(w *world, s *seen)
		want   string
	}{
		"an entry of ours is gone": {func(_ *world, s *seen) { s.accounts[account].list = []string{"theirs-1", "ghcr"} }, "team-01/default lacks the name regcred: rule most"},
		"an entry of others is gone": {func(_ *world, s *seen) { s.accounts[account].list = []string{"regcred", "ghcr"} },
			"team-01/default lacks the name theirs-1: it is somebody else's"},
		"an entry that nothing asks for": {func(_ *world, s *seen) { s.accounts[key{"team-03", "default"}].list = []string{"regcred"} },
			"team-03/default has the name regcred, and nothing asks for it"},
		"an entry twice":                {func(_ *world, s *seen) { a := s.accounts[account]; a.list = append(a.list, "ghcr") }, "the name ghcr twice"},
		"a name is missing in a ledger": {func(_ *world, s *seen) { s.accounts[account].annotations["pullsecrets/added"] = first + "/team-01:" }, "its ledger (pullsecrets: []) lacks it"},
		"a name of others is in a ledger": {func(_ *world, s *seen) {
			s.accounts[account].annotations["pullsecrets/added"] = first + "/team-01: regcred,theirs-1"
		},
			"has the name theirs-1 in the ledger of pullsecrets"},
		"an opted-out account has its name": {func(_ *world, s *seen) { s.accounts[account].annotations["pullsecrets/exclude"] = "true" },
			"team-01/default has the name regcred, and nothing asks for it"},
		"a copy is missing": {func(_ *world, s *seen) { delete(s.secrets, copyKey) }, "secret team-01/regcred is missing: rule most"},
		"a copy is stale": {func(_ *world, s *seen) {
			s.secrets[key{first, "hub"}].data = map[string]string{".dockerconfigjson": credential(typeConfigJSON, "hub", "new", false)}
		}, "team-01/regcred has other content than its source"},
		"a copy is left": {func(_ *world, s *seen) {
			o := *s.secrets[copyKey]
			o.key, o.annotations = key{"team-03", "regcred"}, map[string]string{"pullsecrets/for": first + "/team-03"}
			s.secrets[o.key] = &o
		}, "team-03/regcred is a copy of pullsecrets, and no rule asks for it"},
		"a copy of the loser of a conflict": {func(_ *world, s *seen) {
			s.secrets[copyKey].data = maps.Clone(s.secrets[key{first, "quay"}].data)
		}, "team-01/regcred has other content than its source pullsecrets/hub"},
		"a mark is wrong":     {func(_ *world, s *seen) { s.secrets[copyKey].annotations["pullsecrets/rule"] = "old" }, `the annotation pullsecrets/rule: "old"`},
		"a mark is missing":   {func(_ *world, s *seen) { s.secrets[copyKey].annotations = nil }, "team-01/regcred is nobody's of the soak"},
		"the label is gone":   {func(_ *world, s *seen) { s.secrets[copyKey].labels = nil }, "has the label managed-by"},
		"something inherited": {func(_ *world, s *seen) { s.secrets[copyKey].annotations["soak/of-the-source"] = "true" }, "inherited an annotation"},
		"a kept copy has other content": {func(_ *world, s *seen) {
			spoil(s)
			o := *s.secrets[copyKey]
			o.data = map[string]string{".dockerconfigjson": "{}"}
			s.secrets[copyKey] = &o
		}, "team-01/regcred is kept while its source pullsecrets/hub cannot be used, and has other content"},
		"a kept copy is gone": {func(_ *world, s *seen) {
			spoil(s)
			delete(s.secrets, copyKey)
		}, "team-01/regcred was there, and is gone, while its source pullsecrets/hub cannot be used"},
		"a foreign secret that was touched": {func(_ *world, s *seen) {
			o := *s.secrets[key{"team-03", "pull-a"}]
			o.version = "8"
			s.secrets[o.key] = &o
		}, "team-03/pull-a of somebody else was touched"},
		"force did not take over": {func(w *world, s *seen) {
			w.rules[first].Rules[0].Force = true
			o := &object{key: copyKey, uid: "x", typ: "Opaque"}
			s.secrets[copyKey], w.foreign[copyKey] = o, o
		}, "team-01/regcred of somebody else should be taken over"},
		"an unobserved policy": {func(w *world, s *seen) {
			s.policies[first] = &object{annotations: map[string]string{"pullsecrets/observed-revision": "v1"}}
			w.revisions[first] = "v2"
		}, `is at revision v2, and what was observed is "v1"`},
		"a policy is gone": {func(w *world, _ *seen) { w.texts[second] = "rules: []" }, "the policy of second is gone"},
		"an invalid policy is accepted": {func(w *world, s *seen) {
			s.policies[first] = &object{annotations: map[string]string{"pullsecrets/status": "Ready"}}
			w.invalid[first] = true
		}, "whether its text is invalid: true"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := place()
			w.remember()
			c.breaks(w, s)
			got := strings.Join(w.judge(s), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("it says %q, without %q", got, c.want)
			}
		})
	}
}

// TestTheOracleFindsWhatIsLostOnTheWay gives the events of a round to it, although all is right in the end.
func TestTheOracleFindsWhatIsLostOnTheWay(t *testing.T) {
	_, right := place()
	account := right.accounts[key{"team-01", "default"}]
	lost := *account
	lost.list = []string{"regcred", "ghcr"}
	kept := *account
	kept.list = []string{"theirs-1", "ghcr"}
	nobodys := &object{key: key{"team-01", "nobodys"}}
	copied, foreign, source := right.secrets[key{"team-01", "regcred"}], right.secrets[key{"team-03", "pull-a"}], right.secrets[key{first, "hub"}]
	for name, c := range map[string]struct {
		event event
		want  string
	}{
		"an entry of others":       {event{before: account, after: &lost, version: "9"}, "lost the name theirs-1"},
		"an entry of the ledger":   {event{before: account, after: &kept, version: "9"}, ""},
		"written by an operation":  {event{before: account, after: &lost, version: "ours"}, ""},
		"an account":               {event{before: account, version: "9"}, "account team-01/default was deleted"},
		"a copy that is asked for": {event{secret: true, before: copied, version: "9"}, "team-01/regcred was deleted at version 9, although it was asked for"},
		"a secret of others":       {event{secret: true, before: foreign, version: "9"}, "team-03/pull-a of somebody else was deleted"},
		"a source":                 {event{secret: true, before: source, after: source, version: "9"}, "source pullsecrets/hub was written"},
		"an update of a copy":      {event{secret: true, before: copied, after: copied, version: "9"}, ""},
		"a new copy":               {event{secret: true, after: copied, version: "9"}, ""},
		"a copy nobody asks for":   {event{secret: true, after: nobodys, version: "9"}, "team-01/nobodys was made at version 9, and no rule asked for it"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := place()
			w.remember()
			w.versions["ours"] = true
			w.events = []event{c.event}
			got := strings.Join(w.judgeEvents(), "\n")
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("it says %q, and should say %q", got, c.want)
			}
		})
	}
}

// TestANameThatIsNotedIsExcusedNoMore: one of a rule that did not prune stays, until a ledger has it.
func TestANameThatIsNotedIsExcusedNoMore(t *testing.T) {
	w, right := place()
	a := right.accounts[key{"team-01", "default"}]
	a.list, a.annotations = []string{"regcred", "ghcr"}, map[string]string{"pullsecrets/added": first + "/team-01: regcred"}
	for _, name := range []string{"regcred", "ghcr", "gone"} {
		w.stays[a.uid+" "+name] = true
	}
	w.forget(right)
	if want := map[string]bool{a.uid + " ghcr": true}; !maps.Equal(w.stays, want) {
		t.Errorf("what may stay is %v, and should be %v", w.stays, want)
	}
}

// TestASeedGivesTheSameOperations chooses without a cluster.
func TestASeedGivesTheSameOperations(t *testing.T) {
	chosen := func() (all []string) {
		s := &soak{seed: 7, world: newWorld()}
		s.world.namespaces["team-01"] = newSpace(s.dice(0))
		for round := range 30 {
			r := s.dice(round)
			for range 10 {
				all = append(all, s.choose(r).text)
			}
		}
		return all
	}
	a, b := chosen(), chosen()
	if !slices.Equal(a, b) {
		t.Errorf("not the same:\n%v\n%v", a, b)
	}
}
