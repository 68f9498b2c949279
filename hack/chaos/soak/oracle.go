package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// judge holds what there is against what the policies ask for, and returns the differences, sorted.
func (w *world) judge(s *seen) []string {
	j := &judgement{world: w, seen: s}
	for _, ns := range slices.Sorted(maps.Keys(s.namespaces)) {
		o := s.namespaces[ns]
		if o.deleting {
			j.differ("namespace %s is still going", ns)
			continue
		}
		j.namespace(o)
	}
	for _, home := range homes {
		j.feedback(home)
	}
	slices.Sort(j.differences)
	return slices.Compact(j.differences)
}

type judgement struct {
	*world
	seen        *seen
	wants       map[string]wanted // of the namespace that is judged, by home
	differences []string
}

func (j *judgement) differ(format string, args ...any) {
	j.differences = append(j.differences, fmt.Sprintf(format, args...))
}

func (j *judgement) namespace(ns *object) {
	j.wants = map[string]wanted{}
	for _, home := range homes {
		j.wants[home] = want(home, j.rules[home], j.seen, ns, home == first && j.component)
	}
	for k, o := range j.seen.secrets {
		if k.ns == ns.name {
			j.secret(o)
		}
	}
	for _, home := range homes {
		for name, c := range j.wants[home].copies {
			j.missing(key{ns.name, name}, c)
		}
	}
	for _, a := range j.seen.accountsIn(ns.name) {
		j.account(a)
	}
}

// secret judges a secret that is there.
func (j *judgement) secret(o *object) {
	if slices.Contains(homes, o.ns) && slices.Contains(registries, o.name) {
		if home := o.installation(); home != "" && j.rules[o.ns].isSource(o.name) {
			j.differ("secret %s is a source, and has the mark of a copy of %s", o.key, home)
		}
		return
	}
	home := o.installation()
	if home == "" {
		j.foreignSecret(o)
		return
	}
	if c, ok := j.wants[home].copies[o.name]; ok {
		j.copy(o, c)
		return
	}
	switch {
	case o.deleting:
	case o.annotations["pullsecrets/prune"] == "false" && j.stays[o.key.String()]:
	case len(o.data) > 1: // it was taken over, and has keys of somebody else
	default:
		j.differ("secret %s is a copy of %s, and no rule asks for it", o.key, home)
	}
}

// copy judges a copy that a rule asks for.
func (j *judgement) copy(o *object, c wantedCopy) {
	src := j.seen.secrets[key{c.home, c.source}]
	if !usable(src) {
		if !j.contents[o.content()] && !j.edited[o.key] && !j.held(o) {
			j.differ("secret %s is kept while its source %s/%s cannot be used, and has other content than before", o.key, c.home, c.source)
		}
		return
	}
	delete(j.edited, o.key)
	if o.typ != src.typ || !same(o, src) {
		j.differ("secret %s has other content than its source %s/%s", o.key, c.home, c.source)
	}
	marks := map[string]string{
		"pullsecrets/rule": c.rule, "pullsecrets/source": c.home + "/" + c.source, "pullsecrets/for": c.home + "/" + o.ns, "pullsecrets/prune": "",
	}
	if !c.prune {
		marks["pullsecrets/prune"] = "false"
	}
	for k, v := range marks {
		if o.annotations[k] != v {
			j.differ("secret %s has the annotation %s: %q, and should have %q", o.key, k, o.annotations[k], v)
		}
	}
	if got := o.labels["app.kubernetes.io/managed-by"]; got != manager {
		j.differ("secret %s has the label managed-by: %q", o.key, got)
	}
	if o.annotations["soak/of-the-source"] != "" {
		j.differ("secret %s inherited an annotation from its source", o.key)
	}
}

// held reports whether a copy has what it had when the round began.
func (j *judgement) held(o *object) bool {
	before := j.start.secrets[o.key]
	return before != nil && before.content() == o.content()
}

// foreignSecret judges a secret that is no copy.
func (j *judgement) foreignSecret(o *object) {
	f := j.foreign[o.key]
	switch {
	case f == nil && o.applied && j.waits(o): // somebody took its marks off, and it gets them with its source
		return
	case f == nil && o.applied && j.bare[o.uid] && strings.HasPrefix(o.ns, "both-") && !j.asked(o): // nothing tells whose it is
		return
	case f == nil && slices.Contains(copyNames, o.name):
		j.differ("secret %s is nobody's of the soak, and has no mark that says for whom it is", o.key)
		return
	case f == nil:
		return
	case f.uid != o.uid || f.version != o.version:
		j.differ("secret %s of somebody else was touched: it was at version %s, and is at %s", o.key, f.version, o.version)
	}
	for _, home := range homes {
		c, ok := j.wants[home].copies[o.name]
		src := j.seen.secrets[key{home, c.source}]
		if ok && c.force && usable(src) && !same(o, src) {
			j.differ("secret %s of somebody else should be taken over: rule %s of %s says force", o.key, c.rule, home)
		}
	}
}

// asked reports whether a rule asks for a copy of a secret's name there.
func (j *judgement) asked(o *object) bool {
	return slices.ContainsFunc(homes, func(home string) bool {
		_, ok := j.wants[home].copies[o.name]
		return ok
	})
}

// waits reports whether a copy is asked for whose source cannot be used, so that nothing is written of it.
func (j *judgement) waits(o *object) bool {
	return slices.ContainsFunc(homes, func(home string) bool {
		c, ok := j.wants[home].copies[o.name]
		return ok && !usable(j.seen.secrets[key{home, c.source}])
	})
}

