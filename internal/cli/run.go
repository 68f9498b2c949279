package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/election"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const statusName = "pullsecrets-status"

// runFlags are the flags of run, as they are given.
type runFlags struct {
	policyFlags
	kube        clusterFlags
	workers     int
	maxPrune    int
	maxFailing  int
	expiry      time.Duration
	leaderElect bool
	admission   bool
	healthAddr  string
	metricsAddr string
	pprofAddr   string
	logLevel    string
	logFormat   string
	registries  registryFlags
	ancestor    *ancestor

	healthOptional bool     // nobody asked for its port, so it may be busy
	warnings       []string // what adapt found
}

func runCommand(stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("run", stderr)
	f := &runFlags{ancestor: newAncestor()}
	f.register(fs)
	return &ffcli.Command{
		Name: "run", ShortUsage: "pullsecrets [run] [FLAGS]", ShortHelp: "keep the cluster as the policy says",
		LongHelp: "Each flag can be given as an environment variable too: -log-level is PULLSECRETS_LOG_LEVEL.\n" +
			"A flag wins over the environment.\n\n" +
			"Flags and CONFIG_ variables of imagepullsecret-patcher work too. Those that say so replace the policy\n" +
			"ConfigMap by one rule; PULLSECRETS_ variables win over CONFIG_ variables.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("run takes flags only, found %q", args[0])
			}
			return f.run(ctx, fs, stdout, stderr)
		},
	}
}

func (f *runFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.registerPlace(fs)
	fs.IntVar(&f.workers, "workers", 48, "`NUMBER` of namespaces that are worked on at a time; while a namespace or service account is new, or somebody deleted a copy, a roll-out uses 8 of them")
	fs.IntVar(&f.maxPrune, "max-prune", 50, "`PERCENT` of all copies, and of all references, that may be removed at once without confirmation")
	fs.IntVar(&f.maxFailing, "max-failing", 10, "`PERCENT` of the selected namespaces that may have problems of their own before the policy counts as Degraded; 0 for none")
	fs.DurationVar(&f.expiry, "expiry-warning", plan.ExpiryWarning, "`DURATION` before a credential of a source ends to say so, but not before the last third of its life; 0 for never")
	fs.BoolVar(&f.leaderElect, "leader-elect", false, "work only while holding the Lease pullsecrets, for several processes of which one works")
	fs.BoolVar(&f.admission, "admission", false, "have the API server itself add the names too; needs kustomize/components/admission")
	registerAddress(fs, &f.healthAddr, "health-addr", ":8081", "`ADDRESS` of /healthz and /readyz; empty for none")
	registerAddress(fs, &f.metricsAddr, "metrics-addr", ":8080", "`ADDRESS` of /metrics, for Prometheus; empty for none")
	fs.StringVar(&f.pprofAddr, "pprof-addr", "", "loopback `ADDRESS` of /debug/pprof/, such as localhost:6060; empty for none")
	registerLog(fs, &f.logLevel, &f.logFormat)
	f.registries.register(fs)
	f.ancestor.register(fs)
}

func registerLog(fs *flag.FlagSet, level, format *string) {
	choiceVar(fs, level, "log-level", "info", "`LEVEL`: trace, debug, info, warn or error", "trace", "debug", "info", "warn", "error")
	choiceVar(fs, format, "log-format", "auto", "`FORMAT`: json, console, or auto for console on a terminal", "auto", "json", "console")
}

// registerAddress registers an address whose empty variable means none: that of any other flag counts as not set.
func registerAddress(fs *flag.FlagSet, to *string, name, address, usage string) {
	fs.StringVar(to, name, address, usage)
	if text, ok := os.LookupEnv(variable(name)); ok && text == "" {
		*to = ""
	}
}

