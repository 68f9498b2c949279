package cli

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/peterbourgon/ff/v3/ffcli"
)

// version is set by the build with -ldflags "-X …cli.version=v1.2.3".
var version string

func versionCommand(stdout, stderr io.Writer) *ffcli.Command {
	return &ffcli.Command{
		Name: "version", ShortUsage: "pullsecrets version", ShortHelp: "print version and commit",
		FlagSet: newFlagSet("version", stderr),
		Exec: func(_ context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("version takes no argument, found %q", args[0])
			}
			_, err := fmt.Fprintln(stdout, "pullsecrets", Version())
			return err
		},
	}
}

// Version is the version, with the commit that the Go toolchain noted.
func Version() string {
	text := release()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				text += " " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				text += " (modified)"
			}
		}
	}
	return text
}

// release is the version alone. Where our own build did not set it, it is that of the module, which go install
// …@v1.2.3 notes.
func release() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
