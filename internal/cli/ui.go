package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/ui"
)

// uiFlags are the flags of ui, as they are given.
type uiFlags struct {
	policyFlags
	kube clusterFlags
	addr string
	dump string
	open bool
}

func uiCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("ui", stderr)
	f := &uiFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "ui", ShortUsage: "pullsecrets ui [-open] [FLAGS]",
		ShortHelp: "show the policy, its problems and what explain says as a page, on this machine alone",
		LongHelp: "Serves one page on the loopback of this machine until it is interrupted, and prints its address: a browser that has it\n" +
			"is answered, and nobody else. It reads the cluster with your own rights, shows changes as they happen, and writes\n" +
			"nothing. What you may not read is named on the page. Nothing in the cluster listens for it.\n\n" +
			"It needs get on the two ConfigMaps of the installation, better with list and watch as kustomize/components/viewer\n" +
			"permits, and list and watch on namespaces to show all of them; a search has what explain says with the rights of a\n" +
			"namespace's own team. -dump shows a dump instead, made as explain has it made.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("ui takes flags only, found %q: the page has a search", args[0])
			}
			return f.run(ctx, stdin, stdout, stderr)
		},
	}
}

func (f *uiFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.registerPlace(fs)
	registerAddress(fs, &f.addr, "addr", "127.0.0.1:0", "loopback `ADDRESS` of the page; port 0 is any that is free")
	fs.StringVar(&f.dump, "dump", "", "`FILE` with a dump of the cluster, or - for standard input; the live cluster when empty")
	fs.BoolVar(&f.open, "open", false, "open the page in a browser")
}

func (f *uiFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := errors.Join(f.check(), ui.CheckAddr(f.addr)); err != nil {
		return err
	}
	cluster, err := f.cluster(stdin, stderr)
	if err != nil {
		return err
	}
	server, err := ui.Listen(f.addr, cluster, time.Now)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n", server.Address())
	fmt.Fprintln(stderr, "Whoever has this address sees what you may see. Interrupt with Ctrl-C to end it.")
	if f.open {
		if err := openBrowser(server.OpenAddress()); err != nil {
			fmt.Fprintf(stderr, "no browser could be opened (%v): open the address yourself\n", err)
		}
	}
	return server.Run(ctx)
}

// cluster is the dump, or the live one.
func (f *uiFlags) cluster(stdin io.Reader, stderr io.Writer) (ui.Cluster, error) {
	at := ui.Place{
		Place:   inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)},
		Options: f.options(),
	}
	if f.dump != "" {
		dump, err := openDump("dump", f.dump, at.Place, stdin, stderr)
		if err != nil {
			return nil, err
		}
		at.Context = "a dump"
		return ui.Dumped{Place: at, Dump: dump}, nil
	}
	config, err := f.kube.config()
	if err != nil {
		return nil, err
	}
	at.Context = f.kube.named()
	at.Kubectl = f.kube.kubectlFor(at.Context)
	live, err := ui.NewLive(config, at)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return live, nil
}

// openBrowser starts what opens an address on this kind of machine.
func openBrowser(address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	command := exec.Command(name, args...)
	if err := command.Start(); err != nil {
		return err
	}
	go func() { _ = command.Wait() }() // so that it is no zombie; what it says is not ours
	return nil
}
