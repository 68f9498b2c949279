package decide

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
)

// Verdict is what one registry said of a credential.
type Verdict int

// The verdicts. Untold is a definite answer that says nothing of the credential, as from what is no registry.
const (
	Accepted Verdict = iota
	Refused
	Unreachable
	Untold
)

// Answer is what one registry said.
type Answer struct {
	Host    string
	Verdict Verdict
	Detail  string // in words, without anything of the credential
}

const (
	shownAnswers = 3   // registries that a text names
	maxDetail    = 300 // bytes that it repeats of what each said
	maxText      = 500 // bytes in all: the status has such a text for each source
)

// sayings puts those answers into words that have a verdict; empty if none has.
func sayings(answers []Answer, verdict Verdict, verb string) string {
	var parts []string
	for _, a := range answers {
		if a.Verdict != verdict {
			continue
		}
		part := fmt.Sprintf("%s %s", bound.TextTo(a.Host, maxDetail), verb)
		if a.Detail != "" {
			part += " (" + bound.TextTo(strings.TrimSpace(a.Detail), maxDetail) + ")"
		}
		parts = append(parts, part)
	}
	if more := len(parts) - shownAnswers; more > 0 {
		parts = append(parts[:shownAnswers], fmt.Sprintf("and %d more", more))
	}
	return bound.TextTo(strings.Join(parts, ", "), maxText)
}

// said is what answers come to together: one that refuses counts most, and then one that does not answer.
type said struct {
	verdict Verdict
	text    string
	cause   string // the verdict and who has it, without their words; empty where all accept
}

func sumUp(answers []Answer) said {
	for _, one := range []struct {
		verdict Verdict
		verb    string
	}{
		{Refused, "refuses the credential"}, {Unreachable, "does not answer"}, {Untold, "does not tell whether it takes the credential"},
	} {
		if text := sayings(answers, one.verdict, one.verb); text != "" {
			return said{one.verdict, text, cause(answers, one.verdict)}
		}
	}
	if len(answers) == 0 {
		return said{Untold, "there is no registry that can be asked about the credential", "nobody"}
	}
	return said{Accepted, "", ""}
}

func cause(answers []Answer, verdict Verdict) string {
	var hosts []string
	for _, a := range answers {
		if a.Verdict == verdict {
			hosts = append(hosts, a.Host)
		}
	}
	slices.Sort(hosts)
	return fmt.Sprintf("%d %q", verdict, slices.Compact(hosts))
}
