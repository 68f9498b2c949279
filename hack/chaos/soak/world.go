package soak

import (
	"fmt"
	"maps"
	"slices"
)

// The homes of the two installations. The first has the admission component.
const (
	first  = "pullsecrets"
	second = "second"
)

var homes = []string{first, second}

// registries are the names of the sources that both installations have.
var registries = []string{"hub", "ghcr", "quay", "ecr", "gitlab", "harbor"}

// copyNames are all names that copies may have: those of sources, and some that several rules share.
var copyNames = append([]string{"regcred", "pull-a", "pull-b"}, registries...)

// world is what the operations made of the cluster, as far as it does not depend on timing: operations are chosen by it, so
// that a seed always gives the same.
type world struct {
	namespaces map[string]*space
	sources    map[string]map[string]*source // by home
	rules      map[string]policy             // the last valid policy of each home
	component  bool
	serial     int // makes passwords, revisions and names new
	repairs    map[string]*repairs
	round      int

	notes
}

type space struct {
	labels   map[string]string
	optedOut bool
	accounts map[string]*account
}

type account struct {
	labels   map[string]string
	optedOut bool
}

// state of a source
type source struct {
	state string // good, broken or missing
	typ   string
}

// repairs are how often something was done that the programs have to repair. They repair ever more slowly, so that
// operations stop in time: a round could not rest otherwise.
type repairs struct{ count, round int }

func (w *world) mayHarm(what string) bool {
	r := w.repairs[what]
	if r == nil || w.round-r.round > 40 {
		r = &repairs{}
		w.repairs[what] = r
	}
	if r.count >= 5 {
		return false
	}
	r.count, r.round = r.count+1, w.round
	return true
}

// notes are what was really written, as the API server answered.
type notes struct {
	written   int               // texts of policies
	texts     map[string]string // what stands in the policy ConfigMaps; "" is that there is none
	invalid   map[string]bool
	revisions map[string]string

	theirs  map[string]map[string]bool // entries of others, by the account's UID
	foreign map[key]*object            // secrets of others, as they wrote them last
	edited  map[key]bool               // copies with content that somebody gave them while it cannot be mended
	stays   map[string]bool            // what may stay although nothing asks for it: UID or place, and name
	bare    map[string]bool            // UIDs of copies whose marks somebody took off

	start    *seen                // how all was when the round began
	states   []*seen              // how all was after each operation of the round
	policies map[string][]policy  // those that may have been in force in the round, by home
	contents map[string]bool      // what sources held in the round
	versions map[string]bool      // resourceVersions that operations wrote
	deleted  map[string]bool      // UIDs that operations deleted
	touched  map[key]bool         // secrets that operations of the round changed
	swept    map[string]bool      // namespaces that were deleted in the round
	byPods   bool                 // the component was there at some time of the round
	events   []event              // of secrets and accounts, in the round
	log      []string             // the operations of the round, for people
	ever     map[key][]wantedCopy // what was asked for at some time of the round
	always   map[key]int          // and how often
	combined int                  // of how many
}

func newWorld() *world {
	w := &world{
		namespaces: map[string]*space{}, sources: map[string]map[string]*source{}, rules: map[string]policy{}, repairs: map[string]*repairs{},
		notes: notes{
			texts: map[string]string{}, invalid: map[string]bool{}, revisions: map[string]string{},
			theirs: map[string]map[string]bool{}, foreign: map[key]*object{}, edited: map[key]bool{}, stays: map[string]bool{}, bare: map[string]bool{},
		},
	}
	for _, home := range homes {
		w.sources[home] = map[string]*source{}
		for _, name := range registries {
			w.sources[home][name] = &source{state: "missing", typ: typeConfigJSON}
		}
	}
	w.begin(&seen{})
	return w
}

// begin begins a round with what there is.
func (w *world) begin(s *seen) {
	w.round++
	w.start, w.states, w.events, w.log = s, []*seen{s}, nil, nil
	w.policies = map[string][]policy{}
	for home, p := range w.rules {
		w.policies[home] = []policy{p}
	}
	w.contents, w.versions, w.deleted = map[string]bool{}, map[string]bool{}, map[string]bool{}
	w.touched, w.swept, w.byPods = map[key]bool{}, map[string]bool{}, w.component
	w.looked(s)
}

// looked notes a state of the round.
func (w *world) looked(s *seen) {
	w.states = append(w.states, s)
	for _, home := range homes {
		for _, name := range registries {
			if o := s.secrets[key{home, name}]; o != nil {
				w.contents[o.content()] = true
			}
		}
	}
}

func (w *world) next(prefix string) string {
	w.serial++
	return fmt.Sprintf("%s%d", prefix, w.serial)
}

// spaces are the names of the namespaces that there are, sorted.
func (w *world) spaces() []string { return slices.Sorted(maps.Keys(w.namespaces)) }

// wrote notes what the API server made of an operation's write.
func (w *world) wrote(o *object) { w.versions[o.version] = true }

// noteSecret notes a secret that an operation wrote: it is somebody else's if neither its mark nor its fields say otherwise.
func (w *world) noteSecret(o *object) {
	w.wrote(o)
	w.touched[o.key] = true
	if o.ns != first && o.ns != second && o.installation() == "" && !o.applied {
		w.foreign[o.key] = o
	}
}

// noteList notes what an operation made of an account's list: asked is the list as it was written.
func (w *world) noteList(before, after *object, asked []string) {
	w.wrote(after)
	theirs := w.theirs[after.uid]
	if theirs == nil {
		theirs = map[string]bool{}
		w.theirs[after.uid] = theirs
	}
	var had []string
	if before != nil {
		had = before.list
	}
	_, noted := after.ledger()
	for _, name := range had {
		if !slices.Contains(asked, name) {
			delete(theirs, name)
			delete(w.stays, after.uid+" "+name)
		}
	}
	for _, name := range asked {
		if !slices.Contains(had, name) && !slices.Contains(noted, name) {
			theirs[name] = true
		}
	}
}

// forget forgets what may stay and did not.
func (w *world) forget(s *seen) {
	there := map[string]bool{}
	for k, o := range s.secrets {
		if o.annotations["pullsecrets/prune"] == "false" {
			there[k.String()] = true
		}
	}
	for _, a := range s.accounts {
		_, noted := a.ledger()
		for _, name := range a.list {
			there[a.uid+" "+name] = !slices.Contains(noted, name) // one that is noted goes with its rule
		}
	}
	for what := range w.stays {
		if !there[what] {
			delete(w.stays, what)
		}
	}
}
