package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/peterbourgon/ff/v3/ffcli"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
)

func admissionCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("admission", stderr)
	f := &policyFlags{}
	f.register(fs, "")
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
			return printAdmission(f, stdin, stdout, stderr)
		},
	}
}

func printAdmission(f *policyFlags, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.checkFile(); err != nil {
		return err
	}
	_, p, err := f.valid(stdin, stderr)
	if err != nil {
		return err
	}
	rules, tooLarge := admission.Rules(p, admission.Dependencies{Namespace: f.namespace})
	var errs []error
	for _, e := range tooLarge {
		errs = append(errs, e)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var docs []manifest.Document
	for _, u := range rules {
		docs = append(docs, manifest.Document{Comment: "Printed by pullsecrets admission.", Object: u.Object})
	}
	text, err := manifest.YAML(docs)
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
