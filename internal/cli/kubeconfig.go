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
	if err != nil {
		return nil, fmt.Errorf("load the kubeconfig: %w", err)
	}
	// No rate limit of our own: the API server's Priority and Fairness knows better, and the workers are bounded.
	config.QPS = -1
	config.UserAgent = "pullsecrets/" + strings.ReplaceAll(version, " ", "-")
	return config, nil
}
