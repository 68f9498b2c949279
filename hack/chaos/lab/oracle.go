package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Right returns nil if each namespace has, by the watches of the lab, exactly what the policy asks for: copies with the
// sources' content, names in lists once each, and none of either where it does not ask for them.
func (l *Lab) Right() error { return l.right(l.witness.view()) }

// RightByList is Right by a list, and so of this moment.
func (l *Lab) RightByList() error {
	v, err := l.list()
	if err != nil {
		return err
	}
	return l.right(v)
}

func (l *Lab) right(v view) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var policy Policy
	if n := len(l.policies); n > 0 {
		policy = l.policies[n-1]
	}
	var wrong []string
	for i, ns := range l.Names {
		want := policy.in(i)
		for _, name := range copies {
			got, there := v.secrets[ns+"/"+name]
			rule, wanted := want[name]
			switch {
			case there != wanted:
				wrong = append(wrong, fmt.Sprintf("copy %s/%s: there %t, wanted %t", ns, name, there, wanted))
			case there && got.content != api.Credential(rule.Source+".example.com", l.password[rule.Source]):
				wrong = append(wrong, fmt.Sprintf("copy %s/%s has another content", ns, name))
			case there && got.kind != "kubernetes.io/dockerconfigjson":
				wrong = append(wrong, fmt.Sprintf("copy %s/%s is of type %q", ns, name, got.kind))
			}
		}
		for _, account := range accounts {
			var names []string
			for _, name := range copies {
				if rule, wanted := want[name]; wanted && slices.Contains(rule.accounts, account) {
					names = append(names, name)
				}
			}
			got := slices.DeleteFunc(slices.Clone(v.lists[ns+"/"+account]), func(name string) bool { return !slices.Contains(copies, name) })
			slices.Sort(got)
			slices.Sort(names)
			if !slices.Equal(got, names) {
				wrong = append(wrong, fmt.Sprintf("service account %s/%s has of ours %v, wanted %v", ns, account, got, names))
			}
		}
	}
	return differences(wrong)
}

// in is the rule for each copy that a policy wants in a namespace.
func (p Policy) in(i int) map[string]Rule {
	out := map[string]Rule{}
	for _, r := range p {
		if r.selects(i) {
			out[r.Copy] = r
		}
	}
	return out
}

func differences(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return errors.New(fmt.Sprintf("%d differences: ", len(all)) + strings.Join(all[:min(3, len(all))], "; "))
}

// Lost tells what somebody else put into the cluster, and is not there any more or is another: entries of service accounts'
// lists, in their order, and secrets. That somebody has to be at rest.
func (l *Lab) Lost() ([]string, error) {
	v, err := l.list()
	if err != nil {
		return nil, err
	}
	return l.other.lost(v), nil
}

// Mark begins a story: what is made twice, and what the status says, counts from here on.
func (l *Lab) Mark() {
	v := l.witness.view()
	l.witness.forget()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policies = l.policies[max(0, len(l.policies)-1):]
	l.marked = map[string]string{}
	for key, s := range v.secrets {
		l.marked[key] = s.uid
	}
}

// CatchUp waits until the lab's own watches have seen what there is: after the API server was away they come back late, and what
// they have not seen counts neither for Twice nor for States. Everybody has to be at rest.
func (l *Lab) CatchUp() error {
	return l.await("the lab's watches have seen everything", func() error {
		now, err := l.list()
		if err != nil {
			return err
		}
		said, err := l.said()
		if err != nil {
			return err
		}
		_, states := l.witness.sinceForgotten()
		return l.caughtUp(now, l.witness.view(), stateOf(said), states)
	})
}

// caughtUp returns nil if what was seen by watches is what there is now.
func (l *Lab) caughtUp(now, seen view, state string, states []string) error {
	var wrong []string
	for _, ns := range l.Names {
		for _, name := range copies {
			key := ns + "/" + name
			if is, was := now.secrets[key].uid, seen.secrets[key].uid; is != was {
				wrong = append(wrong, fmt.Sprintf("copy %s has the UID %q, and %q was seen last", key, is, was))
			}
		}
	}
	if state != "" && (len(states) == 0 || states[len(states)-1] != state) {
		wrong = append(wrong, fmt.Sprintf("the status is %q, and of %q the last was seen", state, states))
	}
	return differences(wrong)
}

// Twice tells which copies were made anew since Mark although every policy since then wanted them: the kubelet knows an image's
// credential by its secret's UID.
func (l *Lab) Twice() (twice []string) {
	uids, _ := l.witness.sinceForgotten()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, ns := range l.Names {
		for _, name := range copies {
			key := ns + "/" + name
			if slices.ContainsFunc(l.policies, func(p Policy) bool { _, wanted := p.in(i)[name]; return !wanted }) {
				continue
			}
			seen := uids[key]
			if before := l.marked[key]; before != "" {
				seen = slices.Compact(append([]string{before}, seen...))
			}
			if len(seen) > 1 {
				twice = append(twice, fmt.Sprintf("%s was made %d times", key, len(seen)))
			}
		}
	}
	return twice
}

// States is what the policy's status was since Mark, one after the other, with the reasons that it named. The first is the one
// that it had then.
func (l *Lab) States() []string {
	_, states := l.witness.sinceForgotten()
	return states
}
