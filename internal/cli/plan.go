package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// The exit status of plan.
const (
	planPending = 1 // changes are pending
	planFailed  = 2 // it could not be told
)

// planFlags are the flags of plan, as they are given.
type planFlags struct {
	policyFlags
	kube     clusterFlags
	dump     string
	maxPrune int
	form     string
}

func planCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("plan", stderr)
	f := &planFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "plan", ShortUsage: "pullsecrets plan [-f POLICY] [-cluster FILE] [FLAGS]",
		ShortHelp: "show what a policy would change, where and why",
		LongHelp: "Reads the cluster, or a dump of it, and writes nothing. Without -f it takes the policy of the cluster.\n\n" +
			"Exit status: 0 nothing to do, 1 changes pending, 2 could not tell. What is reported as not done is left\n" +
			"alone by the controller too, and does not count as pending.\n\n" +
			"A dump is made with\n  kubectl get ns,sa,secrets,cm -A -o yaml --show-managed-fields\n" +
			"Unlike kubectl's, -cluster names its file here: a cluster of the kubeconfig is chosen with -context.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			pending, err := f.run(ctx, args, stdin, stdout, stderr)
			switch {
			case err != nil:
				return exitError{planFailed, err}
			case pending:
				return exitError{status: planPending}
			}
			return nil
		},
	}
}

func (f *planFlags) register(fs *flag.FlagSet) {
	f.kube.registerBesideDump(fs)
	f.policyFlags.register(fs, "; the cluster's when empty")
	fs.StringVar(&f.dump, "cluster", "", "`FILE` with a dump of the cluster, or - for standard input; the live cluster, which -context chooses, when empty")
	fs.IntVar(&f.maxPrune, "max-prune", 50, "`PERCENT` that run is started with")
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text, json, or markdown for a comment on a merge request", "text", "json", "markdown")
}

func (f *planFlags) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (pending bool, err error) {
	write, err := f.validate(args)
	if err != nil {
		return false, err
	}
	from, err := f.open(stdin, stderr)
	if err != nil {
		return false, err
	}
	source, err := f.source(ctx, from, stdin)
	if err != nil {
		return false, err
	}
	p, err := source.Valid(f.options(), stderr)
	if err != nil {
		return false, err
	}
	preview, err := from.preview(ctx, source.Documents, p)
	if err != nil {
		return false, err
	}
	return preview.HasChanges(), write(stdout, preview)
}

// source is the policy that is named with -f, or else that of the cluster.
func (f *planFlags) source(ctx context.Context, from origin, stdin io.Reader) (*policyfile.Source, error) {
	if f.file != "" {
		return f.read(f.file, stdin)
	}
	documents, err := from.policy(ctx)
	return &policyfile.Source{Documents: documents}, err
}

// validate checks what flag itself cannot, and returns what writes the form that is asked for.
func (f *planFlags) validate(args []string) (func(io.Writer, *inspect.Preview) error, error) {
	var errs []error
	if len(args) > 0 {
		errs = append(errs, fmt.Errorf("plan takes flags only, found %q", args[0]))
	}
	if f.file == "-" && f.dump == "-" {
		errs = append(errs, errors.New("-f and -cluster cannot both be standard input"))
	}
	if f.maxPrune < 0 || f.maxPrune > 100 {
		errs = append(errs, fmt.Errorf("-max-prune %d: must be a percentage from 0 to 100", f.maxPrune))
	}
	errs = append(errs, f.check())
	forms := map[string]func(io.Writer, *inspect.Preview) error{"text": writePlan, "json": writePlanJSON, "markdown": writePlanMarkdown}
	write := forms[f.form]
	errs = append(errs, checkForm(f.form, "text", "json", "markdown"))
	return write, errors.Join(errs...)
}

// origin is where a plan's cluster comes from.
type origin struct {
	policy  func(ctx context.Context) (map[string]string, error)
	preview func(ctx context.Context, documents map[string]string, p *policy.Policy) (*inspect.Preview, error)
}

func (f *planFlags) open(stdin io.Reader, stderr io.Writer) (origin, error) {
	at := inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)}
	if f.dump != "" {
		dump, err := openDump("cluster", f.dump, at, stdin, stderr)
		if err != nil {
			return origin{}, err
		}
		return origin{
			policy: func(context.Context) (map[string]string, error) { return dump.Policy() },
			preview: func(_ context.Context, documents map[string]string, p *policy.Policy) (*inspect.Preview, error) {
				return dump.Preview(documents, p, f.maxPrune)
			},
		}, nil
	}
	config, err := f.kube.config()
	if err != nil {
		return origin{}, err
	}
	client, err := kube.NewDynamic(config)
	if err != nil {
		return origin{}, fmt.Errorf("make a client: %w", err)
	}
	return origin{
		policy: func(ctx context.Context) (map[string]string, error) { return inspect.ReadPolicy(ctx, client, at) },
		preview: func(ctx context.Context, documents map[string]string, p *policy.Policy) (*inspect.Preview, error) {
			bar := newProgress(stderr, "reading the cluster")
			defer bar.done()
			return inspect.PreviewCluster(ctx, client, at, documents, p, f.maxPrune, bar.update)
		},
	}, nil
}
