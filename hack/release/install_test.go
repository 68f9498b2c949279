package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installs are the ways to install that docs tell, each with what the release pushed, from an empty cluster to a
// controller that works. There is no node: the image is pulled and its program is run here.
func installs(t *testing.T, c *cluster, r *released) {
	for _, way := range []struct {
		name string
		run  func(t *testing.T, c *cluster, r *released)
	}{
		{"kubectl apply -f install.yaml", applyInstallYAML},
		{"Helm 4", installWithHelm4},
		{"Helm 3", installWithHelm3},
		{"kubectl apply -k of the artifact", applyArtifact("kustomize/base")},
		{"kubectl apply -k of the artifact's production", applyArtifact("kustomize/overlays/production")},
		{"Flux", applyWithFlux},
	} {
		t.Run(way.name, func(t *testing.T) {
			c.empty(t)
			defer c.empty(t)
			way.run(t, c, r)
		})
	}
}

func applyInstallYAML(t *testing.T, c *cluster, r *released) {
	c.kubectl(t, "", "apply", "-f", filepath.Join(r.out, "install.yaml"))
	c.equal(t, get(t, r.out, "install.yaml"))
	c.sources(t, r.clone)
	c.works(t, c.registry.prefix+"/pullsecrets:"+r.version+"@"+r.digests["pullsecrets"])
}

// ghcr is how everything but install.yaml names the image; the test's registry is a mirror of it.
func (r *released) ghcr() string { return "ghcr.io/pullsecrets/pullsecrets:" + r.version }

// applyArtifact applies a folder of what flux pull artifact, or oras pull and tar, leave.
func applyArtifact(dir string) func(t *testing.T, c *cluster, r *released) {
	return func(t *testing.T, c *cluster, r *released) {
		folder := filepath.Join(pulledArtifact(t, r), dir)
		built := c.kubectl(t, "", "kustomize", folder)
		if want := c.kubectl(t, "", "kustomize", filepath.Join(r.clone, dir)); built != want {
			t.Error("the artifact builds something else than the repository")
		}
		// What a CustomResourceDefinition defines is there only a moment after it.
		eventually(t, "it is applied", func() error { _, err := c.try("", "apply", "-k", folder); return err })
		c.equal(t, built)
		c.sources(t, r.clone)
		c.works(t, r.ghcr())
	}
}

// pulledArtifact is what Flux's source-controller takes from an OCIRepository without a layerSelector: the first
// layer, if the media types are Flux's.
func pulledArtifact(t *testing.T, r *released) string {
	t.Helper()
	image, err := remote.Image(r.target.manifests.Tag(r.version), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != fluxContent || manifest.Config.MediaType != fluxConfig {
		t.Fatalf("it is no artifact of Flux: %+v", manifest)
	}
	if got := manifest.Annotations["org.opencontainers.image.revision"]; got != r.version+"@sha1:"+r.commit {
		t.Errorf("the revision is %s", got)
	}
	if got := manifest.Annotations["org.opencontainers.image.source"]; got != sourceURL {
		t.Errorf("the source is %s", got)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := untar(unzipped, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// applyWithFlux is a Kustomization with path ./kustomize/base whose sourceRef is the OCIRepository: built and applied
// by kustomize-controller's own libraries.
func applyWithFlux(t *testing.T, c *cluster, r *released) {
	dir := pulledArtifact(t, r)
	resources, err := fluxkustomize.SecureBuild(dir, filepath.Join(dir, "kustomize/base"), false)
	if err != nil {
		t.Fatal(err)
	}
	built, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	manager := ssa.NewResourceManager(cl, polling.NewStatusPoller(cl, cl.RESTMapper(), polling.Options{}),
		ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
	objects, err := ssautil.ReadObjects(bytes.NewReader(built))
	if err != nil {
		t.Fatal(err)
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	if _, err := manager.ApplyAllStaged(ctx, objects, ssa.DefaultApplyOptions()); err != nil {
		t.Fatal(err)
	}
	again, err := manager.ApplyAllStaged(ctx, objects, ssa.DefaultApplyOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range again.Entries {
		if e.Action != ssa.UnchangedAction {
			t.Errorf("%s is %s by a second pass", e.Subject, e.Action)
		}
	}
	if len(again.Entries) != strings.Count(string(built), "\nkind: ")+strings.Count(string(built[:5]), "kind:") {
		t.Errorf("%d objects were applied of:\n%s", len(again.Entries), built)
	}
	c.equal(t, string(built))
	c.sources(t, r.clone)
	c.works(t, r.ghcr())
}
