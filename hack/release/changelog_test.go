package main

import "testing"

func TestGrouped(t *testing.T) {
	got := grouped([]string{
		"policy: accept a third list",
		"docs/policy.md: the third list",
		"cli, reconcile: one word for both",
		"e2e: the third list on an API server",
		"components/ha: a third replica",
		"schema/policy.json: the third list",
		"A subject without a package: of old",
		"strange: what nobody knows",
		".github: one job less",
		"release: v0.1.0",
	})
	want := `### Policy

- policy: accept a third list
- schema/policy.json: the third list

### Commands

- cli, reconcile: one word for both

### Manifests and chart

- components/ha: a third replica

### Documentation

- docs/policy.md: the third list

### Everything else

- A subject without a package: of old
- strange: what nobody knows

### Tests and tools

- e2e: the third list on an API server
- .github: one job less
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := grouped([]string{""}); got != "Nothing but the version.\n" {
		t.Errorf("of nothing comes %q", got)
	}
}

func TestSections(t *testing.T) {
	first := addSection("", section("v0.1.0", "2026-01-02", "The first.\n"))
	both := addSection(first, section("v0.2.0", "2026-02-03", "### Policy\n\n- policy: more\n"))
	want := `# Changelog

## v0.2.0, 2026-02-03

### Policy

- policy: more

## v0.1.0, 2026-01-02

The first.
`
	if both != want {
		t.Errorf("got:\n%s\nwant:\n%s", both, want)
	}
	for version, want := range map[string]string{"v0.2.0": "### Policy\n\n- policy: more\n", "v0.1.0": "The first.\n"} {
		if got, err := notes(both, version); err != nil || got != want {
			t.Errorf("the notes of %s are %q, %v", version, got, err)
		}
	}
	if _, err := notes(both, "v0.1"); err == nil {
		t.Error("v0.1 has notes")
	}
}
