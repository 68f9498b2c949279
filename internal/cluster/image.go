package cluster

import (
	"cmp"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// dockerHub is the host under which credentials of Docker Hub are kept, whose images say docker.io.
const dockerHub = "index.docker.io"

// Repository returns the full name of the repository that an image is pulled from, docker.io/library/nginx for nginx:1.29, and
// the registry as images name it. It errs for what no kubelet would try to pull. Source: k8s.io/kubernetes/pkg/util/parsers,
// ParseImageName.
func Repository(image string) (repository, registry string, err error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", "", err
	}
	return named.Name(), reference.Domain(named), nil
}

// PullSecret is a secret that a pod names, with what it holds; nil where that is not known, or of no use.
type PullSecret struct {
	Name    string
	Content *Content
}

// Entry is one entry of a pull secret that the kubelet tries for an image.
type Entry struct {
	Secret string // the pull secret's name
	Host   string // as it is written there
	Empty  bool   // it holds no credential, and the kubelet sends just that
}

// Tried returns the entries of a pod's pull secrets that the kubelet tries for images of a repository, which is named in full
// (docker.io/library/nginx), in its order: the more specific key first, and of one key, in the order of the pod's list. What is
// under index.docker.io is tried for Docker Hub where nothing else matches. Of entries of one secret that differ by scheme or
// slashes alone, it tries all, in no certain order; here the order is that of their hosts.
// Source: k8s.io/kubernetes/pkg/credentialprovider, BasicDockerKeyring.
func Tried(secrets []PullSecret, repository string) (entries []Entry) {
	type keyed struct {
		key string
		Entry
	}
	var all, ofHub []keyed
	for _, s := range secrets {
		if s.Content == nil {
			continue
		}
		for _, r := range s.Content.Registries {
			key, ok := registryKey(r.Host)
			if !ok {
				continue
			}
			entry := keyed{key, Entry{Secret: s.Name, Host: r.Host, Empty: len(r.Fields) == 0}}
			if ForImagesOf(key, repository) {
				all = append(all, entry)
			}
			if key == dockerHub {
				ofHub = append(ofHub, entry)
			}
		}
	}
	if len(all) == 0 && ofDockerHub(repository) {
		all = ofHub
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return cmp.Compare(b.key, a.key) })
	for _, e := range all {
		entries = append(entries, e.Entry)
	}
	return entries
}

// Covers reports whether the credential has an entry that holds something and that the kubelet tries for images of a repository.
func (c *Content) Covers(repository string) bool {
	return slices.ContainsFunc(Tried([]PullSecret{{Content: c}}, repository), func(e Entry) bool { return !e.Empty })
}

// ofDockerHub reports whether the kubelet takes a repository for one of Docker Hub: localhost is no host to it without a port.
func ofDockerHub(repository string) bool {
	host, _, _ := strings.Cut(repository, "/")
	return host == "docker.io" || host == dockerHub || !strings.ContainsAny(host, ".:")
}

// ForImagesOf reports whether a key of a credential, or a glob of a kubelet's matchImages, is for images of a repository: the
// host part by part, where * stands for any characters of a part; the port; and the start of the path. Source:
// k8s.io/kubernetes/pkg/credentialprovider, URLsMatch.
func ForImagesOf(key, repository string) bool {
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

// imageGlob is a glob that images can match: of their hosts and paths, and * in the host alone.
var imageGlob = regexp.MustCompile(`^[a-z0-9*-]+(?:\.[a-z0-9*-]+)*(?::([0-9]{1,5}))?(?:/[a-z0-9._/-]*)?$`)

// IsImageGlob reports whether there can be an image that ForImagesOf finds a glob for.
func IsImageGlob(glob string) bool {
	found := imageGlob.FindStringSubmatch(glob)
	if found == nil {
		return false
	}
	port, err := strconv.Atoi(cmp.Or(found[1], "1"))
	return err == nil && port > 0 && port <= 65535
}

// IsImageHost reports whether images can be of a host, as an entry of a credential writes it. What people have put in its place
// by mistake, such as a token, has no dot in it, or capital letters.
func IsImageHost(host string) bool {
	key, ok := registryKey(host)
	name, _, _ := strings.Cut(key, "/")
	name, _, _ = strings.Cut(name, ":")
	return ok && IsImageGlob(key) && (name == "localhost" || strings.Contains(name, "."))
}

func hostParts(u *url.URL) (parts []string, port string) {
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		host, port = u.Host, ""
	}
	return strings.Split(host, "."), port
}
