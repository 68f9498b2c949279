// Command node runs a real node of Kubernetes beside a control plane of hack/controlplane: kubelet, containerd, runc, and
// two registries that want passwords. Pods really pull images there and really run.
//
// All of it lives in namespaces of its own: processes, mounts, network, users. Its files are in memory, and it cannot
// write to any other. So nothing is left when it ends, however it ends. It needs no root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

const usage = `node runs a real Kubernetes node with its control plane and two registries.

  node run [-version VERSION] -- COMMAND [ARG ...]   start all, run COMMAND beside it, end all
  node build [-version VERSION]                      build what that takes; prints its folder
  node check                                         say whether this machine can do it
  node rotate REGISTRY                               for COMMAND: give registry1 or registry2 a new password

With -version 1.35, kubelet, scheduler and control plane are those of that release.

COMMAND runs as root of a user namespace, in the network of the node, with
  KUBECONFIG         the administrator's
  PATH               kubectl, ctr and the like in front
  PULLSECRETS_NODE   a folder with the logs (*.log), the static program (program), and for each registry the content of
                     a pull secret (registry1.json, registry2.json). Each has an image: 127.0.0.1:5001/private/one:1
                     and 127.0.0.1:5002/private/two:1
It can write below that folder and TMPDIR only. Its exit status is passed on.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	err := command(ctx, os.Args[1:])
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	name, rest := args[0], args[1:]
	version := ""
	if (name == "run" || name == "build") && len(rest) > 1 && rest[0] == "-version" {
		version, rest = rest[1], rest[2:]
	}
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	switch {
	case name == "check" && len(rest) == 0:
		return check(ctx)
	case name == "build" && len(rest) == 0:
		bin, err := build(ctx, version)
		if err == nil {
			fmt.Println(bin)
		}
		return err
	case name == "rotate" && len(rest) == 1:
		return rotate(rest[0])
	case name == "run" && len(rest) > 0:
		return run(ctx, version, rest)
	case name == stageInit: // see namespaces.go
		return initProcess(rest)
	case name == stageNode:
		return runNode(ctx, rest)
	case name == stageCheck:
		return prepareMounts(nil)
	}
	return flag.ErrHelp
}

// run starts the namespaces with everything of a version in them, and ends them.
func run(ctx context.Context, version string, args []string) error {
	if err := check(ctx); err != nil {
		return err
	}
	bin, err := build(ctx, version)
	if err != nil {
		return err
	}
	cmd, err := unshared(ctx, stageInit, args...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), binVariable+"="+bin)
	err = cmd.Run()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
