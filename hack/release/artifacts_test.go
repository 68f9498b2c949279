package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"
)

// allPlatforms is what the archives are for, by their files.
var allPlatforms = map[string]platform{
	"pullsecrets_linux_amd64.tar.gz": {"linux", "amd64"}, "pullsecrets_linux_arm64.tar.gz": {"linux", "arm64"},
	"pullsecrets_darwin_amd64.tar.gz": {"darwin", "amd64"}, "pullsecrets_darwin_arm64.tar.gz": {"darwin", "arm64"},
	"pullsecrets_windows_amd64.zip": {"windows", "amd64"}, "pullsecrets_windows_arm64.zip": {"windows", "arm64"},
}

// archives looks at what is downloaded: every platform, the sums, the program for it and the licence.
func archives(t *testing.T, r *released) {
	cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", "checksums.txt")
	cmd.Dir = r.out
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	want := []string{"checksums.txt", "digests.txt", "install.yaml", "notes.md", "pullsecrets-" + r.version[1:] + ".tgz",
		"pullsecrets-manifests.tar.gz", "pullsecrets.rb", "pullsecrets.yaml"}
	for file, p := range allPlatforms {
		want = append(want, file, p.name()+".cdx.json")
	}
	slices.Sort(want)
	files, err := os.ReadDir(r.out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("the files are %v, not %v", names, want)
	}
	sums := get(t, r.out, "checksums.txt")
	for _, name := range want {
		if listed := strings.Contains(sums, "  "+name+"\n"); listed == (name == "checksums.txt" || name == "digests.txt") {
			t.Errorf("%s is in checksums.txt: %t", name, listed)
		}
	}
	for file, p := range allPlatforms {
		files := unpacked(t, filepath.Join(r.out, file))
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"LICENSE", p.program()}) {
			t.Fatalf("%s holds %v", file, got)
		}
		if string(files["LICENSE"]) != get(t, r.clone, "LICENSE") {
			t.Errorf("%s has another licence", file)
		}
		program := files[p.program()]
		isOf(t, program, p)
		if p == (platform{runtime.GOOS, runtime.GOARCH}) {
			name := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(name, program, 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(name, "version").Output(); err != nil || string(out) != "pullsecrets "+r.version+"\n" {
				t.Errorf("it says %q, %v", out, err)
			}
		}
	}
}

// isOf reads what the linker noted in a program, and that the version is in it: only one of them runs here.
func isOf(t *testing.T, program []byte, p platform) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != p.os || settings["GOARCH"] != p.arch || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
		t.Errorf("the program for %v is of %v", p, settings)
	}
	if info.Main.Path != "github.com/pullsecrets/pullsecrets" || info.GoVersion != runtime.Version() {
		t.Errorf("it is %s by %s", info.Main.Path, info.GoVersion)
	}
}

// unpacked returns the files of an archive.
func unpacked(t *testing.T, file string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".zip") {
		r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			opened, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if files[f.Name], err = io.ReadAll(opened); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	readTar(t, unzipped, files)
	return files
}

func readTar(t *testing.T, from io.Reader, files map[string][]byte) {
	t.Helper()
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if runs := h.Mode&0o111 != 0; runs != (h.Name == "pullsecrets" || h.Name == "pullsecrets.exe") {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
	}
}

// inLayers returns the one file of an image.
func inLayers(t *testing.T, image v1.Image) []byte {
	t.Helper()
	files := map[string][]byte{}
	content := mutate.Extract(image)
	defer content.Close()
	readTar(t, content, files)
	if len(files) != 1 {
		t.Errorf("the image holds %v", slices.Collect(maps.Keys(files)))
	}
	return files["pullsecrets"]
}

// boms holds each bill of materials against the modules that the program says it is of.
func boms(t *testing.T, r *released) {
	for file, p := range allPlatforms {
		bom := new(cdx.BOM)
		if err := cdx.NewBOMDecoder(strings.NewReader(get(t, r.out, p.name()+".cdx.json")), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
			t.Fatal(err)
		}
		info, err := buildinfo.Read(bytes.NewReader(unpacked(t, filepath.Join(r.out, file))[p.program()]))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"std " + info.GoVersion: true}
		for _, m := range info.Deps {
			want[m.Path+" "+m.Version] = true
		}
		got := map[string]bool{}
		for _, component := range *bom.Components {
			got[component.Name+" "+component.Version] = true
		}
		if !maps.Equal(got, want) || len(want) < 10 {
			t.Errorf("%s names %v, and the program is of %v", p.name(), got, want)
		}
		if main := bom.Metadata.Component; main.Version != r.version || main.Name != "github.com/pullsecrets/pullsecrets" {
			t.Errorf("%s is about %s %s", p.name(), main.Name, main.Version)
		}
	}
}

