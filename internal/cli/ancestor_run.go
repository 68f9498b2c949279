package cli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// onceEvery is how often a cluster is listed by runonce without informers: whoever waits for the end does not want to
// wait a long -loop-duration when somebody writes in between.
const onceEvery = time.Second

// adapt judges the settings of imagepullsecret-patcher and changes the other flags as it follows from them.
func (f *runFlags) adapt(fs *flag.FlagSet) error {
	given := map[string]bool{} // on the command line or as a variable of ours
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	a := f.ancestor
	if err := a.resolve(); err != nil {
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
	if chosen != nil && !given["namespace"] && os.Getenv("POD_NAMESPACE") == "" {
		f.namespace = ownNamespace(f.namespace)
	}
	if chosen != nil || a.runOnce.boolean() {
		if f.leaderElect {
			return errors.New("-leader-elect is for processes that go on working by a policy: not with runonce or the settings of imagepullsecret-patcher that replace the policy")
		}
		f.noPorts(given)
	}
	return nil
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
