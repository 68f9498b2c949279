package overview

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// details are rules, sources and sums, as the status has them.
func (o *Overview) details(s saved) {
	if !s.there {
		return
	}
	r := s.record
	o.Namespaces, o.Selected, o.Failing, o.ServiceAccounts, o.ProblemCount = r.Namespaces, r.Selected, r.Failing, r.ServiceAccounts, r.Problems
	o.rules(r)
	o.sources(r)
	switch {
	case o.Text == "":
	case r.Observed != o.Text:
		o.incomplete("rules, sources and problems are as they were under an earlier text: the status is written when all namespaces were tried, and every 5 seconds at most")
	case r.Status != o.Verdict:
		o.incomplete(fmt.Sprintf("rules, sources and problems are as they were when the policy was %s: the status is written every 5 seconds at most", r.Status))
	}
}

func (o *Overview) rules(r status.Record) {
	o.Rules, o.MoreRules = slices.Clone(r.Rules), r.MoreRules
	if len(r.Rules) == 0 { // an earlier version counts the copies alone
		for _, name := range slices.Sorted(maps.Keys(r.Copies)) {
			o.Rules = append(o.Rules, status.RuleTotals{Name: name, Copies: r.Copies[name]})
		}
		if o.MoreRules = r.RulesLeftOut; len(o.Rules) > 0 {
			o.incomplete("of rules the copies are told alone: the controller is of an earlier version")
		}
	}
	if o.Rules == nil {
		o.Rules = []status.RuleTotals{}
	}
	if o.MoreRules > 0 {
		o.incomplete(fmt.Sprintf("%d more rules are not told: the status has room for the first", o.MoreRules))
	}
}

// sources puts together what the record has of each source.
func (o *Overview) sources(r status.Record) {
	at := map[string]int{}
	source := func(name string) *Source {
		i, ok := at[name]
		if !ok {
			i = len(o.Sources)
			at[name] = i
			o.Sources = append(o.Sources, Source{SourceSummary: status.SourceSummary{Source: name}})
		}
		return &o.Sources[i]
	}
	for _, s := range r.Summaries {
		source(s.Source).SourceSummary = s
	}
	for _, h := range r.SourceHosts {
		s := source(h.Source)
		s.Registries, s.RegistriesCut = slices.Clone(h.Hosts), h.Cut
	}
	for _, v := range r.Verified {
		source(v.Source).Verdict = string(v.Verdict)
	}
	for _, f := range r.Totals.Sources {
		s := source(f.Source)
		s.Findings = append(s.Findings, Finding{f.Reason, f.Message, f.Problem})
	}
	if o.MoreSources = r.MoreSources; o.MoreSources > 0 {
		o.incomplete(fmt.Sprintf("%d more sources are not told: the status has room for the first", o.MoreSources))
	}
	if r.SourcesLeftOut > 0 {
		o.incomplete(fmt.Sprintf("%d more findings about sources are not told: the status has room for the first %d", r.SourcesLeftOut, status.ShownFindings))
	}
}