// missing judges a copy that is asked for, where there is none.
func (j *judgement) missing(k key, c wantedCopy) {
	if j.seen.secrets[k] != nil || k.ns == c.home && j.rules[c.home].isSource(k.name) {
		return
	}
	if usable(j.seen.secrets[key{c.home, c.source}]) {
		j.differ("secret %s is missing: rule %s of %s asks for it", k, c.rule, c.home)
		return
	}
	if before := j.start.secrets[k]; before != nil && before.installation() == c.home && j.steady(k) {
		j.differ("secret %s was there, and is gone, while its source %s/%s cannot be used", k, c.home, c.source)
	}
}

// referable reports whether accounts and pods get a name that an installation asks for.
func (j *judgement) referable(home, ns, name string) bool {
	c := j.wants[home].copies[name]
	src := j.seen.secrets[key{home, c.source}]
	if ns == home && j.rules[home].isSource(name) {
		return c.source == name && usable(src)
	}
	o := j.seen.secrets[key{ns, name}]
	switch {
	case o == nil:
		return false
	case o.installation() == "" && j.foreign[o.key] == nil:
		return false // it lost its marks, and waits for them
	case o.installation() != "":
		return o.installation() == home
	}
	return usable(src) && same(o, src)
}

// account judges an account's list and its ledger.
func (j *judgement) account(a *object) {
	theirs := j.theirs[a.uid]
	required, allowed := map[string]string{}, map[string]bool{}
	for name := range theirs {
		required[name] = "it is somebody else's, who did not remove it"
	}
	keeper, noted := a.ledger()
	for _, home := range homes {
		w := j.wants[home]
		for _, name := range w.accounts[a.name] {
			allowed[name] = true
			if (keeper == "" || keeper == home) && j.referable(home, a.ns, name) {
				required[name] = fmt.Sprintf("rule %s of %s asks for it", w.copies[name].rule, home)
				if w.copies[name].prune && !theirs[name] && !j.stays[a.uid+" "+name] && !slices.Contains(noted, name) && a.has(name) {
					j.differ("account %s has the name %s, and its ledger (%s: %v) lacks it", a.key, name, keeper, noted)
				}
			}
		}
		for _, name := range w.pods[a.name] {
			if !j.referable(home, a.ns, name) {
				allowed[name] = true
			}
		}
	}
	for name, why := range required {
		if !a.has(name) {
			j.differ("account %s lacks the name %s: %s; its list is %v, its ledger %s: %v", a.key, name, why, a.list, keeper, noted)
		}
	}
	times := map[string]int{}
	for _, name := range a.list {
		if times[name]++; times[name] == 2 {
			j.differ("account %s has the name %s twice", a.key, name)
		}
		if required[name] == "" && !allowed[name] && !j.stays[a.uid+" "+name] {
			j.differ("account %s has the name %s, and nothing asks for it; its ledger is %s: %v", a.key, name, keeper, noted)
		}
	}
	j.ledger(a, keeper, noted)
}

func (j *judgement) ledger(a *object, keeper string, noted []string) {
	if keeper == "" {
		return
	}
	if !slices.Contains(homes, keeper) {
		j.differ("account %s has a ledger of %s", a.key, keeper)
		return
	}
	w := j.wants[keeper]
	if len(w.accounts[a.name]) == 0 && len(noted) == 0 {
		j.differ("account %s has an empty ledger of %s, whose policy asks for nothing there", a.key, keeper)
	}
	for _, name := range noted {
		asked := slices.Contains(w.accounts[a.name], name) || slices.Contains(w.pods[a.name], name)
		switch {
		case !asked:
			j.differ("account %s has the name %s in the ledger of %s, and no rule asks for it; its list is %v", a.key, name, keeper, a.list)
		case j.theirs[a.uid][name]:
			j.differ("account %s has the name %s in the ledger of %s, although somebody else added it", a.key, name, keeper)
		case !w.copies[name].prune:
			j.differ("account %s has the name %s in the ledger of %s, although its rule does not prune", a.key, name, keeper)
		}
	}
}

// feedback judges what is said on the policy ConfigMap.
func (j *judgement) feedback(home string) {
	cm := j.seen.policies[home]
	if cm == nil {
		if j.texts[home] != "" {
			j.differ("the policy of %s is gone, and nobody of the soak deleted it", home)
		}
		return
	}
	if got := cm.annotations["pullsecrets/observed-revision"]; got != j.revisions[home] {
		j.differ("the policy of %s is at revision %s, and what was observed is %q", home, j.revisions[home], got)
		return
	}
	status := cm.annotations["pullsecrets/status"]
	if j.invalid[home] != (status == "Invalid") {
		j.differ("the policy of %s is %s; whether its text is invalid: %t (%s)", home, status, j.invalid[home], cm.annotations["pullsecrets/message"])
	}
}

// podNames are the names that a pod gets which is created now, besides those of its account or its own. Of those whose copy lost
// its marks, and waits for its source to get them back, both is right.
func (w *world) podNames(s *seen, ns *object, account string) (names, doubtful []string) {
	j := &judgement{world: w, seen: s, wants: map[string]wanted{first: want(first, w.rules[first], s, ns, w.component)}}
	for _, name := range j.wants[first].pods[account] {
		o := s.secrets[key{ns.name, name}]
		switch {
		case j.referable(first, ns.name, name):
			names = append(names, name)
		case o != nil && o.applied && o.installation() == "":
			doubtful = append(doubtful, name)
		}
	}
	return names, doubtful
}

// summary is a list in a line.
func summary(list []string, most int) string {
	if len(list) > most {
		return fmt.Sprintf("%s\n  and %d more", strings.Join(list[:most], "\n  "), len(list)-most)
	}
	return strings.Join(list, "\n  ")
}
