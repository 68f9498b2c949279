package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// The exit status of check.
const (
	checkRefused = 1 // a registry refuses a credential, or is none
	checkFailed  = 2 // it could not be told
)

// checkFlags are the flags of check, as they are given.
type checkFlags struct {
	policyFlags
	kube     clusterFlags
	asked    string // the namespace of the secret that is named
	dump     string
	config   string
	images   []string
	timeout  time.Duration
	parallel int
	plain    []string
	caFile   string
	form     string
}

func checkCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("check", stderr)
	f := &checkFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "check", ShortUsage: "pullsecrets check [FLAGS] [secret/NAME | -config FILE]",
		ShortHelp: "ask the registries whether they take the credentials",
		LongHelp: "Logs in to each registry of the policy's sources, of a secret, or of the docker config or Secret in a file,\n" +
			"with the username and password that the kubelet would send. With -image it also asks whether an image may\n" +
			"be pulled. It asks from where it is run, which may reach, trust and be let in by other registries than the\n" +
			"nodes; and each question is a login, which a registry may count when the password is wrong.\n\n" +
			"Reads the cluster, or a dump of it, and writes nothing. Needs get on the policy ConfigMap and the sources. A\n" +
			"dump is made with\n  kubectl get ns,sa,secrets,cm -A -o yaml --show-managed-fields\n" +
			"Registries are reached by the proxy that the environment names (HTTPS_PROXY, NO_PROXY), over TLS alone\n" +
			"unless -plain-http names them, and no redirect is followed.\n\n" +
			"Exit status: 0 all accepted, 1 something refused, or no registry there, 2 could not tell.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			args, err := interspersed(fs, args)
			if err != nil {
				return exitError{checkFailed, err}
			}
			status, err := f.run(ctx, args, stdin, stdout, stderr)
			if err != nil || status != 0 {
				return exitError{status, err}
			}
			return nil
		},
	}
}

func (f *checkFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.policyFlags.register(fs, "; the cluster's when empty")
	fs.StringVar(&f.asked, "n", "", "`NAMESPACE` of secret/NAME; that of the kubeconfig's context when empty")
	fs.StringVar(&f.dump, "dump", "", "`FILE` with a dump of the cluster, or - for standard input; the live cluster when empty")
	fs.StringVar(&f.config, "config", "", "`FILE` with a docker config or a Secret, or - for standard input, in place of a cluster's secrets")
	fs.Func("image", "`IMAGE` that is to be pulled with one of them; give it once for each image", func(image string) error {
		f.images = append(f.images, image)
		return nil
	})
	fs.DurationVar(&f.timeout, "timeout", 10*time.Second, "`DURATION` of one request of a registry; a credential is given six times that")
	fs.IntVar(&f.parallel, "parallel", 8, "`NUMBER` of registries that are asked at a time")
	fs.Func("plain-http", "`HOST`, with its port, that is asked without TLS; give it once for each host", func(host string) error {
		f.plain = append(f.plain, host)
		return nil
	})
	fs.StringVar(&f.caFile, "ca-file", "", "`FILE` with certificates, in PEM, of authorities that are trusted besides the machine's")
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text or json", "text", "json")
}

func (f *checkFlags) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int, err error) {
	err = f.validate(args)
	checker, caErr := f.checker()
	if err := errors.Join(err, caErr); err != nil {
		return checkFailed, err
	}
	secrets, err := f.secrets(ctx, args, stdin, stderr)
	if err != nil {
		return checkFailed, err
	}
	report := checkReport{Secrets: f.ask(ctx, checker, secrets, stderr)}
	if ctx.Err() != nil {
		return checkFailed, errors.New("interrupted")
	}
	report.findUncovered(f.images)
	write := report.text
	if f.form == "json" {
		write = report.json
	}
	return report.status(), write(stdout)
}

// validate checks what flag itself cannot, and completes the names of images.
func (f *checkFlags) validate(args []string) error {
	errs := []error{f.policyFlags.check(), f.checkArguments(args), checkForm(f.form, "text", "json")}
	if f.timeout <= 0 {
		errs = append(errs, fmt.Errorf("-timeout %s: must be above zero, such as 10s", f.timeout))
	}
	if f.parallel < 1 {
		errs = append(errs, fmt.Errorf("-parallel %d: must be at least 1", f.parallel))
	}
	for i, image := range f.images {
		name, ok := registry.FullName(image)
		if !ok {
			errs = append(errs, fmt.Errorf("-image %q is no reference of an image, such as registry.example.com/team/app:1.2", image))
		}
		f.images[i] = name
	}
	for _, host := range f.plain {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			errs = append(errs, fmt.Errorf("-plain-http %q is no host: give it as localhost:5000, without a scheme or path", host))
		}
	}
	return errors.Join(errs...)
}

// checkArguments finds what cannot be given together.
func (f *checkFlags) checkArguments(args []string) error {
	var errs []error
	if len(args) > 1 {
		errs = append(errs, errors.New("name one secret: pullsecrets check -n team-a secret/regcred"))
	}
	if len(args) == 1 {
		kind, name, _ := strings.Cut(args[0], "/")
		if kind != "secret" || len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("%q: name the secret as secret/NAME", args[0]))
		}
	} else if f.asked != "" {
		errs = append(errs, errors.New("-n is the namespace of a secret: name it as secret/NAME"))
	}
	if f.asked != "" && len(validation.IsDNS1123Label(f.asked)) > 0 {
		errs = append(errs, fmt.Errorf("%q is not the name of a namespace", f.asked))
	}
	if f.config != "" && (len(args) > 0 || f.file != "" || f.dump != "") {
		errs = append(errs, errors.New("-config is asked about in place of a cluster's secrets: give neither -f, -dump nor secret/NAME with it"))
	}
	if len(args) > 0 && f.file != "" {
		errs = append(errs, errors.New("give -f or secret/NAME: the sources of a policy, or one secret"))
	}
	if slices.Equal([]string{f.file, f.dump}, []string{"-", "-"}) {
		errs = append(errs, errors.New("-f and -dump cannot both be standard input"))
	}
	return errors.Join(errs...)
}