func (f *runFlags) run(ctx context.Context, fs *flag.FlagSet, stdout, stderr io.Writer) error {
	if err := f.adapt(fs, processEnvironment()); err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return err
	}
	out := newProgress(stderr, "namespaces")
	out.log = stdout
	log, err := newLogger(out, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	for _, w := range f.warnings {
		log.Warn().Msg(w)
	}
	if a := f.ancestor; !a.noMemoryLimit.boolean() {
		limitMemory(a.memoryShare.share(), log)
	}
	cfg, config, err := f.configured(log)
	if err != nil {
		return err
	}
	c := reconcile.New(cfg)
	stopServing, err := f.serve(c, log)
	if err != nil {
		return err
	}
	defer stopServing()
	f.logMode(log)
	log.Info().Str("version", Version()).Str("server", config.Host).Str("policy", f.policyOrigin()).Msg("started")
	if f.ancestor.runOnce.boolean() {
		err = c.RunOnce(ctx, out.update)
		out.done()
	} else {
		err = c.Run(ctx)
	}
	log.Info().Msg("stopped")
	return err
}

// configured is what the flags make of the controller, and of how it reaches the cluster.
func (f *runFlags) configured(log zerolog.Logger) (cfg reconcile.Config, config *rest.Config, err error) {
	cfg = reconcile.Config{
		Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName,
		SourceNamespaces: splitNames(f.sourceNamespaces), Workers: f.workers, MaxPrune: f.maxPrune, MaxFailing: f.maxFailing,
		ExpiryWarning: f.expiry, Admission: f.admission, Version: Version(), Log: log,
	}
	if cfg.Ask, err = f.registries.ask(); err != nil {
		return cfg, nil, err
	}
	if err := f.adaptConfig(&cfg); err != nil {
		return cfg, nil, err
	}
	if config, err = f.cluster(); err != nil {
		return cfg, nil, err
	}
	if f.leaderElect {
		if cfg.Election, err = election.New(config, f.namespace, log); err != nil {
			return cfg, nil, err
		}
		config.Wrap(cfg.Election.Guard)
	}
	config.Wrap(withPlainWatches)
	if cfg.Client, err = kube.NewDynamic(config); err != nil {
		return cfg, nil, fmt.Errorf("make a client: %w", err)
	}
	if f.admission {
		if cfg.Mutates, err = mutates(config); err != nil {
			return cfg, nil, err
		}
	}
	return cfg, config, nil
}

// validate checks what flag itself cannot.
func (f *runFlags) validate() error {
	var errs []error
	if f.workers < 1 {
		errs = append(errs, fmt.Errorf("-workers %d: must be at least 1", f.workers))
	}
	if f.maxPrune < 0 || f.maxPrune > 100 {
		errs = append(errs, fmt.Errorf("-max-prune %d: must be a percentage from 0 to 100", f.maxPrune))
	}
	if f.maxFailing < 0 || f.maxFailing > 100 {
		errs = append(errs, fmt.Errorf("-max-failing %d: must be a percentage from 0 to 100", f.maxFailing))
	}
	if f.expiry < 0 {
		errs = append(errs, fmt.Errorf("-expiry-warning %s: must not be negative; 0 is for no warning", f.expiry))
	}
	return errors.Join(append(errs, f.check())...)
}

// newLogger writes JSON, or text for people.
func newLogger(out io.Writer, level, format string) (zerolog.Logger, error) {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil || !slices.Contains([]string{"trace", "debug", "info", "warn", "error"}, level) {
		return zerolog.Nop(), fmt.Errorf("-log-level %q: one of trace, debug, info, warn, error", level)
	}
	switch format {
	case "auto":
		if isTerminal(out) {
			out = consoleWriter(out)
		}
	case "console":
		out = consoleWriter(out)
	case "json":
	default:
		return zerolog.Nop(), fmt.Errorf("-log-format %q: one of auto, json, console", format)
	}
	return zerolog.New(zerolog.SyncWriter(boundedWriter{out})).Level(parsed).With().Timestamp().Logger(), nil
}
