package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// text writes a table, and what to do.
func (r *checkReport) text(out io.Writer) error {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	row := func(secret, what string, v registry.Verdict, detail string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", secret, what, v, detail)
	}
	for _, s := range r.Secrets {
		if s.Problem != "" {
			row(s.Secret, "-", registry.NotAsked, s.Problem)
		}
		for _, a := range s.Answers {
			row(s.Secret, a.Host, a.Verdict, a.Detail)
			for _, i := range a.Images {
				row(s.Secret, "  "+i.Name, i.Verdict, i.Detail)
			}
		}
	}
	_ = w.Flush() // a Builder takes everything
	var b strings.Builder
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(&b, strings.TrimRight(line, " \n"))
	}
	for _, image := range r.Uncovered {
		fmt.Fprintf(&b, "no entry is for %s: it is pulled without a credential\n", image)
	}
	fmt.Fprintln(&b, r.advice())
	_, err := io.WriteString(out, b.String())
	return err
}

// advice says in one line what it comes to, and what to do.
func (r *checkReport) advice() string {
	var parts []string
	say := func(list []string, format string) {
		if len(list) > 0 {
			parts = append(parts, fmt.Sprintf(format, someOf(list)))
		}
	}
	say(r.which(registry.Refused), "refused: put a credential that can log in into %s")
	say(r.which(registry.NoRegistry), "no registry: correct the host in %s")
	if r.hasImage(registry.Refused) || r.hasImage(registry.NotFound) || len(r.Uncovered) > 0 {
		parts = append(parts, "an image cannot be pulled: see that it is named right, and let the account read its repository")
	}
	say(r.which(registry.Unreachable), "no answer that counts: ask about %s from where the registry can be reached, or later")
	say(r.which(registry.NotAsked), "not asked: see what stands beside %s")
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "; ")
	case len(r.Secrets) == 0:
		return "the policy has no sources, so there is nothing to ask"
	case r.status() != 0:
		return "nothing is wrong, and not everything could be told: name an image with -image that is to be pulled"
	}
	return "accepted: " + counted(r.entries(), "login")
}

// someOf names the first of a list, and how many more there are.
func someOf(list []string) string {
	const shown = 5
	text := strings.Join(list[:min(shown, len(list))], ", ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// which names the secrets with an entry of a verdict, or of whose images nothing is known; one that could not be asked about counts as NotAsked.
func (r *checkReport) which(v registry.Verdict) (secrets []string) {
	for _, s := range r.Secrets {
		has := slices.ContainsFunc(s.Answers, func(a registry.Answer) bool {
			return a.Verdict == v || v == registry.Unreachable && imageHas(a, v)
		})
		if has || s.Problem != "" && v == registry.NotAsked {
			secrets = append(secrets, s.Secret)
		}
	}
	return secrets
}

// hasImage reports whether an image has a verdict that is not only that of its registry.
func (r *checkReport) hasImage(v registry.Verdict) bool {
	return slices.ContainsFunc(r.Secrets, func(s secretAnswers) bool {
		return slices.ContainsFunc(s.Answers, func(a registry.Answer) bool {
			return a.Verdict != v && imageHas(a, v)
		})
	})
}

func imageHas(a registry.Answer, v registry.Verdict) bool {
	return slices.ContainsFunc(a.Images, func(i registry.Image) bool { return i.Verdict == v })
}

func (r *checkReport) entries() (n int) {
	for _, s := range r.Secrets {
		n += len(s.Answers)
	}
	return n
}

// checkJSON is the report as scripts read it.
type checkJSON struct {
	Status    int               `json:"status"` // as the exit status
	Secrets   []checkSecretJSON `json:"secrets"`
	Uncovered []string          `json:"uncovered,omitempty"` // images that no entry is for
}

type checkSecretJSON struct {
	Secret     string              `json:"secret"`
	Problem    string              `json:"problem,omitempty"`
	Registries []checkRegistryJSON `json:"registries"`
}

type checkRegistryJSON struct {
	Host    string           `json:"host"`
	Verdict registry.Verdict `json:"verdict"`
	Detail  string           `json:"detail,omitempty"`
	Images  []checkImageJSON `json:"images,omitempty"`
}

type checkImageJSON struct {
	Image   string           `json:"image"`
	Verdict registry.Verdict `json:"verdict"`
	Detail  string           `json:"detail,omitempty"`
}

func (r *checkReport) json(out io.Writer) error {
	report := checkJSON{Status: r.status(), Secrets: []checkSecretJSON{}, Uncovered: r.Uncovered}
	for _, s := range r.Secrets {
		secret := checkSecretJSON{Secret: s.Secret, Problem: s.Problem, Registries: []checkRegistryJSON{}}
		for _, a := range s.Answers {
			of := checkRegistryJSON{Host: a.Host, Verdict: a.Verdict, Detail: a.Detail}
			for _, i := range a.Images {
				of.Images = append(of.Images, checkImageJSON{i.Name, i.Verdict, i.Detail})
			}
			secret.Registries = append(secret.Registries, of)
		}
		report.Secrets = append(report.Secrets, secret)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
