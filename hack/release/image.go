package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const sourceURL = "https://github.com/pullsecrets/pullsecrets"

// imagePlatforms are those of the image.
var imagePlatforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}}

// labels tell where an image is from; registries show them, and tools that update images find the changes by them.
func labels(version, commit string, at time.Time) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       "pullsecrets",
		"org.opencontainers.image.description": "keeps every namespace of a Kubernetes cluster able to pull from private registries",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.source":      sourceURL,
		"org.opencontainers.image.version":     version,
		"org.opencontainers.image.revision":    commit,
		"org.opencontainers.image.created":     at.Format(time.RFC3339),
	}
}

// newImage makes the image of all its platforms, with the same programs that are in the archives. It is what the
// Dockerfile makes, but needs no daemon and has no time of its own.
func newImage(programs map[platform]string, labels map[string]string, at time.Time) (v1.ImageIndex, error) {
	var addenda []mutate.IndexAddendum
	for _, p := range imagePlatforms {
		image, err := newPlatformImage(programs[p], p, labels, at)
		if err != nil {
			return nil, err
		}
		addenda = append(addenda, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), addenda...)
	return mutate.Annotations(index, labels).(v1.ImageIndex), nil
}

func newPlatformImage(program string, p platform, labels map[string]string, at time.Time) (v1.Image, error) {
	layer, err := programLayer(program, at)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: p.os, Architecture: p.arch, Created: v1.Time{Time: at},
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: "65532:65532", Entrypoint: []string{"/pullsecrets"}, Cmd: []string{"run"}, Labels: labels},
	})
	if err != nil {
		return nil, err
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "hack/release.sh", Comment: "the program, and nothing else"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, labels).(v1.Image), nil
}

// programLayer is a layer with the program alone.
func programLayer(program string, at time.Time) (v1.Layer, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "pullsecrets", Mode: 0o755, Size: int64(len(text)), ModTime: at}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
