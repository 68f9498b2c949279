package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"
)

// maxComparisons is how many pairs of globs are compared for the warnings about a policy. It is enough for 1,000 rules
// that each have a glob or a label of their own; of what is beyond, nothing is said.
const maxComparisons = 1 << 21

// maxGlob is the length of a glob beyond which it is not compared: no name is that long.
const maxGlob = 512

// nameLabel is the label in which the API server puts the name of every namespace.
const nameLabel = "kubernetes.io/metadata.name"

// overlaps compares matchers with each other. In doubt they overlap.
type overlaps struct{ left int }

func (o *overlaps) spend(n int) bool {
	o.left -= n
	return o.left >= 0
}

// area is a matcher with what its selector asks.
type area struct {
	Matcher
	asks map[string]asked // by label
}

// overlap reports whether a namespace may be matched by both. It is false once there were too many comparisons.
func (o *overlaps) overlap(a, b area) bool {
	return o.globsOverlap(a.Matcher, b.Matcher) && !o.exclusive(a, b) && o.left >= 0
}

func (o *overlaps) globsOverlap(a, b Matcher) bool {
	for _, x := range a.include {
		for _, y := range b.include {
			if !o.spend(1) {
				return false
			}
			if o.meet(x, y) && !slices.ContainsFunc([][]glob{a.exclude, b.exclude}, func(exclude []glob) bool {
				return o.anyCovers(exclude, x) || o.anyCovers(exclude, y)
			}) {
				return true
			}
		}
	}
	return false
}

// holds reports whether a matches all that b matches. It may be false where that is not obvious.
func (o *overlaps) holds(a, b area) bool {
	return len(a.exclude) == 0 && len(a.asks) == 0 &&
		!slices.ContainsFunc(b.include, func(g glob) bool { return !o.anyCovers(a.include, g) })
}

// anyCovers reports whether one of the globs matches every name that g matches.
func (o *overlaps) anyCovers(globs []glob, g glob) bool {
	return slices.ContainsFunc(globs, func(by glob) bool { return o.spend(1) && by.covers(g) })
}

// covers reports whether g matches every name that other matches. It may be false where that is not obvious.
func (g glob) covers(other glob) bool {
	if len(g) > maxGlob || len(other) > maxGlob {
		return false
	}
	if strings.Contains(string(g), "?") && strings.Contains(string(other), "*") {
		return false // ? would take the other's star for one character
	}
	return g.matches(string(other))
}

// meet reports whether some text is matched by both globs.
func (o *overlaps) meet(a, b glob) bool {
	switch {
	case a == b || a == "*" || b == "*":
		return true
	case !strings.ContainsAny(string(a), "*?") && !strings.ContainsAny(string(b), "*?"):
		return false
	case len(a) > maxGlob || len(b) > maxGlob || !endsMeet(a, b):
		return false
	}
	return o.spend(len(a)*len(b)/16) && meetSlowly(a, b)
}

// endsMeet reports whether what stands before the first and after the last star or ? is not evidently different.
func endsMeet(a, b glob) bool {
	for i := 0; i < min(len(a), len(b)) && !special(a[i]) && !special(b[i]); i++ {
		if a[i] != b[i] {
			return false
		}
	}
	for i := 1; i <= min(len(a), len(b)) && !special(a[len(a)-i]) && !special(b[len(b)-i]); i++ {
		if a[len(a)-i] != b[len(b)-i] {
			return false
		}
	}
	return true
}

func special(c byte) bool { return c == '*' || c == '?' }

// meetSlowly takes time in the product of the lengths: row[j] says whether a[i:] and b[j:] meet.
func meetSlowly(a, b glob) bool {
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		diagonal := false // of the row below
		for j := len(b); j >= 0; j-- {
			below := row[j]
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i] == '*':
				row[j] = below || j < len(b) && row[j+1]
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && below
			default:
				row[j] = i < len(a) && j < len(b) && (a[i] == b[j] || a[i] == '?' || b[j] == '?') && diagonal
			}
			diagonal = below
		}
	}
	return row[0]
}

// asked is what selectors ask of one label.
type asked struct {
	in              sets.Set[string] // nil is any value
	notIn           sets.Set[string]
	present, absent bool
}

// ask gathers what a selector asks, by label.
func ask(s labels.Selector) map[string]asked {
	all := map[string]asked{}
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		a, values := all[r.Key()], sets.New(r.ValuesUnsorted()...)
		switch r.Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			if a.in != nil {
				values = values.Intersection(a.in)
			}
			a.in, a.present = values, true
		case selection.NotIn, selection.NotEquals:
			a.notIn = values.Union(a.notIn)
		case selection.Exists:
			a.present = true
		case selection.DoesNotExist:
			a.absent = true
		}
		all[r.Key()] = a
	}
	return all
}

// excludes reports whether no label can be what is asked of it by both.
func (a asked) excludes(b asked) bool {
	if (a.absent || b.absent) && (a.present || b.present) {
		return true
	}
	if a.in == nil || b.in != nil && len(b.in) < len(a.in) {
		a, b = b, a
	}
	for value := range a.in {
		if !a.notIn.Has(value) && !b.notIn.Has(value) && (b.in == nil || b.in.Has(value)) {
			return false
		}
	}
	return a.in != nil
}

// contradiction names a label that cannot be all that a selector asks of it.
func contradiction(asks map[string]asked) (key string, ok bool) {
	for k, a := range asks {
		if a.excludes(a) && (!ok || k < key) {
			key, ok = k, true
		}
	}
	return key, ok
}

// exclusive reports whether no namespace can be matched by both, on account of its labels.
func (o *overlaps) exclusive(a, b area) bool {
	for key, x := range a.asks {
		if y, both := b.asks[key]; both && o.spend(1+len(x.in)) && x.excludes(y) {
			return true
		}
	}
	for _, x := range []area{a, b} {
		names := x.asks[nameLabel].in
		if names != nil && o.spend(len(names)) && !slices.ContainsFunc(names.UnsortedList(), func(name string) bool {
			return a.named(name) && b.named(name)
		}) {
			return true
		}
	}
	return false
}
