package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"

	"github.com/peterbourgon/ff/v3/ffcli"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/evict"
)

// evictFlags are the flags of evict, as they are given.
type evictFlags struct {
	kube             clusterFlags
	namespace        string
	sourceNamespaces string
	owners           string
	rate             float64
	dryRun           bool
	healthAddr       string
	metricsAddr      string
	logLevel         string
	logFormat        string
}

func evictCommand(stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("evict", stderr)
	f := &evictFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "evict", ShortUsage: "pullsecrets evict [FLAGS]",
		ShortHelp: "have pods made anew that were created before their pull secrets were there",
		LongHelp: "Runs until it is stopped, beside the controller and under a service account of its own: kustomize/components/evict.\n" +
			"It evicts pods that wait for an image (ErrImagePull, ImagePullBackOff), lack a pull secret that the policy gives\n" +
			"to new pods like them, whose copy is there, and that a controller makes anew. Others it leaves alone; explain\n" +
			"says why. The annotation pullsecrets/evict: \"false\" on a pod or a namespace forbids it.\n\n" +
			"The policy, and which copies are there, it has from the status ConfigMap. It reads no secret.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("evict takes flags only, found %q", args[0])
			}
			return f.run(ctx, stdout)
		},
	}
}

func (f *evictFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	registerNamespace(fs, &f.namespace)
	fs.StringVar(&f.sourceNamespaces, "source-namespaces", "", "other `NAMESPACES` that sources may be in, comma-separated, as the controller has them")
	fs.StringVar(&f.owners, "owners", "", "`KINDS` of controllers that make their pods anew besides Kubernetes' own, comma-separated: StatefulSet.apps.kruise.io")
	fs.Float64Var(&f.rate, "rate", 2, "`NUMBER` of evictions in a second, at most")
	fs.BoolVar(&f.dryRun, "dry-run", false, "evict nothing, and log what would be evicted")
	registerAddress(fs, &f.healthAddr, "health-addr", ":8081", "`ADDRESS` of /healthz and /readyz; empty for none")
	registerAddress(fs, &f.metricsAddr, "metrics-addr", ":8080", "`ADDRESS` of /metrics, for Prometheus; empty for none")
	registerLog(fs, &f.logLevel, &f.logFormat)
}

func (f *evictFlags) run(ctx context.Context, stdout io.Writer) error {
	owners, err := f.validate()
	if err != nil {
		return err
	}
	log, err := newLogger(stdout, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	limitMemory(usualMemoryShare, log)
	config, err := f.kube.config()
	if err != nil {
		return err
	}
	client, err := evict.NewClient(config)
	if err != nil {
		return err
	}
	e := evict.New(evict.Config{
		Client: client, Namespace: f.namespace, StatusName: statusName, SourceNamespaces: splitNames(f.sourceNamespaces),
		Owners: owners, PerSecond: f.rate, DryRun: f.dryRun, Settle: evict.Settle, Version: Version(), Log: log,
	})
	stopServing, err := serve([]port{
		{"health-addr", f.healthAddr, healthHandler(e), false},
		{"metrics-addr", f.metricsAddr, metricsHandler(e.Metrics()), false},
	}, log)
	if err != nil {
		return err
	}
	defer stopServing()
	log.Info().Str("version", Version()).Str("server", config.Host).Bool("dryRun", f.dryRun).Msg("started")
	e.Run(ctx)
	log.Info().Msg("stopped")
	return nil
}

// kindName is what a kind is called.
var kindName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// validate checks what flag itself cannot, and returns the kinds of -owners.
func (f *evictFlags) validate() (owners []schema.GroupKind, err error) {
	var errs []error
	for _, ns := range append(splitNames(f.sourceNamespaces), f.namespace) {
		if len(validation.IsDNS1123Label(ns)) > 0 {
			errs = append(errs, fmt.Errorf("%q is not the name of a namespace", ns))
		}
	}
	if f.rate < 0.01 || f.rate > 100 {
		errs = append(errs, fmt.Errorf("-rate %v: must be from 0.01 to 100", f.rate))
	}
	for _, text := range splitNames(f.owners) {
		kind := schema.ParseGroupKind(text)
		if !kindName.MatchString(kind.Kind) || kind.Group != "" && len(validation.IsDNS1123Subdomain(kind.Group)) > 0 {
			errs = append(errs, fmt.Errorf("-owners: %q is no kind; give it as KIND.GROUP, such as StatefulSet.apps.kruise.io", text))
		}
		owners = append(owners, kind)
	}
	return owners, errors.Join(errs...)
}
