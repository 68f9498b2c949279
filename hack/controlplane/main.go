// Command controlplane builds and runs a real Kubernetes control plane from source, for the demo and the tests:
// etcd, kube-apiserver, the service account, namespace and garbage collector controllers, and kubectl.
//
// It needs Go and a C-less toolchain, no container engine and no image. The first build takes minutes; its result is
// kept in the user's cache folder, by the versions in go.mod. The folder versions has a module for each earlier release
// of Kubernetes that can be built instead, with -version.
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
	"syscall"
)

const usage = `controlplane runs a real Kubernetes control plane on loopback.

  controlplane up   [-dir DIR] [-port N] [-version VERSION] [-emulate VERSION] [-node] [-bind ADDRESS] [-bin DIR]
                                           start one; prints its kubeconfig's path
  controlplane down  -dir DIR              stop it and remove DIR
  controlplane run  [-dir DIR] [-version VERSION] [-emulate VERSION] [-kubeconfig FILE] -- COMMAND [ARG ...]
                                           start one, run COMMAND with KUBECONFIG and PATH set, stop it;
                                           with -kubeconfig, use that cluster and start none
  controlplane build [-version VERSION]    build the binaries; prints their folder

With -version, such as 1.34, the programs are those of that release: one that has a module in the folder versions.
With -emulate, such as 1.34, kube-apiserver has the kinds, fields and features of that earlier version only. It goes
back three versions.

With -node, a kubelet may join as node1 with DIR/node.kubeconfig: the API server lets it read only what a pod of its node
names, and the controllers of Deployments and of nodes run too. With -bind 0.0.0.0 its pods reach the API server, and
everybody else does too. With -bin, the binaries are those that an earlier build made, and nothing is built.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.Usage = func() {}
	var o options
	fs.StringVar(&o.dir, "dir", "", "")
	fs.StringVar(&o.bin, "bin", "", "")
	fs.StringVar(&o.version, "version", "", "")
	fs.IntVar(&o.port, "port", 0, "")
	fs.StringVar(&o.bind, "bind", "127.0.0.1", "")
	fs.StringVar(&o.emulate, "emulate", "", "")
	fs.BoolVar(&o.node, "node", false, "")
	kubeconfig := fs.String("kubeconfig", "", "")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "build":
		bin, err := build(ctx, o.version)
		if err == nil {
			fmt.Println(bin)
		}
		return err
	case "up":
		plane, err := up(ctx, o)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "running in %s\nstop it with: go -C hack/controlplane run . down -dir %s\nkubectl is in %s\n",
			plane.Dir, plane.Dir, plane.Bin)
		fmt.Println(plane.Kubeconfig)
		return nil
	case "down":
		return down(o.dir)
	case "run":
		if fs.NArg() == 0 {
			return flag.ErrHelp
		}
		return run(ctx, o, *kubeconfig, fs.Args())
	}
	return flag.ErrHelp
}

// run runs a command against a control plane of its own, or against the cluster of an existing kubeconfig.
func run(ctx context.Context, o options, kubeconfig string, args []string) (err error) {
	bin, err := o.binaries(ctx)
	if err != nil {
		return err
	}
	if kubeconfig == "" {
		plane, err := up(ctx, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, down(plane.Dir)) }()
		kubeconfig = plane.Kubeconfig
	}
	kubeconfig, err = filepath.Abs(kubeconfig)
	if err != nil {
		return err
	}
	// Before the command is looked up: it may be one of ours, such as kubectl.
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = os.Getenv("PWD") // not the folder that go -C changed to
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+kubeconfig,
		"PULLSECRETS_TEST_KUBECONFIG="+kubeconfig)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd.Run()
}
