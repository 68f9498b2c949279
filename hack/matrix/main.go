// Command matrix runs the tests of internal/e2e on each version of Kubernetes that hack/controlplane builds, and writes
// what came of it into docs/compatibility.md. It is run from its own folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const usage = `Usage:
  matrix [-versions 'V V'] [-again] [-run PATTERN]   run the tests on a control plane of each version, and keep what came of it
  matrix docs [FILE ...]                             write docs/compatibility.md of docs/compatibility.json, into which the
                                                     results in FILEs are taken, of versions that ran elsewhere

Without -versions these are all versions. With -again only the tests that failed the last time run again, and the page
says of which ones that is so. With -run only some tests run, and nothing is kept.
`

// document is docs/compatibility without the ends of its two files.
const document = "../../docs/compatibility"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := command(ctx, os.Args[1:]); {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("matrix", flag.ContinueOnError)
	fs.Usage = func() {}
	var o options
	versions := fs.String("versions", "", "")
	fs.BoolVar(&o.again, "again", false, "")
	fs.StringVar(&o.pattern, "run", "", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case fs.Arg(0) == "docs":
		return take(document, fs.Args()[1:])
	case fs.Arg(0) == inside && fs.NArg() == 2: // started by itself, with a control plane
		return suite(ctx, fs.Arg(1), o.pattern)
	case fs.NArg() > 0 || o.again && o.pattern != "":
		return flag.ErrHelp
	}
	known, err := releases()
	if err != nil {
		return err
	}
	wanted, err := choose(known, strings.Fields(*versions))
	if err != nil {
		return err
	}
	var failed error
	for _, version := range wanted { // a version that fails does not keep the others from being tried
		failed = errors.Join(failed, o.one(ctx, version))
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

// options are how the tests of a version run.
type options struct {
	pattern string // of the tests' names; empty for all
	again   bool   // only those that failed the last time
}

// inside is the argument by which this program starts itself on a control plane.
const inside = "inside"

// one runs the tests on a version and keeps what came of it.
func (o options) one(ctx context.Context, version string) error {
	all, err := read(document + ".json")
	if err != nil {
		return err
	}
	before, pattern := all.of(version), o.pattern
	if o.again {
		if before == nil {
			return fmt.Errorf("%s was not tried yet: run all tests, without -again", version)
		}
		if len(before.Failed) == 0 {
			fmt.Printf("%s: nothing failed\n", version)
			return nil
		}
		pattern = "^(" + strings.Join(before.Failed, "|") + ")$"
	}
	now, err := onControlPlane(ctx, version, pattern)
	if err != nil {
		return fmt.Errorf("%s: %w", version, err)
	}
	if o.again {
		if now, err = before.repeated(now); err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
	}
	fmt.Printf("%s: %d passed, %d not run, %d failed: %s\n", version, now.Passed, len(now.Skipped), len(now.Failed), strings.Join(now.Failed, ", "))
	if o.pattern == "" {
		if err := keep(document, now); err != nil {
			return err
		}
	}
	if len(now.Failed) > 0 {
		return fmt.Errorf("%s: %d tests failed", version, len(now.Failed))
	}
	return nil
}

// onControlPlane starts one, and this program on it.
func onControlPlane(ctx context.Context, version, pattern string) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	folder, err := os.MkdirTemp("", "matrix-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "result.json")
	here, err := os.Getwd()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, "go", "-C", "../controlplane", "run", ".", "run", "-version", version, "--",
		self, "-run", pattern, inside, file)
	cmd.Env = append(os.Environ(), "PWD="+here) // the folder that a control plane's command runs in
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		return result{}, err
	}
	results, err := read(file)
	if err != nil {
		return result{}, err
	}
	if len(results) != 1 || results[0].Version != version {
		return result{}, fmt.Errorf("the tests ran on %+v", results)
	}
	return results[0], nil
}
