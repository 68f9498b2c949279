package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// rbacFlags are the flags of rbac, as they are given.
type rbacFlags struct {
	policyFlags
	kube       clusterFlags
	also       string
	fromStatus bool
	admission  bool
	evict      bool
}

func rbacCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("rbac", stderr)
	f := &rbacFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "rbac", ShortUsage: "pullsecrets rbac -f POLICY [FLAGS]", ShortHelp: "print the roles that a policy needs",
		LongHelp: "Prints the roles and bindings under which the controller can carry out this policy, and nothing else.\n" +
			"It asks no cluster, unless -from-status is given.\n\n" +
			"A name that leaves the policy has to stay in the roles until its copies are removed: name it with -also, or\n" +
			"have the names in use read from the status ConfigMap with -from-status.\n\n" +
			"With -evict it prints the roles of pullsecrets evict instead, which are the same for every policy.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("rbac takes flags only, found %q", args[0])
			}
			return f.run(ctx, stdin, stdout, stderr)
		},
	}
}

func (f *rbacFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.policyFlags.register(fs, "")
	fs.StringVar(&f.also, "also", "", "`NAMES` of copies that are no longer in the policy, comma-separated")
	fs.BoolVar(&f.fromStatus, "from-status", false, "add the names in use, from the status ConfigMap of the cluster")
	fs.BoolVar(&f.admission, "admission", false, "for a controller that is started with -admission")
	fs.BoolVar(&f.evict, "evict", false, "the roles of pullsecrets evict, and not the controller's; needs no -f")
}

func (f *rbacFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.validate(); err != nil {
		return err
	}
	o := rbac.Options{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName, Admission: f.admission}
	if f.evict {
		return writeRoles(stdout, rbac.EvictRoles(o))
	}
	_, p, err := f.valid(stdin, stderr)
	if err != nil {
		return err
	}
	o.Also = splitNames(f.also)
	if f.fromStatus {
		inUse, err := f.namesInUse(ctx)
		if err != nil {
			return err
		}
		o.Also = append(o.Also, inUse...)
	}
	return writeRoles(stdout, rbac.Roles(p, o))
}

func writeRoles(stdout io.Writer, roles []manifest.Document) error {
	text, err := manifest.YAML(roles)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	return err
}

// validate checks what flag itself cannot. What is no name would make a role that permits nothing, or be a mistake in
// a file that a security team signs.
func (f *rbacFlags) validate() error {
	errs := []error{f.checkFile()}
	if f.evict {
		errs[0] = f.check()
		if f.file != "" || f.also != "" || f.fromStatus || f.admission {
			errs = append(errs, errors.New("-evict: those roles are the same for every policy, so -f, -also, -from-status and -admission do not go with it"))
		}
	}
	for _, name := range splitNames(f.also) {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("-also: %q is not the name of a secret", name))
		}
	}
	return errors.Join(errs...)
}

// namesInUse asks the cluster. Somebody may have edited the status: what is no name is passed over.
func (f *rbacFlags) namesInUse(ctx context.Context) ([]string, error) {
	config, err := f.kube.config()
	if err != nil {
		return nil, err
	}
	client, err := kube.NewDynamic(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	names, err := inspect.NamesInUse(ctx, client, f.namespace, statusName)
	return slices.DeleteFunc(names, func(n string) bool { return len(validation.IsDNS1123Subdomain(n)) > 0 }), err
}

func splitNames(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
