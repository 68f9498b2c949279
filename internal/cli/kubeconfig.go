package cli

import (
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// restConfig finds the cluster as kubectl does: the given file, KUBECONFIG, ~/.kube/config; then in-cluster.
func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("no cluster found: give -kubeconfig, set KUBECONFIG, or run in a pod")
	}
	return ours(config, err)
}

// ownConfig finds the cluster that the pod runs in.
func ownConfig() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("no service account is mounted (%w): run in a pod, or give -running-in-cluster=false", err)
	}
	return ours(config, nil)
}

// fileConfig finds the cluster as kubectl does, and never in-cluster.
func fileConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	files, err := rules.Load()
	if err != nil {
		return ours(nil, err)
	}
	config, err := clientcmd.NewDefaultClientConfig(*files, &clientcmd.ConfigOverrides{}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("no kubeconfig found: give -kubeconfig, or set KUBECONFIG")
	}
	return ours(config, err)
}

// ours makes the settings that every client of ours has.
func ours(config *rest.Config, err error) (*rest.Config, error) {
	if err != nil {
		return nil, fmt.Errorf("load the kubeconfig: %w", err)
	}
	// No rate limit of our own: the API server's Priority and Fairness knows better, and the workers are bounded.
	config.QPS = -1
	config.UserAgent = "pullsecrets/" + strings.ReplaceAll(version, " ", "-")
	return config, nil
}
