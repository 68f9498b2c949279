package harness

import (
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Feature is something of Kubernetes that its earlier versions lack.
type Feature struct {
	Since string // the version from which on every API server has it, such as 1.36
	What  string
	ask   func(c *Cluster) (bool, error)
}

var (
	// Mutation has the API server itself change objects: the admission component is made of it.
	Mutation = kind("1.36", api.AdmissionPolicies)
	// TrustBundles are certificate authorities that every service account may read.
	TrustBundles = kind("1.37", api.TrustBundles)
	// WatchLists are watches that begin with what is there, which a bookmark ends.
	WatchLists = Feature{Since: "1.34", What: "watch-lists", ask: (*Cluster).watchLists}
)

// Needs skips a test where the API server is too old for it. hack/matrix reads the words, for docs/compatibility.md.
func (c *Cluster) Needs(f Feature) {
	c.T.Helper()
	if !c.Serves(f) {
		c.T.Skipf("needs Kubernetes %s: %s; this is %s", f.Since, f.What, c.Version())
	}
}

// NeedsOlder skips a test of what happens where a feature is missing.
func (c *Cluster) NeedsOlder(f Feature) {
	c.T.Helper()
	if c.Serves(f) {
		c.T.Skipf("needs a Kubernetes before %s: no %s; this is %s", f.Since, f.What, c.Version())
	}
}

// Serves asks the API server whether it has a feature. The test fails where one lacks it that is new enough: a test that
// is skipped there would be skipped for ever, and nobody would know.
func (c *Cluster) Serves(f Feature) bool {
	c.T.Helper()
	has, err := f.ask(c)
	if err != nil {
		c.T.Fatalf("ask for %s: %v", f.What, err)
	}
	if v := c.Version(); !has && !v.LessThan(version.MustParseGeneric(f.Since)) {
		c.T.Fatalf("this API server is Kubernetes %s and has no %s, which came with %s", v, f.What, f.Since)
	}
	return has
}

// kind is a feature that is there where this resource is.
func kind(since string, resource schema.GroupVersionResource) Feature {
	group := resource.GroupVersion().String()
	return Feature{Since: since, What: resource.Resource + " of " + group, ask: func(c *Cluster) (bool, error) {
		list, err := c.discovery().ServerResourcesForGroupVersionWithContext(c.Ctx, group)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == resource.Resource }), err
	}}
}

// watchLists starts one. An API server without them refuses its options.
func (c *Cluster) watchLists() (bool, error) {
	stream, err := c.Client.Resource(api.Namespaces).Watch(c.Ctx, metav1.ListOptions{
		SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
	})
	if apierrors.IsInvalid(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer stream.Stop()
	for event := range stream.ResultChan() {
		if o, ok := event.Object.(metav1.Object); ok && o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
			return true, nil
		}
	}
	return false, errors.New("the watch-list ended without its bookmark")
}

// Version is the API server's own: what it emulates, where it emulates an earlier one.
func (c *Cluster) Version() *version.Version {
	c.T.Helper()
	info, err := c.discovery().ServerVersion()
	Must(c.T, err)
	v, err := version.ParseSemantic(info.GitVersion)
	Must(c.T, err)
	if info.EmulationMinor == "" || info.EmulationMajor == info.Major && info.EmulationMinor == info.Minor {
		return v
	}
	emulated, err := version.ParseGeneric(info.EmulationMajor + "." + info.EmulationMinor)
	Must(c.T, err)
	return emulated
}

func (c *Cluster) discovery() *discovery.DiscoveryClient {
	c.T.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(c.Config)
	Must(c.T, err)
	return client
}
