package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlay is the base with the image that was pushed. With the digest the tag decides nothing: it is there for people.
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../kustomize/base]
images:
- {name: ghcr.io/pullsecrets/pullsecrets, newName: %q, newTag: %s, digest: %q}
`

// installYAML builds kustomize/base with the image of a repository by digest: what was pushed, and nothing else.
func installYAML(src, repository, version, digest string) ([]byte, error) {
	dir := filepath.Join(src, "install")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(overlay, repository, version, digest)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o666); err != nil {
		return nil, err
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	built, err := resources.AsYaml()
	return append(fmt.Appendf(nil, "# pullsecrets %s: kubectl apply -f install.yaml\n", version), built...), err
}
