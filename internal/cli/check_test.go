package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// TestWhatACheckComesTo has the exit status and the last line for people. What is definite goes before what is not.
func TestWhatACheckComesTo(t *testing.T) {
	entry := func(v registry.Verdict, images ...registry.Verdict) registry.Answer {
		a := registry.Answer{Host: "a.example", Verdict: v}
		for _, image := range images {
			a.Images = append(a.Images, registry.Image{Name: "a.example/x:1", Verdict: image})
		}
		return a
	}
	report := func(answers ...registry.Answer) (r checkReport) {
		for i, a := range answers {
			r.Secrets = append(r.Secrets, secretAnswers{Secret: fmt.Sprintf("s%d", i), Answers: []registry.Answer{a}})
		}
		return r
	}
	const image = "an image cannot be pulled: see that it is named right, and let the account read its repository"
	for _, c := range []struct {
		report checkReport
		status int
		advice string
	}{
		{report(), 0, "the policy has no sources, so there is nothing to ask"},
		{report(entry(registry.Accepted)), 0, "accepted: 1 login"},
		{report(entry(registry.Accepted, registry.Accepted), entry(registry.Accepted)), 0, "accepted: 2 logins"},
		{report(entry(registry.Accepted), entry(registry.Refused, registry.Refused)), 1, "refused: put a credential that can log in into s1"},
		{report(entry(registry.NoRegistry)), 1, "no registry: correct the host in s0"},
		{report(entry(registry.Accepted, registry.Accepted, registry.NotFound)), 1, image},
		{report(entry(registry.Accepted, registry.Refused)), 1, image},
		{report(entry(registry.Anonymous)), 2, "nothing is wrong, and not everything could be told: name an image with -image that is to be pulled"},
		{report(entry(registry.Anonymous, registry.Accepted)), 0, "accepted: 1 login"},
		{report(entry(registry.Anonymous, registry.Refused)), 1, image},
		{report(entry(registry.Accepted, registry.Unreachable)), 2, "no answer that counts: ask about s0 from where the registry can be reached, or later"},
		{report(entry(registry.NotAsked)), 2, "not asked: see what stands beside s0"},
		{checkReport{Secrets: []secretAnswers{{Secret: "s0", Problem: "there is no such secret"}}}, 2, "not asked: see what stands beside s0"},
		{checkReport{Secrets: report(entry(registry.Accepted)).Secrets, Uncovered: []string{"b.example/x:1"}}, 1, image},
		{report(entry(registry.Unreachable), entry(registry.Refused)), 1,
			"refused: put a credential that can log in into s1; no answer that counts: ask about s0 from where the registry can be reached, or later"},
		{report(entry(registry.Refused), entry(registry.Refused), entry(registry.Refused), entry(registry.Refused), entry(registry.Refused), entry(registry.Refused)), 1,
			"refused: put a credential that can log in into s0, s1, s2, s3, s4 and 1 more"},
	} {
		if got := c.report.status(); got != c.status {
			t.Errorf("%+v: status %d, want %d", c.report, got, c.status)
		}
		if got := c.report.advice(); got != c.advice {
			t.Errorf("%+v: %q, want %q", c.report, got, c.advice)
		}
		var out strings.Builder
		if err := c.report.text(&out); err != nil || !strings.HasSuffix(out.String(), c.advice+"\n") {
			t.Errorf("%v: %s", err, &out)
		}
	}
}
