package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/peterbourgon/ff/v3/ffcli"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/render"
)

// admissionFlags are the flags of admission, as they are given.
type admissionFlags struct {
	file, namespace, policy string
	sourceNamespaces        string
}

func admissionCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("admission", stderr)
	f := &admissionFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "admission", ShortUsage: "pullsecrets admission -f POLICY [FLAGS]", ShortHelp: "print the admission parameters of a policy",
		LongHelp: "Prints the parameters by which the API server itself adds the names, for people who want them in git. It asks\n" +
			"no cluster, so it promises every name, also those whose source is missing. A controller that is started with\n" +
			"-admission writes the parameters by itself.",
		FlagSet: fs, Options: options(),
		Exec: func(_ context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("admission takes flags only, found %q", args[0])
			}
			return f.run(stdin, stdout, stderr)
		},
	}
}

func (f *admissionFlags) register(fs *flag.FlagSet) {
	registerNamespace(fs, &f.namespace)
	fs.StringVar(&f.file, "f", "", "`FILE` that holds the policy, or a folder, or - for standard input")
	fs.StringVar(&f.policy, "policy", "pullsecrets-policy", "`NAME` of the policy ConfigMap")
	fs.StringVar(&f.sourceNamespaces, "source-namespaces", "", "other `NAMESPACES` that sources may be in, comma-separated")
}

func (f *admissionFlags) run(stdin io.Reader, stdout, stderr io.Writer) error {
	if f.file == "" {
		return errors.New("name the policy with -f: a file, a folder, or - for standard input")
	}
	sources := splitNames(f.sourceNamespaces)
	if err := checkNames(f.policy, append([]string{f.namespace}, sources...)); err != nil {
		return err
	}
	source, err := readPolicy(policyQuery{f.file, f.policy, f.namespace}, stdin)
	if err != nil {
		return err
	}
	p, err := source.valid(policy.Options{Namespace: f.namespace, SourceNamespaces: sources}, stderr)
	if err != nil {
		return err
	}
	rules, tooLarge := render.AdmissionRules(p, render.Promises{Namespace: f.namespace})
	var errs []error
	for _, e := range tooLarge {
		errs = append(errs, e)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var docs []render.Document
	for _, u := range rules {
		docs = append(docs, render.Document{Comment: "Printed by pullsecrets admission.", Object: u.Object})
	}
	text, err := render.YAML(docs)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	return err
}

// mutates asks an API server whether it knows policies that mutate. Any user may ask that: the role system:discovery is
// everybody's.
func mutates(config *rest.Config) (func(context.Context) (bool, error), error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return func(ctx context.Context) (bool, error) {
		list, err := client.ServerResourcesForGroupVersionWithContext(ctx, "admissionregistration.k8s.io/v1")
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == "mutatingadmissionpolicies" }), nil
	}, nil
}
