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

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// explainFlags are the flags of explain, as they are given.
type explainFlags struct {
	kubeconfig, namespace string
	file                  string
	policy                string
	sourceNamespaces      string
	form                  string
}

func explainCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("explain", stderr)
	f := &explainFlags{}
	registerCluster(fs, &f.kubeconfig, &f.namespace)
	fs.StringVar(&f.file, "f", "", "`FILE` that holds the policy, or a folder, or - for standard input; the cluster's when empty")
	fs.StringVar(&f.policy, "policy", "pullsecrets-policy", "`NAME` of the policy ConfigMap")
	fs.StringVar(&f.sourceNamespaces, "source-namespaces", "", "other `NAMESPACES` that sources may be in, comma-separated")
	fs.StringVar(&f.form, "o", "text", "`FORM`: text or json")
	return &ffcli.Command{
		Name: "explain", ShortUsage: "pullsecrets explain [FLAGS] NAMESPACE [serviceaccount/NAME | pod/NAME]",
		ShortHelp: "say why a namespace, a service account or a pod has a pull secret, or lacks it",
		LongHelp: "Reads the cluster and writes nothing. Needs get on the namespace, the pod, the secrets that the policy names\n" +
			"and the two ConfigMaps, and list on the service accounts of the namespace.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			args, err := interspersed(fs, args)
			if err != nil {
				return err
			}
			return f.run(ctx, args, stdin, stdout, stderr)
		},
	}
}

// interspersed parses the flags that stand after arguments, as kubectl takes them, and returns the arguments.
func interspersed(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if strings.HasPrefix(args[0], "-") {
			if err := fs.Parse(args); err != nil {
				return nil, err
			}
			args = fs.Args()
			continue
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	return rest, nil
}

func (f *explainFlags) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.validate(args); err != nil {
		return err
	}
	var documents map[string]string
	if f.file != "" {
		source, err := readPolicy(policyQuery{f.file, f.policy, f.namespace}, stdin)
		if err != nil {
			return err
		}
		if _, err := source.valid(f.judgement(), stderr); err != nil {
			return err
		}
		documents = source.documents
	}
	config, err := restConfig(f.kubeconfig)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	target := ""
	if len(args) == 2 {
		target = args[1]
	}
	e, err := reconcile.Explain(ctx, client,
		reconcile.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)},
		f.judgement(), documents, args[0], target)
	if err != nil {
		return err
	}
	if f.form == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(e)
	}
	_, err = io.WriteString(stdout, explanation(e))
	return err
}

func (f *explainFlags) judgement() policy.Options {
	return policy.Options{Namespace: f.namespace, SourceNamespaces: splitNames(f.sourceNamespaces)}
}

func (f *explainFlags) validate(args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return errors.New("name a namespace, and perhaps one of its service accounts or pods: pullsecrets explain team-a pod/web")
	}
	errs := []error{checkNames(f.policy, slices.Concat([]string{f.namespace}, splitNames(f.sourceNamespaces)))}
	if len(validation.IsDNS1123Label(args[0])) > 0 {
		errs = append(errs, fmt.Errorf("%q is not the name of a namespace", args[0]))
	}
	if len(args) == 2 {
		kind, name, _ := strings.Cut(args[1], "/")
		if !slices.Contains([]string{"serviceaccount", "sa", "pod", "po"}, kind) || len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("%q: one of serviceaccount/NAME, pod/NAME", args[1]))
		}
	}
	if f.form != "text" && f.form != "json" {
		errs = append(errs, fmt.Errorf("-o %q: one of text, json", f.form))
	}
	return errors.Join(errs...)
}
