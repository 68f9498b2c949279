package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// document merges results into the JSON file, and writes what it says into the plot and the tables beside it.
func document(file string, parts []string) error {
	var all []result
	for _, part := range append([]string{file}, parts...) {
		more, err := read(part)
		if err != nil && (part != file || !os.IsNotExist(err)) {
			return err
		}
		all = merge(all, more)
	}
	if err := save(file, all); err != nil {
		return err
	}
	picture, err := svg(where(all, func(r result) bool { return !r.Earlier }))
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(file, ".json")
	if err := os.WriteFile(base+".svg", picture, 0o644); err != nil {
		return err
	}
	for suffix, blocks := range pages {
		text, err := os.ReadFile(base + suffix)
		if err != nil {
			return err
		}
		filled, err := fill(string(text), all, blocks)
		if err != nil {
			return err
		}
		if err := os.WriteFile(base+suffix, []byte(filled), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func read(file string) (all []result, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

func save(file string, all []result) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// merge puts newer results in the place of older ones of the same workload, program and size.
func merge(old, newer []result) []result {
	key := func(r result) [9]any {
		return [9]any{r.Workload, r.Name, r.Namespaces, r.Secrets, r.Accounts, r.Unrelated, r.Attach, r.Apart, r.Earlier}
	}
	for _, r := range newer {
		old = append(slices.DeleteFunc(old, func(o result) bool { return key(o) == key(r) }), r)
	}
	slices.SortStableFunc(old, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.Unrelated, b.Unrelated), cmp.Compare(a.Secrets, b.Secrets), cmp.Compare(a.Accounts, b.Accounts), cmp.Compare(a.Namespaces, b.Namespaces), cmp.Compare(a.Attach, b.Attach))
	})
	return old
}

// blocks are parts of a text that are made from results, by the name in their markers.
type blocks map[string]func([]result) (string, error)

// pages are the texts beside the JSON file, by the end of their names: what a reader wants first, and the whole log.
var pages = map[string]blocks{
	".md": {"summary": summary},
	"-log.md": {
		"results": resultTable, "changes": changeTable, "sizes": sizeTable, "unrelated": unrelatedTable, "growth": growthTable,
		"baseline": baselineTable, "apart": apartTable, "cost": costTable, "idle": idleTable, "large": largeTable, "earlier": earlierTable,
	},
}

// fill writes the blocks between their markers.
func fill(text string, all []result, blocks blocks) (string, error) {
	all = slices.Clone(all)
	for i := range all {
		all[i].judge(0)
	}
	for name, make := range blocks {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			return "", fmt.Errorf("there are no markers %q and %q", strings.TrimSpace(begin), end)
		}
		of := all
		if name != "earlier" {
			of = where(all, func(r result) bool { return !r.Earlier })
		}
		block, err := make(of)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		text = before + begin + block + end + after
	}
	return text, nil
}

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

// of are the results of a workload with one secret and one account, and nothing unrelated, as most are measured: on processors that
// all share, and not of a large cluster.
func of(all []result, workloads ...string) (out []result) {
	for _, r := range all {
		if slices.Contains(workloads, r.Workload) && r.Secrets == 1 && r.Accounts == 1 && r.Unrelated == 0 && !r.Apart && r.Idle == 0 {
			out = append(out, r)
		}
	}
	return out
}

// in are those of a mode.
func in(m mode, all []result) []result {
	return slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.Attach != m })
}

// where are those that some condition holds of.
func where(all []result, holds func(result) bool) []result {
	return slices.DeleteFunc(slices.Clone(all), func(r result) bool { return !holds(r) })
}
