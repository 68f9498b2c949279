package cli

import (
	"context"
	"flag"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/peterbourgon/ff/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// completionPatience is how long somebody who pressed a key waits for names, however many lists they are from.
const completionPatience = 2 * time.Second

// completingCluster is the cluster that names are completed from. Whatever is wrong with it, there are no names then:
// the line is still being typed, and is no place to tell of it.
type completingCluster struct {
	kube *clusterFlags
}

// cluster is the one that the flags so far, and the environment, mean.
func (l *typedLine) cluster() completingCluster {
	kube := &clusterFlags{}
	fs := newFlagSet("complete", io.Discard)
	kube.registerBesideDump(fs)
	if f := l.flags.Lookup("cluster"); f != nil {
		if what, _ := flag.UnquoteUsage(f); what == "NAME" {
			fs.StringVar(&kube.cluster, "cluster", "", "")
		}
	}
	var args []string
	for _, word := range l.given {
		if name, _ := flagName(word); fs.Lookup(name) != nil {
			args = append(args, word)
		}
	}
	_ = ff.Parse(fs, args, options()...) // what is wrong is said when the line is run
	return completingCluster{kube}
}

func (c completingCluster) namespaces(ctx context.Context) []string {
	return c.names(ctx, namespacesResource, "")
}

var (
	namespacesResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	secretsResource    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// names are those of a resource, where the user may list them and the API server answers in time. A plugin that
// signs in does not hear of the deadline, so nobody waits for it either.
func (c completingCluster) names(ctx context.Context, resource schema.GroupVersionResource, namespace string) []string {
	if ctx.Err() != nil {
		return nil
	}
	found := make(chan []string, 1)
	go func() {
		names, _ := c.list(ctx, resource, namespace)
		found <- names
	}()
	select {
	case names := <-found:
		return names
	case <-ctx.Done():
		return nil
	}
}

func (c completingCluster) list(ctx context.Context, resource schema.GroupVersionResource, namespace string) (names []string, err error) {
	config, err := c.config()
	if err != nil || resource.Resource == "" {
		return nil, err
	}
	if namespace == "" && resource != namespacesResource {
		if namespace, err = c.kube.currentNamespace(); err != nil {
			return nil, err
		}
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	at := client.Resource(resource).Namespace(namespace)
	// All of them, since any may begin as was typed, and from the API server's cache, which costs it little.
	list, err := at.List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}

// config keeps a plugin that signs in from the keyboard: what is typed belongs to the shell.
func (c completingCluster) config() (*rest.Config, error) {
	config, err := c.kube.config()
	if err == nil && config.ExecProvider != nil {
		config.ExecProvider.StdinUnavailable = true
		config.ExecProvider.StdinUnavailableMessage = "it is only completed"
	}
	return config, err
}

// kubeconfigNames are those that a flag chooses from.
func (c completingCluster) kubeconfigNames(flag string) []string {
	_, files, err := c.kube.load()
	if err != nil {
		return nil
	}
	switch flag {
	case "context":
		return typeable(files.Contexts)
	case "cluster":
		return typeable(files.Clusters)
	case "user":
		return typeable(files.AuthInfos)
	}
	return nil
}

// typeable are the names that have a line of their own, and no control character that a terminal would follow.
func typeable[T any](named map[string]T) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(named)), func(name string) bool {
		return strings.ContainsFunc(name, unicode.IsControl)
	})
}
