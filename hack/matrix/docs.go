package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// take merges results into the JSON file, and writes the page.
func take(document string, files []string) error {
	known, err := releases()
	if err != nil {
		return err
	}
	var all results
	for _, file := range files {
		more, err := read(file)
		if err != nil {
			return err
		}
		if len(more) == 0 {
			return fmt.Errorf("%s has no results", file)
		}
		for _, r := range more {
			if !slices.Contains(known, r.Version) || r.Passed+len(r.Failed) == 0 {
				return fmt.Errorf("%s has a result of %d tests on Kubernetes %q; there are %s", file, r.Passed+len(r.Failed), r.Version, strings.Join(known, ", "))
			}
		}
		all = append(all, more...)
	}
	return keep(document, all...)
}

// keep puts results into the JSON file as it is now, an hour after the tests began, and writes the page.
func keep(document string, newer ...result) error {
	all, err := read(document + ".json")
	if err != nil {
		return err
	}
	for _, r := range newer {
		all = all.put(r)
	}
	if err := all.save(document + ".json"); err != nil {
		return err
	}
	return write(document)
}

// write puts what the JSON file says into the page beside it.
func write(document string) error {
	text, filled, err := filled(document)
	if err != nil || filled == text {
		return err
	}
	return os.WriteFile(document+".md", []byte(filled), 0o644)
}

// filled returns the page as it is, and as it has to be.
func filled(document string) (text, filled string, err error) {
	all, err := read(document + ".json")
	if err != nil {
		return "", "", err
	}
	known, err := releases()
	if err != nil {
		return "", "", err
	}
	page, err := os.ReadFile(document + ".md")
	if err != nil {
		return "", "", err
	}
	filled = string(page)
	for _, block := range []struct{ name, text string }{{"versions", versions(known, all)}, {"needs", needs(known, all)}} {
		begin, end := "<!-- begin "+block.name+" -->\n", "<!-- end "+block.name+" -->"
		before, rest, ok := strings.Cut(filled, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			return "", "", fmt.Errorf("%s.md has no markers %q and %q", document, strings.TrimSpace(begin), end)
		}
		filled = before + begin + block.text + end + after
	}
	return string(page), filled, nil
}

// versions is the table of all releases, also of those that were not tried.
func versions(known []string, all results) string {
	rows := [][]string{}
	for _, v := range known {
		r := all.of(v)
		if r == nil {
			rows = append(rows, []string{v, "not tried yet", "", "", ""})
			continue
		}
		whole, part := 0, map[string]bool{}
		for _, s := range r.Skipped {
			if len(s.Cases) == 0 {
				whole++
			} else {
				part[s.Test] = true // which has an entry for each reason
			}
		}
		failed := "none"
		if len(r.Failed) > 0 {
			failed = code(r.Failed)
		}
		if len(r.Again) > 0 {
			at := ""
			if len(r.AgainAt) > 0 {
				at = ", at " + code(r.AgainAt) + ","
			}
			failed += "; at the second try" + at + " these passed: " + code(r.Again)
		}
		passed := fmt.Sprint(r.Passed)
		if len(part) > 0 {
			passed += fmt.Sprintf(", %d of them in part", len(part))
		}
		rows = append(rows, []string{v, passed, fmt.Sprint(whole), failed, "`" + r.Commit + "`"})
	}
	return table([]string{"Kubernetes", "tests passed", "not run", "failed", "commit"}, rows)
}

// needs is the table of what was not run, and what for: one row for each reason.
func needs(known []string, all results) string {
	type row struct {
		skip
		on    []string            // versions
		tests map[string][]string // with the cases that were not run; none: the whole test
	}
	var list []*row
	for _, v := range known {
		r := all.of(v)
		if r == nil {
			continue
		}
		for _, s := range r.Skipped {
			i := slices.IndexFunc(list, func(o *row) bool { return o.Since == s.Since && o.Before == s.Before && o.What == s.What })
			if i < 0 {
				list, i = append(list, &row{skip: s, tests: map[string][]string{}}), len(list)
			}
			if !slices.Contains(list[i].on, minor(v)) {
				list[i].on = append(list[i].on, minor(v))
			}
			list[i].tests[s.Test] = s.Cases
		}
	}
	slices.SortStableFunc(list, func(a, b *row) int {
		return cmp.Or(-compare(a.Since, b.Since), -compare(a.Before, b.Before), cmp.Compare(a.What, b.What))
	})
	rows := [][]string{}
	for _, r := range list {
		var tests []string
		for test, cases := range r.tests {
			name := "`" + test + "`"
			if n := len(cases); n == 1 {
				name += " (a case)"
			} else if n > 1 {
				name += fmt.Sprintf(" (%d cases)", n)
			}
			tests = append(tests, name)
		}
		slices.Sort(tests)
		rows = append(rows, []string{r.needs(), strings.Join(r.on, ", "), fmt.Sprintf("%d: %s", len(tests), strings.Join(tests, ", "))})
	}
	return table([]string{"what they need", "not run on", "tests"}, rows)
}

func code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// table is a Markdown table.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range rows {
		line(r)
	}
	return b.String()
}
