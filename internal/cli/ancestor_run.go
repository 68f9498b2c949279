package cli

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// onceEvery is how often a cluster is listed by runonce without informers: whoever waits for the end does not want to
// wait a long -loop-duration when somebody writes in between.
const onceEvery = time.Second

// adapt judges the settings of imagepullsecret-patcher and changes the other flags as it follows from them.
func (f *runFlags) adapt(fs *flag.FlagSet, env environment) error {
	given := map[string]bool{} // on the command line or as a variable of ours
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	a := f.ancestor
	pod := cmp.Or(env["POD_NAMESPACE"], ownNamespace(f.namespace))
	if err := a.resolve(env, pod); err != nil {
		return err
	}
	chosen := a.chosen()
	if chosen != nil && given["policy"] {
		return fmt.Errorf("-policy and %s: -policy takes the rules from a ConfigMap, and %s makes a rule by itself, as imagepullsecret-patcher does; give only one of them",
			chosen.origin(), chosen.origin())
	}
	if a.debug.boolean() && f.logLevel != "trace" {
		f.logLevel = "debug"
	}
	if chosen != nil && !given["namespace"] {
		f.namespace = pod
	}
	if a.reconciles.given != "" && !given["workers"] {
		f.workers = max(1, a.reconciles.number()) // as in the fork, where 0 means 1
	}
	f.warnings = a.warnings(env)
	if err := f.standAlone(); err != nil {
		return err
	}
	f.adaptPorts(given)
	return nil
}

// standAlone has no leader elected where there is no policy to work by, or no end of it.
func (f *runFlags) standAlone() error {
	switch {
	case !f.leaderElect:
	case f.ancestor.runOnce.boolean():
		return errors.New("-leader-elect is for processes that go on working: not with runonce")
	case f.ancestor.chosen() != nil:
		f.leaderElect = false
		f.warnings = append(f.warnings, "-leader-elect: no leader is elected, because "+f.ancestor.chosen().origin()+
			" makes the rule: every replica works, so one is enough")
	}
	return nil
}

// adaptPorts opens no port for metrics in the mode of imagepullsecret-patcher, and none at all for a single pass, but
// those that were asked for. Health is told in that mode where its port is free: only tamcore's fork tells it.
func (f *runFlags) adaptPorts(given map[string]bool) {
	a := f.ancestor
	if a.healthAddr.given != "" && !given["health-addr"] {
		f.healthAddr, given["health-addr"] = address(a.healthAddr), true
	}
	if a.metricsAddr.given != "" && !given["metrics-addr"] && !a.metricsSecure.boolean() {
		f.metricsAddr, given["metrics-addr"] = address(a.metricsAddr), true
	}
	mode, once := a.chosen() != nil, a.runOnce.boolean()
	if (mode || once) && !given["metrics-addr"] {
		f.metricsAddr = ""
	}
	if once && !given["health-addr"] {
		f.healthAddr = ""
	}
	f.healthOptional = mode && !given["health-addr"]
}

// address is a listener's address as tamcore's fork writes it.
func address(s *setting) string {
	if s.text == "0" {
		return ""
	}
	return s.text
}

// adaptConfig has the controller work as the settings say.
func (f *runFlags) adaptConfig(cfg *reconcile.Config) error {
	a := f.ancestor
	mode := a.chosen() != nil
	cfg.ListOnly = !a.useInformers.boolean()
	if cfg.ListOnly || mode {
		// The roles of the original permit to list, and not to watch.
		cfg.LoopEvery = a.loopDuration.duration()
		if a.runOnce.boolean() {
			cfg.LoopEvery = min(cfg.LoopEvery, onceEvery)
		}
	}
	if !mode {
		return nil
	}
	return a.takeOver(cfg)
}

// logMode says what the settings came to, in the mode of imagepullsecret-patcher.
func (f *runFlags) logMode(log zerolog.Logger) {
	a := f.ancestor
	if a.chosen() == nil {
		return
	}
	log.Info().Str("secretname", a.secretName.text).Strs("excluded", a.excluded.list()).Strs("unserved", a.unserved(f.namespace)).
		Str("exclude_annotation", a.excludeAnnotation.text).Msg("working as imagepullsecret-patcher, with the defaults of " + a.defaultsOf())
}

// policyOrigin says where the policy comes from.
func (f *runFlags) policyOrigin() string {
	if chosen := f.ancestor.chosen(); chosen != nil {
		return "one rule, made from " + chosen.origin() + " and the other settings of imagepullsecret-patcher"
	}
	return f.namespace + "/" + f.policy
}

// cluster finds the cluster where running-in-cluster says, if it was given.
func (f *runFlags) cluster() (*rest.Config, error) {
	in := f.ancestor.inCluster
	switch {
	case in.given == "":
		return f.kube.config()
	case !in.boolean():
		return f.kube.fileConfig()
	case f.kube.elsewhere() != "":
		return nil, in.problem("means the cluster that the pod runs in, and %s another: give only one of them", f.kube.elsewhere())
	}
	return f.kube.ownConfig()
}
