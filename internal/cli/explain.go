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

	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

// explainFlags are the flags of explain, as they are given.
type explainFlags struct {
	policyFlags
	kube  clusterFlags
	asked string // the namespace that -n asks about
	dump  string
	form  string
}

func explainCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("explain", stderr)
	f := &explainFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "explain", ShortUsage: "pullsecrets explain [FLAGS] [NAMESPACE] [serviceaccount/NAME | pod/NAME]",
		ShortHelp: "say why a namespace, a service account or a pod has a pull secret, or lacks it",
		LongHelp: "NAMESPACE may be given with -n too, as kubectl takes it; without either it is the namespace of the kubeconfig's\n" +
			"context. -namespace is the controller's.\n\n" +
			"Reads the cluster, or a dump of it, and writes nothing. A dump is made with\n" +
			"  kubectl get ns,sa,secrets,cm,pods,events -A -o yaml --show-managed-fields\n" +
			"What came of the controller's work, as a write that is denied, it has from the status ConfigMap. Needs get on\n" +
			"the namespace, the pod and the two ConfigMaps; with list on the service accounts and Events of the namespace,\n" +
			"and get on its secrets and on the sources, it says more. Of a pod it repeats what the kubelet says.",
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

func (f *explainFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.policyFlags.register(fs, "; the cluster's when empty")
	fs.StringVar(&f.asked, "n", "", "`NAMESPACE` to explain, if it is no argument; that of the kubeconfig's context when empty")
	fs.StringVar(&f.dump, "dump", "", "`FILE` with a dump of the cluster, or - for standard input; the live cluster when empty")
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text or json", "text", "json")
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
	namespace, target, err := f.target(args)
	if err := errors.Join(err, f.validate()); err != nil {
		return err
	}
	var documents map[string]string
	if f.file != "" {
		source, _, err := f.valid(stdin, stderr)
		if err != nil {
			return err
		}
		documents = source.Documents
	}
	e, err := f.explain(ctx, documents, namespace, target, stdin, stderr)
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

// explain asks the dump, or the cluster.
func (f *explainFlags) explain(ctx context.Context, documents map[string]string, namespace, target string, stdin io.Reader, stderr io.Writer) (*inspect.Explanation, error) {
	at := inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces)}
	if f.dump != "" {
		dump, err := openDump("dump", f.dump, at, stdin, stderr)
		if err != nil {
			return nil, err
		}
		return dump.Explain(f.options(), documents, namespace, target)
	}
	config, err := f.kube.config()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return inspect.Explain(ctx, client, at, f.options(), documents, namespace, target)
}

var targetKinds = []string{"serviceaccount", "sa", "pod", "po"}

// target is what the arguments and -n ask about. Where neither names a namespace, it is the current one.
func (f *explainFlags) target(args []string) (namespace, target string, err error) {
	namespace = f.asked
	if len(args) > 0 && !strings.Contains(args[0], "/") {
		if f.asked != "" && f.asked != args[0] {
			return "", "", fmt.Errorf("-n %s and %s: name one namespace, and of it perhaps serviceaccount/NAME or pod/NAME", f.asked, args[0])
		}
		namespace, args = args[0], args[1:]
	}
	if len(args) > 1 {
		return "", "", errors.New("name a namespace, and perhaps one of its service accounts or pods: pullsecrets explain team-a pod/web")
	}
	if namespace == "" {
		if namespace, err = f.kube.currentNamespace(); err != nil {
			return "", "", err
		}
	}
	var errs []error
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		errs = append(errs, fmt.Errorf("%q is not the name of a namespace", namespace))
	}
	if len(args) == 1 {
		target = args[0]
		kind, name, _ := strings.Cut(target, "/")
		if !slices.Contains(targetKinds, kind) || len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("%q: one of serviceaccount/NAME, pod/NAME", target))
		}
	}
	return namespace, target, errors.Join(errs...)
}

// validate checks what flag itself cannot.
func (f *explainFlags) validate() error {
	errs := []error{f.check()}
	if f.form != "text" && f.form != "json" {
		errs = append(errs, fmt.Errorf("-o %q: one of text, json", f.form))
	}
	if f.file == "-" && f.dump == "-" {
		errs = append(errs, errors.New("-f and -dump cannot both be standard input"))
	}
	return errors.Join(errs...)
}
