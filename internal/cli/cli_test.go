package cli

import (
	"strings"
	"testing"
)

func TestTheVersionIsACommandAndAFlag(t *testing.T) {
	want := "pullsecrets " + Version() + "\n"
	for _, typed := range []string{"version", "-version", "--version"} {
		if status, out, errs := command(t, "", typed); status != 0 || out != want || errs != "" {
			t.Errorf("%s: exit %d, printed %q, said %q, want %q", typed, status, out, errs, want)
		}
	}
	if status, out, errs := command(t, "", "--version", "more"); status != 1 || out != "" || !strings.Contains(errs, `"more"`) {
		t.Errorf("exit %d, printed %q, said %q", status, out, errs)
	}
}

func TestEveryCommandIsNamedWhereOneIsMistyped(t *testing.T) {
	status, out, errs := command(t, "", "valdate")
	if want := `"valdate" is no command: one of run, `; status != 1 || out != "" || !strings.Contains(errs, want) {
		t.Errorf("exit %d, printed %q, said %q, want %q in it", status, out, errs, want)
	}
	_, _, help := command(t, "", "-h")
	_, list, _ := strings.Cut(strings.TrimSpace(errs), "one of ")
	for name := range strings.SplitSeq(list, ", ") {
		if !strings.Contains(help, "\n  "+name+" ") {
			t.Errorf("%s is no command of\n%s", name, help)
		}
	}
	if !strings.Contains(list, "validate") {
		t.Errorf("validate is not among %s", list)
	}
}
