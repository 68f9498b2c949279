package cli

import (
	"flag"
	"fmt"
	"slices"
	"strings"
)

// choice is a flag that takes one of some words. Another one is refused together with the other mistakes, and not by
// the flag, so that all are told at once.
type choice struct {
	to    *string
	words []string
}

func choiceVar(fs *flag.FlagSet, to *string, name, standard, usage string, words ...string) {
	*to = standard
	fs.Var(choice{to, words}, name, usage)
}

func (c choice) String() string {
	if c.to == nil { // the flag package asks a zero value too
		return ""
	}
	return *c.to
}

func (c choice) Set(text string) error {
	*c.to = text
	return nil
}

// checkForm refuses a value of -o that is none of some words.
func checkForm(form string, words ...string) error {
	if slices.Contains(words, form) {
		return nil
	}
	return fmt.Errorf("-o %q: one of %s", form, strings.Join(words, ", "))
}
