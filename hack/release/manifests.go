package main

import (
	"bytes"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types that Flux asks of an artifact.
const (
	fluxConfig  types.MediaType = "application/vnd.cncf.flux.config.v1+json"
	fluxContent types.MediaType = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

// newManifests makes an artifact of an archive, as flux push artifact does: the revision is VERSION@sha1:COMMIT.
func newManifests(archive []byte, version, commit string, at time.Time) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil },
		tarball.WithMediaType(fluxContent), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), fluxConfig)
	if image, err = mutate.Append(image, mutate.Addendum{Layer: layer}); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, map[string]string{
		"org.opencontainers.image.created":  at.Format(time.RFC3339),
		"org.opencontainers.image.source":   sourceURL,
		"org.opencontainers.image.revision": version + "@sha1:" + commit,
		"org.opencontainers.image.version":  version,
		"org.opencontainers.image.title":    "the manifests of pullsecrets",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}).(v1.Image), nil
}
