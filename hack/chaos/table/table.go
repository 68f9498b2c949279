// Package table keeps what was measured in docs/reliability.json, a list for each table, and writes the tables into
// docs/reliability.md.
package table

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// base is where they are, for a test in a package of this module.
const base = "../../../docs/reliability"

func read() (map[string]json.RawMessage, error) {
	text, err := os.ReadFile(base + ".json")
	if errors.Is(err, os.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	return all, json.Unmarshal(text, &all)
}

// Read returns the list of this key; none where there is none yet.
func Read[T any](key string) (list []T, err error) {
	all, err := read()
	if err != nil || all[key] == nil {
		return nil, err
	}
	return list, json.Unmarshal(all[key], &list)
}

// Save puts a list in the place of the one of this key, and leaves the others as they are.
func Save[T any](key string, list []T) error {
	all, err := read()
	if err != nil {
		return err
	}
	if all[key], err = json.Marshal(list); err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(base+".json", append(text, '\n'), 0o644)
}

// cut finds the block of this name on the page.
func cut(name string) (before, block, after string, err error) {
	text, err := os.ReadFile(base + ".md")
	if err != nil {
		return "", "", "", err
	}
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, begun := strings.Cut(string(text), begin)
	block, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return "", "", "", fmt.Errorf("the page has no markers %q and %q", strings.TrimSpace(begin), end)
	}
	return before + begin, block, end + after, nil
}

// Filled is what stands on the page between the markers of this name.
func Filled(name string) (string, error) {
	_, block, _, err := cut(name)
	return block, err
}

// Fill writes it.
func Fill(name, block string) error {
	before, _, after, err := cut(name)
	if err != nil {
		return err
	}
	return os.WriteFile(base+".md", []byte(before+block+after), 0o644)
}

// Markdown is a table.
func Markdown(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range rows {
		line(r)
	}
	return b.String()
}
