// Package cli is the command line: flags, environment and exit status. What the commands do is elsewhere.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3"
	"github.com/peterbourgon/ff/v3/ffcli"
)

// envPrefix starts the environment variable of each flag: -log-level is PULLSECRETS_LOG_LEVEL.
const envPrefix = "PULLSECRETS"

func variable(flag string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Main runs the program and returns its exit status. Without a command it is "run", as in a pod's manifest.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case len(args) > 0 && args[0] == completeCommand:
		complete(ctx, newRoot(stdin, io.Discard, io.Discard), args[1:], stdout)
		return 0
	case len(args) > 0 && (args[0] == "-version" || args[0] == "--version"):
		args = append([]string{"version"}, args[1:]...)
	case len(args) == 0 || strings.HasPrefix(args[0], "-") && !isHelp(args[0]):
		args = append([]string{"run"}, args...)
	}
	err := newRoot(stdin, stdout, stderr).ParseAndRun(ctx, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		if len(args) > 0 && isHelp(args[len(args)-1]) {
			return 0
		}
		return 2
	}
	status, message := exitStatus(err, args[0])
	if message {
		fmt.Fprintln(stderr, "pullsecrets:", err)
	}
	return status
}

// newRoot returns the program with all its commands.
func newRoot(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	root := &ffcli.Command{
		Name:       "pullsecrets",
		ShortUsage: "pullsecrets [COMMAND] [FLAGS]",
		ShortHelp:  "keeps every namespace of a cluster able to pull from private registries",
		FlagSet:    newFlagSet("pullsecrets", stderr),
		Subcommands: []*ffcli.Command{
			runCommand(stdout, stderr),
			validateCommand(stdin, stdout, stderr),
			planCommand(stdin, stdout, stderr),
			statusCommand(stdout, stderr),
			explainCommand(stdin, stdout, stderr),
			checkCommand(stdin, stdout, stderr),
			coverageCommand(stdin, stdout, stderr),
			uiCommand(stdin, stdout, stderr),
			rbacCommand(stdin, stdout, stderr),
			admissionCommand(stdin, stdout, stderr),
			migrateCommand(stdin, stdout, stderr),
			evictCommand(stdout, stderr),
			purgeCommand(stdin, stdout, stderr),
			completionCommand(stdout, stderr),
			versionCommand(stdout, stderr),
		},
	}
	root.Exec = func(_ context.Context, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%q is no command: one of %s", args[0], commandNames(root))
		}
		return flag.ErrHelp
	}
	return root
}

func commandNames(root *ffcli.Command) string {
	var names []string
	for _, c := range root.Subcommands {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" || arg == "--h" }

// newFlagSet returns an empty flag set. Its own error text is suppressed, because Main prints the error.
func newFlagSet(name string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	return fs
}

func options() []ff.Option { return []ff.Option{ff.WithEnvVarPrefix(envPrefix)} }
