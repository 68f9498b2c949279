package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/purge"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

func purgeCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	var flags clusterFlags
	var namespace, sourceNamespaces string
	var yes bool
	fs := newFlagSet("purge", stderr)
	flags.register(fs)
	registerNamespace(fs, &namespace)
	fs.StringVar(&sourceNamespaces, "source-namespaces", "", "other `NAMESPACES` that sources were in, comma-separated")
	fs.BoolVar(&yes, "yes", false, "do not ask")
	return &ffcli.Command{
		Name: "purge", ShortUsage: "pullsecrets purge [FLAGS]", ShortHelp: "remove all our copies and references, to uninstall",
		LongHelp: "Removes the copies that pullsecrets made and the names that it added to service accounts, and nothing\n" +
			"else. Copies of rules with prune: false stay. Scale the controller down first. Without a purge, everything\n" +
			"that was distributed goes on working after the controller is gone.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("purge takes flags only, found %q", args[0])
			}
			for _, ns := range append(splitNames(sourceNamespaces), namespace) {
				if len(validation.IsDNS1123Label(ns)) > 0 {
					return fmt.Errorf("%q is not the name of a namespace", ns)
				}
			}
			log, err := newLogger(stdout, "info", "auto")
			if err != nil {
				return err
			}
			config, err := flags.config()
			if err != nil {
				return err
			}
			client, err := kube.NewDynamic(config)
			if err != nil {
				return fmt.Errorf("make a client: %w", err)
			}
			p, err := purge.New(ctx, client, inspect.Place{
				Namespace: namespace, StatusName: statusName, SourceNamespaces: splitNames(sourceNamespaces),
			}, log)
			if err != nil {
				return err
			}
			n := p.Count()
			if n.Namespaces == 0 {
				_, err = fmt.Fprintln(stdout, "nothing of ours is left in", config.Host)
				return err
			}
			fmt.Fprintf(stdout, "in %s: %d copies and the references of %d service accounts, in %d namespaces, will be removed\n",
				config.Host, n.Copies, n.Accounts, n.Namespaces)
			if !yes && !asked(stdin, stdout) {
				return errors.New("nothing was removed")
			}
			return p.Run(ctx)
		},
	}
}

// asked reports whether the answer was yes. No answer, as from a script without -yes, is no.
func asked(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "go on? [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
