package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// The exit status of coverage.
const (
	coverageAlarms = 1 // something needs somebody
	coverageFailed = 2 // it could not be told
)

// coverageFlags are the flags of coverage, as they are given.
type coverageFlags struct {
	policyFlags
	kube       clusterFlags
	namespaces []string // that are asked about
	nodes      string   // comma-separated
	dump       string
	form       string
}

func coverageCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("coverage", stderr)
	f := &coverageFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "coverage", ShortUsage: "pullsecrets coverage [-n NAMESPACE] [-f POLICY] [-dump FILE] [-o FORM] [FLAGS]",
		ShortHelp: "say which images have no credential for their registry, and who holds which credential",
		LongHelp: "Reads the cluster, or a dump of it, and writes nothing. Without -f it goes by the policy of the cluster. What counts\n" +
			"is what a pod has that is made now; pods that wait for an image are named.\n\n" +
			"Exit status: 0 nothing needs somebody, 1 something does, 2 could not tell. What needs somebody is an image without a\n" +
			"credential that a pod waits for, a pod with a pull secret that the kubelet cannot read, a workload whose own\n" +
			"list of pull secrets keeps it from one with an entry for its image, an image that is about to lose its credential, a\n" +
			"credential that has run out, and a source that cannot be copied. An image without a credential that nothing waits for\n" +
			"may be public, and is told without an alarm.\n\n" +
			"A dump is made with\n  " + inspect.CoverageDumpCommand + "\n" +
			"Needs list on namespaces, service accounts, pods and secrets; with list on deployments, statefulsets, daemonsets,\n" +
			"replicasets, replicationcontrollers, jobs and cronjobs, and get on the two ConfigMaps, it says more. With -n these\n" +
			"rights in the namespaces are enough, and without -f, get on the policy ConfigMap. What may not be read is named in the report, and counts as unknown.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			alarms, err := f.run(ctx, args, stdin, stdout, stderr)
			switch {
			case err != nil:
				return exitError{coverageFailed, err}
			case alarms:
				return exitError{status: coverageAlarms}
			}
			return nil
		},
	}
}

func (f *coverageFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.policyFlags.register(fs, "; the cluster's when empty")
	fs.Func("n", "`NAMESPACE` to report on; give it once for each; all when not given", func(namespace string) error {
		f.namespaces = append(f.namespaces, namespace)
		return nil
	})
	fs.StringVar(&f.dump, "dump", "", "`FILE` with a dump of the cluster, or - for standard input; the live cluster when empty")
	fs.StringVar(&f.nodes, "node-credentials", "", "`GLOBS` of registries that the nodes log in to themselves, comma-separated, besides the policy's nodeCredentials")
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text, json, or html for one page that needs nothing else", "text", "json", "html")
}

func (f *coverageFlags) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (alarms bool, err error) {
	write, err := f.validate(args)
	if err != nil {
		return false, err
	}
	query := inspect.CoverageQuery{Options: f.options(), Namespaces: f.namespaces}
	if query.Nodes, err = f.nodeCredentials(); err != nil {
		return false, err
	}
	if f.file != "" {
		source, _, err := f.valid(stdin, stderr)
		if err != nil {
			return false, err
		}
		query.Documents = source.Documents
	}
	report, err := f.report(ctx, query, stdin, stderr)
	if err != nil {
		return false, err
	}
	return report.Totals.Alarms > 0, write(stdout, report)
}

// validate checks what flag itself cannot, and returns what writes the form that is asked for.
func (f *coverageFlags) validate(args []string) (func(io.Writer, *coverage.Report) error, error) {
	var errs []error
	if len(args) > 0 {
		errs = append(errs, fmt.Errorf("coverage takes flags only, found %q: a namespace is named with -n", args[0]))
	}
	if f.file == "-" && f.dump == "-" {
		errs = append(errs, errors.New("-f and -dump cannot both be standard input"))
	}
	for _, ns := range f.namespaces {
		if len(validation.IsDNS1123Label(ns)) > 0 {
			errs = append(errs, fmt.Errorf("-n: %q is not the name of a namespace", ns))
		}
	}
	slices.Sort(f.namespaces)
	f.namespaces = slices.Compact(f.namespaces)
	errs = append(errs, f.check())
	page := func(out io.Writer, r *coverage.Report) error { return writeCoveragePage(out, r, time.Now()) }
	forms := map[string]func(io.Writer, *coverage.Report) error{"text": writeCoverage, "json": writeCoverageJSON, "html": page}
	write := forms[f.form]
	errs = append(errs, checkForm(f.form, "text", "json", "html"))
	return write, errors.Join(errs...)
}

// nodeCredentials judges the globs of the flag as those of a policy.
func (f *coverageFlags) nodeCredentials() (policy.Registries, error) {
	globs := splitNames(f.nodes)
	if len(globs) == 0 {
		return nil, nil
	}
	document, err := json.Marshal(policy.Document{APIVersion: policy.APIVersion, Kind: policy.Kind, Rules: []policy.RuleSpec{}, NodeCredentials: globs})
	if err != nil {
		return nil, err
	}
	p, problems := policy.Parse(map[string]string{"flag.json": string(document)}, f.options())
	if p == nil {
		var texts []string
		for _, problem := range problems.Errors() {
			texts = append(texts, problem.Message)
		}
		return nil, fmt.Errorf("-node-credentials: %s", strings.Join(texts, "; "))
	}
	return p.NodeCredentials, nil
}

// report asks the dump, or the cluster.
func (f *coverageFlags) report(ctx context.Context, query inspect.CoverageQuery, stdin io.Reader, stderr io.Writer) (*coverage.Report, error) {
	at := inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)}
	if f.dump != "" {
		dump, err := openDump("dump", f.dump, at, stdin, stderr)
		if err != nil {
			return nil, err
		}
		return dump.Coverage(query)
	}
	config, err := f.kube.config()
	if err != nil {
		return nil, err
	}
	client, err := kube.NewDynamic(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	bar := newProgress(stderr, "reading the cluster")
	defer bar.done()
	query.Progress = bar.update
	return inspect.Coverage(ctx, client, at, query)
}

func writeCoverageJSON(out io.Writer, r *coverage.Report) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
