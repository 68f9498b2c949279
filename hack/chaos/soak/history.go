package soak

// remember works out what may have been made in the round, whatever the programs saw in which order: by each policy that
// may have been in force, in each state that there was.
func (w *world) remember() {
	w.ever, w.always, w.combined = map[key][]wantedCopy{}, map[key]int{}, 0
	ways := []bool{false}
	if w.byPods {
		ways = []bool{false, true}
	}
	combinations := map[string]int{}
	for _, s := range w.states {
		for home, policies := range w.policies {
			for _, p := range policies {
				combinations[home]++
				for _, ns := range s.namespaces {
					for _, byPods := range ways {
						w.note(want(home, p, s, ns, byPods), s, ns, !byPods)
					}
				}
			}
		}
	}
	// a copy counts as always asked for where one of the homes did always
	for k, n := range w.always {
		total := 0
		for _, c := range w.ever[k][:1] {
			total = combinations[c.home]
		}
		if n < total {
			delete(w.always, k)
		}
	}
}

func (w *world) note(wants wanted, s *seen, ns *object, count bool) {
	for name, c := range wants.copies {
		k := key{ns.name, name}
		known := false
		for _, e := range w.ever[k] {
			known = known || e == c
		}
		if !known {
			w.ever[k] = append(w.ever[k], c)
		}
		if count {
			w.always[k]++
		}
		if !c.prune {
			w.stays[k.String()] = true
		}
	}
	for account, names := range wants.accounts {
		a := s.accounts[key{ns.name, account}]
		for _, name := range names {
			if !wants.copies[name].prune {
				w.stays[a.uid+" "+name] = true
			}
		}
	}
}

// forced reports whether a rule asked for a copy with force at some time of the round.
func (w *world) forced(k key) bool {
	for _, c := range w.ever[k] {
		if c.force {
			return true
		}
	}
	return false
}

// steady reports whether the same installation asked for a copy at all times of the round, of sources of one type.
func (w *world) steady(k key) bool {
	if w.always[k] == 0 || w.touched[k] || w.swept[k.ns] {
		return false
	}
	types := map[string]bool{}
	home := w.ever[k][0].home
	if before := w.start.secrets[k]; before != nil {
		types[before.typ] = true
	}
	for _, c := range w.ever[k] {
		if c.home != home {
			return false
		}
		for _, s := range w.states {
			if o := s.secrets[key{c.home, c.source}]; o != nil {
				types[o.typ] = true
			}
		}
	}
	return len(types) <= 1
}
