package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/tell"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
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
		Name: "explain", ShortUsage: "pullsecrets explain [FLAGS] [NAMESPACE] [KIND/NAME]",
		ShortHelp: "say which pull secret opens which image, why a pod has it or lacks it, and what to do",
		LongHelp: "KIND is pod, deployment, statefulset, daemonset, replicaset, job, cronjob or serviceaccount, or as kubectl abbreviates\n" +
			"it. Without KIND/NAME it is all of the namespace, with the pods that wait for an image. NAMESPACE may be given with\n" +
			"-n too, as kubectl takes it; without either it is that of the kubeconfig's context. -namespace is the controller's.\n\n" +
			"Of each image it says which of the pod's pull secrets has an entry for it, in the order in which the kubelet tries them,\n" +
			"or which rule has one; what the kubelet said last, and since when; and what helps, as a command to copy. Reads the\n" +
			"cluster, or a dump of it, and writes nothing. A dump is made with\n" +
			"  kubectl get ns,sa,secrets,cm,pods,events,deploy,rs,sts,ds,jobs,cj -A -o yaml --show-managed-fields\n\n" +
			"The rights of a namespace's own team will do: what may not be read is named, and the rest is answered. Which policy\n" +
			"is in force, and what came of the controller's work, is in two ConfigMaps that kustomize/components/viewer lets\n" +
			"teams read.",
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
		if strings.HasPrefix(args[0], "-") && args[0] != "-" { // a dash alone is no flag, and the flag set stops before it
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
	_, err = io.WriteString(stdout, tell.Text(e))
	return err
}

// explain asks the dump, or the cluster.
func (f *explainFlags) explain(ctx context.Context, documents map[string]string, namespace string, target inspect.Target, stdin io.Reader, stderr io.Writer) (*inspect.Explanation, error) {
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
	client, err := kube.NewDynamic(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return inspect.Explain(ctx, client, at, f.options(), documents, namespace, target)
}

// target is what the arguments and -n ask about. Where neither names a namespace, it is the current one.
func (f *explainFlags) target(args []string) (namespace string, target inspect.Target, err error) {
	namespace = f.asked
	if len(args) > 0 && !strings.Contains(args[0], "/") {
		if f.asked != "" && f.asked != args[0] {
			return "", target, fmt.Errorf("-n %s and %s: name one namespace, and of it perhaps an object, such as pod/web", f.asked, args[0])
		}
		namespace, args = args[0], args[1:]
	}
	if len(args) > 1 {
		return "", target, errors.New("name a namespace, and perhaps one of its objects: pullsecrets explain -n team-a deployment/web")
	}
	if namespace == "" {
		if namespace, err = f.kube.currentNamespace(); err != nil {
			return "", target, err
		}
	}
	var errs []error
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		errs = append(errs, fmt.Errorf("%q is not the name of a namespace", namespace))
	}
	if len(args) == 1 {
		if target, err = inspect.ParseTarget(args[0]); err != nil {
			errs = append(errs, err)
		}
	}
	return namespace, target, errors.Join(errs...)
}

// validate checks what flag itself cannot.
func (f *explainFlags) validate() error {
	errs := []error{f.check(), checkForm(f.form, "text", "json")}
	if f.file == "-" && f.dump == "-" {
		errs = append(errs, errors.New("-f and -dump cannot both be standard input"))
	}
	return errors.Join(errs...)
}
