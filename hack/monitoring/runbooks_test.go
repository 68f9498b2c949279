package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

const runbooksPage = "../../docs/runbooks.md"

// sections are those of docs/runbooks.md, by alert, in their order.
func sections(t *testing.T) (names []string, texts map[string]string) {
	t.Helper()
	texts = map[string]string{}
	for i, part := range strings.Split(read(t, runbooksPage), "\n## ") {
		name, text, _ := strings.Cut(part, "\n")
		if i > 0 {
			names, texts[name] = append(names, name), text
		}
	}
	return names, texts
}

// TestEachAlertHasARunbook of the same name and in the same order, with an answer to each question.
func TestEachAlertHasARunbook(t *testing.T) {
	names, texts := sections(t)
	var want []string
	for _, a := range alerts {
		want = append(want, a.name)
		at := 0
		for _, question := range []string{"**It means** ", "**Do pods pull?** ", "**Look**\n\n```sh\n", "**Do**", "**It is over** "} {
			i := strings.Index(texts[a.name], question)
			if i < at {
				t.Errorf("the runbook of %s does not say %q in its place", a.name, question)
			}
			at = max(at, i)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("the runbooks are of %v, want %v", names, want)
	}
}

// TestLinksOfRunbooksLeadSomewhere follows those within the page.
func TestLinksOfRunbooksLeadSomewhere(t *testing.T) {
	names, _ := sections(t)
	links := regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(read(t, runbooksPage), -1)
	for _, link := range links {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.ToLower(name) == link[1] }) {
			t.Errorf("there is no section %s", link[1])
		}
	}
	if len(links) < 3 {
		t.Errorf("only %d links", len(links))
	}
}

// steps are the commands in a runbook's blocks.
func steps(text string) (all []string) {
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		all = append(all, block[1])
	}
	return all
}
