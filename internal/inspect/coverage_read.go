package inspect

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// objects lists what there is of a kind: in a live cluster page by page, or in a dump.
type objects interface {
	lookup
	list(what kube.Target, f func(*unstructured.Unstructured) error) error
}

type liveObjects struct{ liveLookup }

func (l liveObjects) list(what kube.Target, f func(*unstructured.Unstructured) error) error {
	return what.Each(l.ctx, l.client, metav1.ListOptions{}, f)
}

type dumpObjects struct{ dumpLookup }

func (d dumpObjects) list(what kube.Target, f func(*unstructured.Unstructured) error) error {
	kind, ok := workloadKinds[what.Resource]
	if !ok {
		kind = schema.GroupKind{Kind: dumpKinds[what.Resource]}
	}
	for _, u := range d.dumpLookup {
		secretType, _ := u.Object["type"].(string)
		if u.GroupVersionKind().GroupKind() != kind || what.Namespace != "" && what.Namespace != u.GetNamespace() ||
			what.Name != "" && what.Name != u.GetName() || what.Type != "" && what.Type != secretType {
			continue
		}
		if err := f(u); err != nil {
			return err
		}
	}
	return nil
}

func (d dumpObjects) hasWorkloads() bool {
	kinds := slices.Collect(maps.Values(workloadKinds))
	return slices.ContainsFunc(d.dumpLookup, func(u *unstructured.Unstructured) bool {
		return slices.Contains(kinds, u.GroupVersionKind().GroupKind())
	})
}

// workloadKinds are pods and what makes them.
var workloadKinds = map[schema.GroupVersionResource]schema.GroupKind{
	kube.Pods: {Kind: "Pod"},
	{Version: "v1", Resource: "replicationcontrollers"}:      {Kind: "ReplicationController"},
	{Group: "apps", Version: "v1", Resource: "deployments"}:  {Group: "apps", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"}: {Group: "apps", Kind: "StatefulSet"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"}:   {Group: "apps", Kind: "DaemonSet"},
	{Group: "apps", Version: "v1", Resource: "replicasets"}:  {Group: "apps", Kind: "ReplicaSet"},
	{Group: "batch", Version: "v1", Resource: "jobs"}:        {Group: "batch", Kind: "Job"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"}:    {Group: "batch", Kind: "CronJob"},
}

// mostNames is how many names of secrets are asked for one by one, where they may not be listed by their type.
const mostNames = 200

// take takes an object of a decision in.
func (c *coverer) take(u *unstructured.Unstructured) error { return c.snapshot.add(c.projector, u) }

// each lists a kind, in the namespaces that are asked for.
func (c *coverer) each(what kube.Target, f func(*unstructured.Unstructured) error, denied func(error)) {
	for _, target := range c.targets(what) {
		c.one(target, f, denied)
	}
}

// one lists a target. The first answer that says that all others are in vain is the last.
func (c *coverer) one(what kube.Target, f func(*unstructured.Unstructured) error, denied func(error)) {
	if c.gone {
		return
	}
	c.failed(what.String(), c.from.list(what, f), denied)
	if c.done++; c.progress != nil {
		c.total = max(c.total, c.done)
		c.progress(c.done, c.total)
	}
}

// readWorkloads reads pods and what makes them. Of each object a projection is kept, so that a page is the most that is in memory.
func (c *coverer) readWorkloads() {
	resources := slices.SortedFunc(maps.Keys(workloadKinds), func(a, b schema.GroupVersionResource) int {
		return strings.Compare(a.Resource, b.Resource)
	})
	for _, resource := range resources {
		forbidden := false
		c.each(kube.Target{Resource: resource}, func(u *unstructured.Unstructured) error {
			c.workloads.Add(u)
			return nil
		}, func(error) { forbidden = true })
		if forbidden {
			c.blind++
			what := "which pods there are, and which wait for their image"
			if resource != kube.Pods {
				what = "those without a pod at present"
			}
			c.deny(resource.Resource, what)
		}
	}
}

// readSecrets reads the copies by their names, as the controller does, and what else there is of registry credentials by their
// type. Who may not do that can still be allowed to read some by name.
func (c *coverer) readSecrets() {
	names := cluster.Union(c.snapshot.names, c.policy.CopyNames())
	for _, name := range names {
		denied := false
		c.each(kube.Target{Resource: kube.Secrets, Name: name}, c.take, func(err error) { denied, c.snapshot.copiesDenied[name] = true, err })
		if denied {
			c.deny("secrets named "+name, "whether there are such copies, and what they have an entry for")
		}
	}
	c.snapshot.names = cluster.Union(c.snapshot.names, names)
	forbidden := false
	for _, secretType := range []string{"kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"} {
		c.each(kube.Target{Resource: kube.Secrets, Type: secretType}, c.other, func(error) { forbidden = true })
	}
	if forbidden {
		c.deny("other secrets than the copies", "who else holds a credential of the policy")
		c.readNamed(names)
	}
}

func (c *coverer) other(u *unstructured.Unstructured) error {
	c.others[types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}] = c.projector.Secret(u)
	return nil
}

// readNamed reads the secrets that pods and service accounts name, besides those whose names are given.
func (c *coverer) readNamed(known []string) {
	byName := map[string][]string{} // namespaces
	for namespace, names := range c.mentioned() {
		for _, name := range names {
			if !slices.Contains(known, name) {
				byName[name] = append(byName[name], namespace)
			}
		}
	}
	unread := 0
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		denied := i >= mostNames
		if !denied {
			c.each(kube.Target{Resource: kube.Secrets, Name: name}, c.other, func(error) { denied = true })
		}
		if !denied {
			continue
		}
		unread++
		for _, namespace := range byName[name] {
			key := types.NamespacedName{Namespace: namespace, Name: name}
			c.unread[key] = c.others[key] == nil
		}
	}
	if unread > 0 {
		c.deny(plural(unread, "secret")+" that pods or service accounts name", "what these have an entry for")
	}
}

// mentioned are the names of pull secrets in a namespace that pods, what makes them, and service accounts have.
func (c *coverer) mentioned() map[string][]string {
	names := c.workloads.SecretNames()
	for namespace, accounts := range c.snapshot.accounts {
		for _, account := range accounts {
			names[namespace] = append(names[namespace], account.PullSecrets...)
		}
	}
	for namespace, list := range names {
		slices.Sort(list)
		names[namespace] = slices.DeleteFunc(slices.Compact(list), func(name string) bool { return name == "" })
	}
	return names
}
