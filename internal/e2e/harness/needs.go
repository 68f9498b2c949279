package harness

import (
	"fmt"
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
	Since    string                      // the version from which on every API server has it, such as 1.36
	Resource schema.GroupVersionResource // what an API server serves that has it
}

var (
	// Mutation has the API server itself change objects: the admission component is made of it.
	Mutation = Feature{Since: "1.36", Resource: api.AdmissionPolicies}
	// TrustBundles are certificate authorities that every service account may read.
	TrustBundles = Feature{Since: "1.37", Resource: api.TrustBundles}
)

func (f Feature) String() string {
	return fmt.Sprintf("%s of %s", f.Resource.Resource, f.Resource.GroupVersion())
}

// Needs skips a test where the API server is too old for it. hack/matrix reads the words, for docs/compatibility.md.
func (c *Cluster) Needs(f Feature) {
	c.T.Helper()
	if !c.Serves(f) {
		c.T.Skipf("needs Kubernetes %s: %s; this is %s", f.Since, f, c.Version())
	}
}

// NeedsOlder skips a test of what happens where a feature is missing.
func (c *Cluster) NeedsOlder(f Feature) {
	c.T.Helper()
	if c.Serves(f) {
		c.T.Skipf("needs a Kubernetes before %s: no %s; this is %s", f.Since, f, c.Version())
	}
}

// Serves asks the API server whether it has a feature. The test fails where one lacks it that is new enough: a test that
// is skipped there would be skipped for ever, and nobody would know.
func (c *Cluster) Serves(f Feature) bool {
	c.T.Helper()
	list, err := c.discovery().ServerResourcesForGroupVersionWithContext(c.Ctx, f.Resource.GroupVersion().String())
	if err != nil && !apierrors.IsNotFound(err) {
		c.T.Fatalf("ask for %s: %v", f, err)
	}
	has := err == nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == f.Resource.Resource })
	if v := c.Version(); !has && !v.LessThan(version.MustParseGeneric(f.Since)) {
		c.T.Fatalf("this API server is Kubernetes %s and has no %s, which came with %s", v, f, f.Since)
	}
	return has
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
