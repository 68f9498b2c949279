package status

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The states of a policy, as its annotation pullsecrets/status and the metrics say.
const (
	Ready    = "Ready"    // the policy is in force; few namespaces may have problems of their own
	Degraded = "Degraded" // it is in force, with problems of its own, or of too many namespaces
	Invalid  = "Invalid"  // the last text was refused

	Missing     = "Missing"     // there is no policy ConfigMap; in the metrics alone
	Progressing = "Progressing" // accepted, but not every namespace was tried; in the metrics alone
)

// States are all of them.
var States = []string{Missing, Progressing, Ready, Degraded, Invalid}

// Problem is something that somebody should look at, in one or many namespaces.
type Problem struct {
	Rule   string `json:"rule,omitempty"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Scope  string `json:"scope,omitempty"` // whose it is, a plan.Scope; empty in a status of an earlier version
}

// Object names what a problem of no namespace is about.
func (p Problem) Object() string {
	if p.Rule == "" && p.Source != "" {
		return "source " + p.Source
	}
	return p.Kind + " " + p.Name
}

// Totals is what the record shows of the cluster.
type Totals struct {
	Namespaces      int            `json:"namespaces"`
	Selected        int            `json:"selected"` // namespaces that a rule selects, and those that count as Failing besides
	Failing         int            `json:"failing"`  // of these: namespaces that have a problem of their own
	ServiceAccounts int            `json:"serviceAccounts"`
	Copies          map[string]int `json:"copies"`                 // in place, by rule
	RulesLeftOut    int            `json:"rulesLeftOut,omitempty"` // whose copies are not among these
	Problems        int            `json:"problemCount"`
	First           []ShownProblem `json:"problems,omitempty"` // the policy's before those of namespaces
	// Missing are copies that rules want and that are not there, by name. A name that is not among them is there wherever
	// rules want it, unless MissingCut says that there are more names.
	Missing    []MissingCopy `json:"missingCopies,omitempty"`
	MissingCut bool          `json:"missingCopiesCut,omitempty"`
	// Sources is what is said of sources beside whether they can be copied, by source; the first ShownFindings of all.
	Sources        []SourceFinding `json:"sourceFindings,omitempty"`
	SourcesLeftOut int             `json:"sourceFindingsLeftOut,omitempty"`
}

// ShownFindings is how many findings about sources the record has at most.
const ShownFindings = 50

// SourceFinding is something that is said of a source beside whether it can be copied.
type SourceFinding struct {
	Source  string `json:"source"` // namespace/name
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Problem bool   `json:"problem,omitempty"` // it is among the problems too
}

// SourceHosts are the registries that a source has entries for. A team may read neither the source nor, perhaps, its own copy, and
// is told by them which registry it is for.
type SourceHosts struct {
	Source string   `json:"source"` // namespace/name
	Hosts  []string `json:"hosts"`  // as they are written there, sorted
	Cut    bool     `json:"cut,omitempty"`
}

// How much is shown of which source is for which registry.
const (
	shownSources   = 200
	shownHosts     = 20       // of each
	shownHostBytes = 64 << 10 // of all
)

// HostsOf are the registries of the first sources by name. Left out are entries that hold no credential, and what can be no host
// of an image: somebody may have put a token in its place. Sources whose content is not known have none.
func HostsOf(states map[types.NamespacedName]policy.SourceState) (out []SourceHosts) {
	keys := slices.SortedFunc(maps.Keys(states), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	size := 0
	for _, key := range keys {
		source := states[key].Source
		if source == nil || source.Content == nil {
			continue
		}
		s := SourceHosts{Source: key.String()}
		for _, registry := range source.Content.Registries {
			if len(registry.Fields) == 0 || !cluster.IsImageHost(registry.Host) {
				continue
			}
			if s.Cut = len(s.Hosts) == shownHosts; s.Cut {
				break
			}
			s.Hosts = append(s.Hosts, registry.Host)
			size += len(registry.Host)
		}
		if size += len(s.Source); len(out) == shownSources || size > shownHostBytes {
			break
		}
		out = append(out, s)
	}
	return out
}

// MissingCopy is a copy that is not there in some namespaces that rules want it in.
type MissingCopy struct {
	Name       string   `json:"name"`
	Namespaces []string `json:"namespaces"`    // the first by name
	Cut        bool     `json:"cut,omitempty"` // there are more
}

// Place reports whether a copy that a rule wants in a namespace is there, and whether the totals tell that.
func (t Totals) Place(namespace, name string) (there, known bool) {
	for _, m := range t.Missing {
		switch {
		case m.Name != name:
		case slices.Contains(m.Namespaces, namespace):
			return false, true
		default:
			return !m.Cut, !m.Cut
		}
	}
	return !t.MissingCut, !t.MissingCut
}

// ShownProblem is a problem with the namespaces that have it; none for a problem of no namespace.
type ShownProblem struct {
	Problem
	Namespaces int      `json:"namespaces"`
	Example    string   `json:"example"`          // the first namespace by name
	Others     []string `json:"others,omitempty"` // the next ones by name, at most shownOthers
}

// Record is the key status.json: what is said of the policy, and of the cluster.
type Record struct {
	Status   string `json:"status"`
	Observed string `json:"observed"`
	Revision string `json:"revision,omitempty"`
	// RolledOut is the hash of the text in force, once every namespace was tried under it: the totals are of that text. It
	// is empty during a roll-out.
	RolledOut string `json:"rolledOut,omitempty"`
	// Confirmed is the confirmation of a held prune that was used up.
	Confirmed string `json:"confirmed,omitempty"`
	// SourceHosts say which registries sources are for.
	SourceHosts []SourceHosts `json:"sourceHosts,omitempty"`
	// Attached says who gives pods the names of rules that attach to pods.
	Attached Attachment `json:"attached,omitzero"`
	// Verified are the sources whose registries are asked, by name; at most ShownVerified.
	Verified []VerifiedSource `json:"verified,omitempty"`
	// Rules is what came of the rules in force, in their order.
	Rules     []RuleTotals `json:"rules,omitempty"`
	MoreRules int          `json:"moreRules,omitempty"` // that are not among these
	// Summaries are the sources of the policy in force, by name.
	Summaries   []SourceSummary `json:"sources,omitempty"`
	MoreSources int             `json:"moreSources,omitempty"` // that are not among these
	Totals
}

// Encode returns the record's text. It leaves out rules and their copies beyond ShownRules, and sources beyond ShownVerified, and
// counts them with those that were left out before. A record that would be too long counts fewer rules.
func (r Record) Encode() (string, error) {
	var copies, rules, sources int
	r.Copies, copies = firstRules(r.Copies)
	r.Attached = r.Attached.bounded()
	r.Verified = firstVerified(r.Verified)
	r.Rules, rules = boundedRules(r.Rules)
	r.Summaries, sources = boundedSources(r.Summaries)
	r.RulesLeftOut, r.MoreRules, r.MoreSources = r.RulesLeftOut+copies, r.MoreRules+rules, r.MoreSources+sources
	text, err := r.text()
	if len(text) > maxRecord { // Rules count them too
		r.RulesLeftOut, r.Copies = r.RulesLeftOut+len(r.Copies), map[string]int{}
		text, err = r.text()
	}
	for len(text) > maxRecord && len(r.Rules) > 0 {
		n := len(r.Rules) / 2
		r.MoreRules, r.Rules = r.MoreRules+len(r.Rules)-n, r.Rules[:n:n]
		text, err = r.text()
	}
	return text, err
}

// maxRecord is how long the text is at most, as far as that is up to the rules: beside it, a policy of policy.MaxSize has to have
// room in a ConfigMap of 1 MiB.
const maxRecord = 480 << 10

func (r Record) text() (string, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return string(text) + "\n", err
}

// NotRolledOut is the text of a record, with the roll-out taken back that it tells of: another text is about to come in force. What
// is no record is left as it is.
func NotRolledOut(text string) string {
	r, err := DecodeStrict(text)
	if err != nil || r.RolledOut == "" {
		return text
	}
	r.RolledOut = ""
	if again, err := r.Encode(); err == nil {
		return again
	}
	return text
}

// Decode reads a record. Somebody may have edited the text: what it does not tell is left empty.
func Decode(text string) Record {
	r, _ := DecodeStrict(text)
	return r
}

// DecodeStrict is Decode, and says what is wrong with a text that somebody edited.
func DecodeStrict(text string) (r Record, err error) {
	err = json.Unmarshal([]byte(text), &r)
	return r, err
}

// ShownRules is of how many rules the record counts the copies: a text can have ten thousand.
const ShownRules = 1000

// firstRules returns the counts of the first rules by name, and of how many rules they leave out.
func firstRules(copies map[string]int) (first map[string]int, more int) {
	if len(copies) <= ShownRules {
		return copies, 0
	}
	first = map[string]int{}
	for _, rule := range slices.Sorted(maps.Keys(copies))[:ShownRules] {
		first[rule] = copies[rule]
	}
	return first, len(copies) - ShownRules
}
