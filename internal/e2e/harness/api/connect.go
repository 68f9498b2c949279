package api

import (
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect returns a client of the API server that a kubeconfig names, without a rate limit of its own.
func Connect(kubeconfig string) (*rest.Config, dynamic.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	return config, client, err
}
