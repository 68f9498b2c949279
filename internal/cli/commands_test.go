package cli

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheReferenceOfCommandsIsUpToDate holds docs/commands.md to what the program itself says. To write it anew:
// go test ./internal/cli -run ReferenceOfCommands -update
func TestTheReferenceOfCommandsIsUpToDate(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	const file = "../../docs/commands.md"
	got := reference()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-file +program):\n%s", diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" +
		"What `pullsecrets COMMAND -help` says, in one place. Flags take one dash or two. Each can be given as an environment\n" +
		"variable too, as the tables say; a flag wins. Installed as `kubectl-pullsecrets`, the program is a kubectl plugin.\n" +
		"It signs in with whatever kubectl signs in with, plugins and OpenID Connect included, and takes kubectl's `-context`,\n" +
		"`-cluster`, `-user`, `-as`, `-as-group` and `-kubeconfig` after the command. Two names mean something else than\n" +
		"there: `-namespace` is the controller's (`explain` takes the namespace that it is asked about with `-n`), and\n" +
		"`plan -cluster` is the file of a dump, so that a `PULLSECRETS_CLUSTER` for the one is an error for the others.\n" +
		"The flags of `run` that say \"as imagepullsecret-patcher\" are explained in [MIGRATING.md](../MIGRATING.md).\n")
	for _, c := range newRoot(strings.NewReader(""), io.Discard, io.Discard).Subcommands {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.Name, sentence(c.ShortHelp), c.ShortUsage)
		if c.LongHelp != "" {
			fmt.Fprintf(&b, "\n%s\n", quoteIndented(c.LongHelp))
		}
		writeFlags(&b, c.FlagSet)
	}
	return b.String()
}

func writeFlags(b *strings.Builder, fs *flag.FlagSet) {
	head := "\n| flag | default | variable | |\n| --- | --- | --- | --- |\n"
	fs.VisitAll(func(f *flag.Flag) {
		arg, usage := flag.UnquoteUsage(f)
		if arg != "" {
			arg = " " + arg
		}
		value := ""
		if f.DefValue != "" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "%s| `-%s%s` | %s | `%s_%s` | %s |\n", head, f.Name, arg, value, envPrefix,
			strings.ToUpper(strings.NewReplacer("-", "_").Replace(f.Name)), strings.ReplaceAll(usage, "|", `\|`))
		head = ""
	})
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// quoteIndented turns indented lines into blocks of code.
func quoteIndented(text string) string {
	var out []string
	inBlock := false
	for line := range strings.SplitSeq(text, "\n") {
		code, isCode := strings.CutPrefix(line, "  ")
		switch {
		case isCode && !inBlock:
			out = append(out, "", "```sh")
		case !isCode && inBlock:
			out = append(out, "```", "")
		}
		inBlock = isCode
		out = append(out, code)
	}
	if inBlock {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}
