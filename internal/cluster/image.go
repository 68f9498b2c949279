package cluster

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// dockerHub is the host under which credentials of Docker Hub are kept, whose images say docker.io.
const dockerHub = "index.docker.io"

// Covers reports whether the credential has an entry that the kubelet tries for images of a repository, which is named
// in full: docker.io/library/nginx. Source: k8s.io/kubernetes/pkg/credentialprovider, BasicDockerKeyring.
func (c *Content) Covers(repository string) bool {
	if c == nil {
		return false
	}
	return slices.ContainsFunc(c.Registries, func(r Registry) bool {
		key, ok := registryKey(r.Host)
		return ok && len(r.Fields) > 0 && (entryMatches(key, repository) || key == dockerHub && ofDockerHub(repository))
	})
}

// ofDockerHub reports whether the kubelet takes a repository for one of Docker Hub: localhost is no host to it without a port.
func ofDockerHub(repository string) bool {
	host, _, _ := strings.Cut(repository, "/")
	return host == "docker.io" || host == dockerHub || !strings.ContainsAny(host, ".:")
}

// entryMatches reports whether a key is for a repository: the host part by part, where * stands for any characters of a
// part; the port; and the start of the path.
func entryMatches(key, repository string) bool {
	glob, err := url.Parse("https://" + key)
	if err != nil {
		return false
	}
	target, err := url.Parse("https://" + repository)
	if err != nil {
		return false
	}
	globParts, globPort := hostParts(glob)
	targetParts, targetPort := hostParts(target)
	if globPort != targetPort || len(globParts) != len(targetParts) || !strings.HasPrefix(target.Path, glob.Path) {
		return false
	}
	for i, part := range globParts {
		if matched, err := path.Match(part, targetParts[i]); err != nil || !matched {
			return false
		}
	}
	return true
}

func hostParts(u *url.URL) (parts []string, port string) {
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		host, port = u.Host, ""
	}
	return strings.Split(host, "."), port
}