// krew reads the manifest with krew's own types, and installs from it with krew itself.
func krew(t *testing.T, r *released) {
	var plugin index.Plugin
	manifest := filepath.Join(r.out, "pullsecrets.yaml")
	if err := yaml.UnmarshalStrict([]byte(get(t, r.out, "pullsecrets.yaml")), &plugin); err != nil {
		t.Fatal(err)
	}
	if plugin.Spec.Version != r.version || plugin.Name != "pullsecrets" {
		t.Errorf("it is of %s %s", plugin.Name, plugin.Spec.Version)
	}
	downloads := map[string]string{}
	for _, p := range plugin.Spec.Platforms {
		file := fileOf(t, r, p.URI)
		if downloads[file] = p.Sha256; p.Selector.MatchLabels["os"] != allPlatforms[file].os ||
			p.Selector.MatchLabels["arch"] != allPlatforms[file].arch || p.Bin != allPlatforms[file].program() {
			t.Errorf("%s is for %v and has %s", file, p.Selector, p.Bin)
		}
	}
	isRight(t, r, downloads, slices.Collect(maps.Keys(allPlatforms)))

	root, indexDir := t.TempDir(), t.TempDir()
	git(t, indexDir, "init", "--quiet")
	if err := os.Mkdir(filepath.Join(indexDir, "plugins"), 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(indexDir, "plugins"), "pullsecrets.yaml", get(t, r.out, "pullsecrets.yaml"))
	git(t, indexDir, "add", ".")
	git(t, indexDir, "commit", "--quiet", "-m", "index")
	cmd := exec.Command("go", "tool", "krew", "install", "--manifest", manifest, "--archive",
		filepath.Join(r.out, platform{runtime.GOOS, runtime.GOARCH}.name()+".tar.gz"))
	cmd.Env = append(os.Environ(), "KREW_ROOT="+root, "KREW_DEFAULT_INDEX_URI=file://"+indexDir, "KREW_NO_UPGRADE_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("krew install: %v\n%s", err, out)
	}
	cmd = exec.Command("kubectl", "pullsecrets", "version")
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "pullsecrets "+r.version+"\n" {
		t.Errorf("kubectl pullsecrets version says %q, %v", out, err)
	}
}

// homebrew reads the formula: what it names for macOS and Linux are the archives.
func homebrew(t *testing.T, r *released) {
	text := get(t, r.out, "pullsecrets.rb")
	downloads := map[string]string{}
	for _, d := range regexp.MustCompile(`(?m)^      url "(.+)"\n      sha256 "(.+)"$`).FindAllStringSubmatch(text, -1) {
		downloads[fileOf(t, r, d[1])] = d[2]
	}
	var want []string
	for file, p := range allPlatforms {
		if p.os != "windows" {
			want = append(want, file)
		}
	}
	isRight(t, r, downloads, want)
	if !strings.Contains(text, `version "`+r.version[1:]+`"`) {
		t.Errorf("it is of another version:\n%s", text)
	}
	// The block of a system and a processor has the archive for them.
	for at, brew := range map[string]string{"darwin_amd64": "on_macos", "darwin_arm64": "on_macos", "linux_amd64": "on_linux", "linux_arm64": "on_linux"} {
		before, _, _ := strings.Cut(text, at)
		arch := map[string]string{"amd64": "on_intel", "arm64": "on_arm"}[at[strings.Index(at, "_")+1:]]
		if system := regexp.MustCompile(`on_(macos|linux)`).FindAllString(before, -1); len(system) == 0 || system[len(system)-1] != brew {
			t.Errorf("%s is in %v", at, system)
		}
		if processor := regexp.MustCompile(`on_(intel|arm)`).FindAllString(before, -1); len(processor) == 0 || processor[len(processor)-1] != arch {
			t.Errorf("%s is in %v", at, processor)
		}
	}
}

// fileOf is the file that a URL of the release downloads.
func fileOf(t *testing.T, r *released, url string) string {
	t.Helper()
	file, ok := strings.CutPrefix(url, "https://github.com/pullsecrets/pullsecrets/releases/download/"+r.version+"/")
	if !ok {
		t.Fatalf("%s is not of the release", url)
	}
	return file
}

// isRight holds sums against the files.
func isRight(t *testing.T, r *released, sums map[string]string, files []string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(sums)); !slices.Equal(got, slices.Sorted(slices.Values(files))) {
		t.Errorf("it names %v, not %v", got, files)
	}
	for file, want := range sums {
		if got := sum([]byte(get(t, r.out, file))); got != want {
			t.Errorf("%s has the sum %s, and it says %s", file, got, want)
		}
	}
}
