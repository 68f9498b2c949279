package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Registries are globs of registries, as matchImages of a kubelet's credential provider has them: a host in which * stands for
// any characters between two dots, perhaps with a port and the start of a path.
type Registries []string

// Cover reports whether one of the globs is for images of a repository, which is named in full: docker.io/library/nginx.
func (r Registries) Cover(repository string) bool {
	for _, glob := range r {
		if cluster.ForImagesOf(glob, repository) {
			return true
		}
	}
	return false
}

func (c *checker) registries(globs []string, at *field.Path) {
	for i, glob := range globs {
		scheme, _, found := strings.Cut(glob, "://")
		switch {
		case glob == "":
			c.fail(at.Index(i), "is empty: write the host of a registry, such as registry.example.com or *.dkr.ecr.*.amazonaws.com")
		case strings.Contains(glob, "@"): // not told, because it may be a credential
			c.fail(at.Index(i), "has an @ in it: write the host of a registry alone")
		case found:
			c.fail(at.Index(i), "%q: leave out %s://, images are named without it", brief(glob), brief(scheme))
		case strings.HasPrefix(glob+"/", "index.docker.io/"):
			c.fail(at.Index(i), "%q can match no image: those of Docker Hub are named docker.io", brief(glob))
		case !cluster.IsImageGlob(glob):
			c.fail(at.Index(i), "%q can match no image: write a host as images have it, in lower case, in which * stands for other characters, "+
				"perhaps with a port and the start of a path", brief(glob))
		}
		c.nodeCredentials = append(c.nodeCredentials, glob)
	}
}
