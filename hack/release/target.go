package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"helm.sh/helm/v4/pkg/registry"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// target is where a release is pushed to.
type target struct {
	ctx                     context.Context
	image, chart, manifests name.Repository
}

func newTarget(ctx context.Context, prefix string) (*target, error) {
	if prefix == "" {
		return nil, errors.New("no registry is named: give one with -registry, such as ghcr.io/pullsecrets")
	}
	host, _, _ := strings.Cut(prefix, "/")
	if !strings.ContainsAny(host, ".:") && host != "localhost" || strings.Contains(prefix, "://") {
		return nil, fmt.Errorf("-registry %s names no registry: it is HOST/PREFIX, such as ghcr.io/pullsecrets", prefix)
	}
	t := &target{ctx: ctx}
	for _, r := range []struct {
		to   *name.Repository
		path string
	}{{&t.image, "pullsecrets"}, {&t.chart, "charts/pullsecrets"}, {&t.manifests, "manifests"}} {
		repository, err := name.NewRepository(strings.TrimSuffix(prefix, "/") + "/" + r.path)
		if err != nil {
			return nil, fmt.Errorf("-registry %s: %w", prefix, err)
		}
		*r.to = repository
	}
	return t, nil
}

// mayPush asks the registry whether all three may be pushed, before anything is built.
func (t *target) mayPush() error {
	short := remote.DefaultTransport.(*http.Transport).Clone()
	short.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	short.ResponseHeaderTimeout = time.Minute
	for _, r := range []name.Repository{t.image, t.chart, t.manifests} {
		if err := remote.CheckPushPermission(r.Tag("probe"), authn.DefaultKeychain, interruptible{t.ctx, short}); err != nil {
			return t.refused(r, err)
		}
	}
	return nil
}

// interruptible ends requests with a context, for a function that takes none.
type interruptible struct {
	ctx context.Context
	by  http.RoundTripper
}

func (i interruptible) RoundTrip(r *http.Request) (*http.Response, error) {
	return i.by.RoundTrip(r.WithContext(i.ctx))
}

// refused says in a line what a registry said, and what may help.
func (t *target) refused(r name.Repository, err error) error {
	status, line := 0, strings.Join(strings.Fields(err.Error()), " ")
	var answer *transport.Error
	var answerToHelm *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		status = answer.StatusCode
	case errors.As(err, &answerToHelm):
		status = answerToHelm.StatusCode
	}
	switch status {
	case 0:
		return fmt.Errorf("the registry %s cannot be reached: %s", r.RegistryStr(), line)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the registry %s does not let you push to %s: docker login %s first", r.RegistryStr(), r.RepositoryStr(), r.RegistryStr())
	}
	return fmt.Errorf("the registry %s refuses %s: %s", r.RegistryStr(), r.RepositoryStr(), line)
}

func (t *target) options() []remote.Option {
	return []remote.Option{remote.WithContext(t.ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// there returns what a tag is of, nil where it is not there.
func (t *target) there(tag name.Tag) (*remote.Descriptor, error) {
	found, err := remote.Get(tag, t.options()...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	return found, err
}

// pushable is an image or an index of images.
type pushable interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// push pushes a version, and leaves one alone that is there already.
func (t *target) push(tag name.Tag, what pushable) error {
	digest, err := what.Digest()
	if err != nil {
		return err
	}
	found, err := t.there(tag)
	switch {
	case err != nil:
		return t.refused(tag.Repository, err)
	case found != nil && found.Digest == digest:
		return nil
	case found != nil:
		return alreadyAnother(tag, found.Digest)
	}
	if index, ok := what.(v1.ImageIndex); ok {
		err = remote.WriteIndex(tag, index, t.options()...)
	} else {
		err = remote.Write(tag, what.(v1.Image), t.options()...)
	}
	if err != nil {
		return t.refused(tag.Repository, err)
	}
	return nil
}

// move gives an image that was pushed another tag, whatever that was of before.
func (t *target) move(tag name.Tag, what pushable) error {
	if err := remote.Tag(tag, what, t.options()...); err != nil {
		return t.refused(tag.Repository, err)
	}
	return nil
}

func alreadyAnother(tag name.Tag, digest v1.Hash) error {
	return fmt.Errorf("%s is in the registry with other content (%s), and a release is not replaced: make a new version", tag, digest)
}

// pushChart pushes a chart as helm push does, and returns its digest.
func (t *target) pushChart(chart []byte, version string, at time.Time) (v1.Hash, error) {
	tag := t.chart.Tag(version)
	found, err := t.there(tag)
	if err != nil {
		return v1.Hash{}, t.refused(t.chart, err)
	}
	if found != nil {
		return found.Digest, sameChart(tag, found, chart)
	}
	options := []registry.ClientOption{registry.ClientOptWriter(os.Stderr)}
	if loopback(t.chart.RegistryStr()) {
		options = append(options, registry.ClientOptPlainHTTP())
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return v1.Hash{}, err
	}
	result, err := client.Push(chart, tag.String(), registry.PushOptCreationTime(at.Format(time.RFC3339)))
	if err != nil {
		return v1.Hash{}, t.refused(t.chart, err)
	}
	return v1.NewHash(result.Manifest.Digest)
}

func sameChart(tag name.Tag, found *remote.Descriptor, chart []byte) error {
	image, err := found.Image()
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	for _, layer := range manifest.Layers {
		if layer.Digest.Hex == sum(chart) {
			return nil
		}
	}
	return alreadyAnother(tag, found.Digest)
}

// loopback tells whether a registry is on this machine, where it speaks plain HTTP as docker takes for granted too.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
