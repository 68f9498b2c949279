package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// documented runs what docs/install.md tells, as it stands there but for the addresses, which are those of the test's
// registry and folder.
func documented(t *testing.T, c *cluster, r *released) {
	page := get(t, r.clone, "docs/install.md")
	u := newUser(t, c, r)
	for _, way := range []struct {
		heading string
		prepare func(t *testing.T, u *user, section string)
		image   string
	}{
		{"One file", nil, c.registry.prefix + "/pullsecrets:" + r.version + "@" + r.digests["pullsecrets"]},
		{"Kustomize", ownFolder, r.ghcr()},
		{"Helm", func(t *testing.T, u *user, section string) {
			put(t, u.dir, "values.yaml", blocks(t, section, "yaml", "# values.yaml")[0])
		}, r.ghcr()},
	} {
		t.Run(way.heading, func(t *testing.T) {
			c.empty(t)
			defer c.empty(t)
			u.dir = t.TempDir()
			text := below(t, page, way.heading)
			if way.prepare != nil {
				way.prepare(t, u, text)
			}
			for _, block := range blocks(t, text, "sh", "") {
				u.types(t, block)
			}
			c.sources(t, r.clone)
			c.works(t, way.image)
		})
	}
}

// ownFolder does what stands before the commands of kustomize: a copy of the overlay, with references to the version and a
// policy.
func ownFolder(t *testing.T, u *user, section string) {
	if err := os.CopyFS(u.dir, os.DirFS(filepath.Join(u.released.clone, "kustomize/overlays/own-folder"))); err != nil {
		t.Fatal(err)
	}
	local := regexp.MustCompile(`(?m)^(resources|components):\n(- .*\n)+`)
	text := get(t, u.dir, "kustomization.yaml")
	if n := len(local.FindAllString(text, -1)); n != 2 {
		t.Fatalf("the overlay has %d lists of references:\n%s", n, text)
	}
	put(t, u.dir, "kustomization.yaml", local.ReplaceAllString(text, "")+blocks(t, section, "yaml", "resources:")[0])
	put(t, u.dir, "policy.yaml", get(t, u.released.clone, "examples/policy.yaml"))
}

// below is the text below a heading of a page, to the next one.
func below(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	text, _, _ := strings.Cut(after, "\n## ")
	return text
}

// blocks are the blocks of code in a language that begin in some way; at least one.
func blocks(t *testing.T, section, language, begin string) (found []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(section, -1) {
		if strings.HasPrefix(m[1], begin) {
			found = append(found, m[1])
		}
	}
	if len(found) == 0 {
		t.Fatalf("there is no block of %s that begins with %q", language, begin)
	}
	return found
}

// user is somebody at a shell, with kubectl, helm and the released program.
type user struct {
	released *released
	dir      string
	env      []string
	address  *strings.Replacer
}

func newUser(t *testing.T, c *cluster, r *released) *user {
	t.Helper()
	bin := t.TempDir()
	archive := fmt.Sprintf("pullsecrets_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	if err := os.WriteFile(filepath.Join(bin, "pullsecrets"), unpacked(t, filepath.Join(r.out, archive))["pullsecrets"], 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "helm"), "helm.sh/helm/v4/cmd/helm").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	helm := t.TempDir()
	return &user{
		released: r,
		env: append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "KUBECONFIG="+c.kubeconfig, "TOKEN=made-up",
			"HELM_CONFIG_HOME="+helm, "HELM_CACHE_HOME="+helm, "HELM_DATA_HOME="+helm,
			// kustomize clones what a reference names; here from the released repository, not from GitHub.
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+r.clone+".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/pullsecrets/pullsecrets"),
		address: strings.NewReplacer(
			"https://github.com/pullsecrets/pullsecrets/releases/download/"+r.version, r.out,
			"helm install pullsecrets oci://ghcr.io/", "helm install --plain-http pullsecrets oci://"+c.registry.host+"/"),
	}
}

// types runs commands.
func (u *user) types(t *testing.T, commands string) {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", u.address.Replace(commands))
	cmd.Dir, cmd.Env = u.dir, u.env
	if out, err := cmd.CombinedOutput(); err != nil {
		var files []string
		_ = fs.WalkDir(os.DirFS(u.dir), ".", func(path string, _ fs.DirEntry, _ error) error { files = append(files, path); return nil })
		t.Fatalf("%v: %s\n%s\nin a folder with %v", err, commands, out, files)
	}
}
