package cli

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to sign in that kubectl has
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clusterFlags say which cluster is meant, and who asks it, as kubectl's flags of these names do.
type clusterFlags struct {
	kubeconfig             string
	context, cluster, user string // of the kubeconfig
	as                     string
	asGroups               []string
}

func (f *clusterFlags) register(fs *flag.FlagSet) {
	f.registerBesideDump(fs)
	fs.StringVar(&f.cluster, "cluster", "", "`NAME` of the kubeconfig's cluster, in place of the context's")
}

// registerBesideDump leaves out -cluster, which has another meaning where a dump can be given.
func (f *clusterFlags) registerBesideDump(fs *flag.FlagSet) {
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig `FILE`; found as kubectl finds it when empty, then in-cluster")
	fs.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context; its current one when empty")
	fs.StringVar(&f.user, "user", "", "`NAME` of the kubeconfig's user, in place of the context's")
	fs.StringVar(&f.as, "as", "", "`USER` to impersonate, in-cluster too; system:serviceaccount:NAMESPACE:NAME for a service account")
	fs.Func("as-group", "`GROUP` to impersonate, with -as; give it once for each group", func(group string) error {
		f.asGroups = append(f.asGroups, group)
		return nil
	})
}

// config finds the cluster as kubectl does: the given file, KUBECONFIG, ~/.kube/config; then in-cluster.
func (f *clusterFlags) config() (*rest.Config, error) {
	loader, _, err := f.load()
	if err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster found: give -kubeconfig, set KUBECONFIG, or run in a pod")
	}
	return f.ours(config, err)
}

// ownConfig finds the cluster that the pod runs in.
func (f *clusterFlags) ownConfig() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("no service account is mounted (%w): run in a pod, or give -running-in-cluster=false", err)
	}
	return f.ours(config, nil)
}

// fileConfig finds the cluster as kubectl does, and never in-cluster.
func (f *clusterFlags) fileConfig() (*rest.Config, error) {
	loader, files, err := f.load()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*files, f.context, f.overrides(), loader.ConfigAccess()).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no kubeconfig found: give -kubeconfig, or set KUBECONFIG")
	}
	return f.ours(config, err)
}

// currentNamespace is the namespace of the context, or in a pod the pod's, as kubectl finds it.
func (f *clusterFlags) currentNamespace() (string, error) {
	loader, _, err := f.load()
	if err != nil {
		return "", err
	}
	namespace, _, err := loader.Namespace()
	if clientcmd.IsEmptyConfig(err) {
		return "", errors.New("no kubeconfig found that says which namespace is meant: name it, as an argument or with -n")
	}
	return namespace, err
}

// named is what the kubeconfig calls the context, for people; empty where there is none, as in a pod.
func (f *clusterFlags) named() string {
	if f.context != "" {
		return f.context
	}
	_, files, err := f.load()
	if err != nil {
		return ""
	}
	return files.CurrentContext
}

// load reads the kubeconfig files. A token that is renewed on the way is written back to them, as kubectl does.
func (f *clusterFlags) load() (clientcmd.ClientConfig, *clientcmdapi.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	files, err := rules.Load()
	if err != nil {
		return nil, nil, fmt.Errorf("load the kubeconfig: %w", err)
	}
	if err := f.check(files); err != nil {
		return nil, nil, err
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, f.overrides()), files, nil
}

func (f *clusterFlags) overrides() *clientcmd.ConfigOverrides {
	return &clientcmd.ConfigOverrides{
		CurrentContext: f.context,
		Context:        clientcmdapi.Context{Cluster: f.cluster, AuthInfo: f.user},
	}
}

// check refuses names that the kubeconfig does not have.
func (f *clusterFlags) check(files *clientcmdapi.Config) error {
	return errors.Join(
		known("context", f.context, files.Contexts),
		known("cluster", f.cluster, files.Clusters),
		known("user", f.user, files.AuthInfos))
}

func known[T any](what, name string, entries map[string]T) error {
	if _, ok := entries[name]; ok || name == "" {
		return nil
	}
	if len(entries) == 0 {
		return fmt.Errorf("-%s %q: no kubeconfig was found, or it has no %s: give -kubeconfig, or set KUBECONFIG", what, name, what)
	}
	return fmt.Errorf("-%s %q is not in the kubeconfig: one of %s", what, name, strings.Join(slices.Sorted(maps.Keys(entries)), ", "))
}

// elsewhere names a flag that was given and means another cluster than the pod's, or is empty.
func (f *clusterFlags) elsewhere() string {
	for _, g := range []struct{ flag, value string }{
		{"-kubeconfig", f.kubeconfig}, {"-context", f.context}, {"-cluster", f.cluster}, {"-user", f.user},
	} {
		if g.value != "" {
			return g.flag
		}
	}
	return ""
}

// ours makes the settings that every client of ours has.
func (f *clusterFlags) ours(config *rest.Config, err error) (*rest.Config, error) {
	if err != nil {
		return nil, fmt.Errorf("load the kubeconfig: %w", err)
	}
	if len(f.asGroups) > 0 && f.as == "" {
		return nil, errors.New("-as-group needs -as: the API server takes groups only with a user")
	}
	if f.as != "" { // clientcmd itself does so for a kubeconfig alone
		config.Impersonate = rest.ImpersonationConfig{UserName: f.as, Groups: f.asGroups}
	}
	// No rate limit of our own: the API server's Priority and Fairness knows better, and the workers are bounded.
	config.QPS = -1
	config.UserAgent = "pullsecrets/" + strings.ReplaceAll(release(), " ", "-")
	return config, nil
}
