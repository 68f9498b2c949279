package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	"github.com/spf13/cobra"
)

// shells are those that cobra has a script for. Only its scripts are used: they ask the program itself, as
// "pullsecrets __complete WORD ...", and complete answers as they expect.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(stdout, stderr io.Writer) *ffcli.Command {
	return &ffcli.Command{
		Name: "completion", ShortUsage: "pullsecrets completion " + strings.Join(shells, "|"),
		ShortHelp: "print a script by which a shell completes commands, flags and names",
		LongHelp: "Names of namespaces, pods and service accounts come from the cluster that the flags so far mean, with your own\n" +
			"rights; where it does not answer within two seconds, or you may not list them, there are none.\n\n" +
			"In bash, which needs the package bash-completion; in zsh, after compinit; in fish; in PowerShell:\n" +
			"  source <(pullsecrets completion bash)\n" +
			"  source <(pullsecrets completion zsh)\n" +
			"  pullsecrets completion fish | source\n" +
			"  pullsecrets completion powershell | Out-String | Invoke-Expression\n" +
			"As a kubectl plugin it is completed by kubectl's own script (from kubectl 1.26), where a program of the name\n" +
			"kubectl_complete-pullsecrets, in a folder of the PATH, has these two lines and is executable:\n" +
			"  #!/bin/sh\n" +
			"  exec kubectl-pullsecrets __complete \"$@\"",
		FlagSet: newFlagSet("completion", stderr),
		Exec: func(_ context.Context, args []string) error {
			if len(args) != 1 {
				return errors.New("name one shell: " + strings.Join(shells, ", "))
			}
			return writeCompletion(stdout, args[0])
		},
	}
}

func writeCompletion(out io.Writer, shell string) error {
	program := &cobra.Command{Use: "pullsecrets"}
	switch shell {
	case "bash":
		return program.GenBashCompletionV2(out, true)
	case "zsh":
		return program.GenZshCompletion(out)
	case "fish":
		return program.GenFishCompletion(out, true)
	case "powershell":
		return program.GenPowerShellCompletionWithDesc(out)
	}
	return fmt.Errorf("%q: one of %s", shell, strings.Join(shells, ", "))
}
