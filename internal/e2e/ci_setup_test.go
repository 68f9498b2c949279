package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// TestTheActionInstallsWhatHasTheRightChecksum runs the action setup against a server that has what a release has.
func TestTheActionInstallsWhatHasTheRightChecksum(t *testing.T) {
	release := newFakeRelease(t)
	right, wrong := fmt.Sprintf("%x", sha256.Sum256(release.files["pullsecrets_linux_amd64.tar.gz"])), strings.Repeat("0", 64)
	for _, tt := range []struct {
		why              string
		system, arch     string
		version, pinned  string
		replaced, absent string // a file of the release
		said             string // what is said in place of installing
	}{
		{why: "Linux", system: "Linux", arch: "X64"},
		{why: "Linux on ARM", system: "Linux", arch: "ARM64"},
		{why: "macOS", system: "macOS", arch: "X64"},
		{why: "macOS on ARM", system: "macOS", arch: "ARM64"},
		{why: "Windows", system: "Windows", arch: "X64"},
		{why: "Windows on ARM", system: "Windows", arch: "ARM64"},
		{why: "a sum that was pinned", system: "Linux", arch: "X64", pinned: right},
		{why: "another one", system: "Linux", arch: "X64", pinned: wrong, said: "and not " + wrong},
		{why: "another archive than was released", system: "Linux", arch: "X64", replaced: "pullsecrets_linux_amd64.tar.gz", said: "nothing is installed"},
		{why: "an archive of no checksum", system: "Linux", arch: "X64", replaced: "checksums.txt", said: "does not name pullsecrets_linux_amd64.tar.gz"},
		{why: "no checksums", system: "Linux", arch: "X64", absent: "checksums.txt", said: "cannot be downloaded"},
		{why: "a version that was not released", system: "Linux", arch: "X64", version: "v9.9.9", said: "is v9.9.9 a release?"},
		{why: "what is no version", system: "Linux", arch: "X64", version: "../latest", said: "is not one such as v0.1.0"},
		{why: "a processor that there is nothing for", system: "Linux", arch: "X86", said: "no program for the processor X86"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if _, err := exec.LookPath("unzip"); err != nil && tt.system == "Windows" {
				t.Skip("unzip is not installed")
			}
			server := httptest.NewServer(release.without(tt.absent, tt.replaced))
			defer server.Close()
			c := &pipeline{t, t.TempDir(), t.TempDir(), ourOwn(t, "cygpath", `echo "$2"`) + ":" + os.Getenv("PATH")}
			inputs := map[string]string{"version": "v1.2.3", "sha256": tt.pinned, "releases": server.URL}
			if tt.version != "" {
				inputs["version"] = tt.version
			}
			paths := filepath.Join(c.temp, "paths")
			status, said := c.action("setup", inputs, "RUNNER_OS="+tt.system, "RUNNER_ARCH="+tt.arch, "GITHUB_PATH="+paths)
			added, _ := os.ReadFile(paths)
			if tt.said != "" {
				if status == 0 || !strings.Contains(said, tt.said) || len(added) > 0 {
					t.Errorf("exit %d, want %q, and nothing in the PATH, which has %q:\n%s", status, tt.said, added, said)
				}
				return
			}
			want := strings.ToLower(strings.Replace(tt.system, "macOS", "darwin", 1)) + "_" + map[string]string{"X64": "amd64", "ARM64": "arm64"}[tt.arch]
			if status != 0 || !strings.Contains(said, "this is "+want) {
				t.Errorf("exit %d, want the program for %s:\n%s", status, want, said)
			}
			if programs, _ := filepath.Glob(strings.TrimSpace(string(added)) + "/pullsecrets*"); len(programs) != 1 {
				t.Errorf("in the PATH %q are %v", added, programs)
			}
		})
	}
}

// TestGitLabsJobsInstallWhatHasTheRightChecksum runs what stands before the scripts of examples/ci/gitlab-ci.yaml.
func TestGitLabsJobsInstallWhatHasTheRightChecksum(t *testing.T) {
	text, err := os.ReadFile("../../examples/ci/gitlab-ci.yaml")
	harness.Must(t, err)
	var config struct {
		Programs struct {
			Before []string `json:"before_script"`
		} `json:".programs"`
		Check, Plan struct{ Script []string }
	}
	harness.Must(t, yaml.Unmarshal(text, &config))
	release := newFakeRelease(t)
	kubectl := []byte("#!/bin/sh\n")
	release.files["kubectl"], release.files["kubectl.sha256"] = kubectl, fmt.Appendf(nil, "%x", sha256.Sum256(kubectl))
	for _, replaced := range []string{"", "pullsecrets_linux_amd64.tar.gz", "kubectl", "checksums.txt"} {
		server := httptest.NewServer(release.without("", replaced))
		defer server.Close()
		c := &pipeline{t, t.TempDir(), "", os.Getenv("PATH")}
		programs := t.TempDir()
		status, said := c.bash(strings.Join(config.Programs.Before, "\n"), "PULLSECRETS_RELEASE="+server.URL+"/v1.2.3",
			"KUBECTL_RELEASE="+server.URL+"/v1.2.3", "PROGRAMS="+programs)
		_, err := os.Stat(programs + "/kubectl")
		if installed := status == 0 && err == nil; installed != (replaced == "") {
			t.Errorf("with another %q: exit %d, %v\n%s", replaced, status, err, said)
		}
	}
	for script, file := range map[string]string{config.Check.Script[0]: "check.sh", config.Plan.Script[1]: "plan-merge-requests.sh"} {
		if script != "ci/"+file+" pullsecrets" {
			t.Errorf("%q is not what the tests run", script)
		}
	}
}

// fakeRelease has the files of a release by their names, with a script in place of the program.
type fakeRelease struct {
	files map[string][]byte
}

func newFakeRelease(t *testing.T) *fakeRelease {
	t.Helper()
	r := &fakeRelease{map[string][]byte{}}
	var sums string
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			script := fmt.Sprintf("#!/bin/sh\necho this is %s_%s\n", system, arch)
			name, content := "pullsecrets_"+system+"_"+arch+".tar.gz", tarGz(t, "pullsecrets", script)
			if system == "windows" {
				name, content = "pullsecrets_"+system+"_"+arch+".zip", zipped(t, "pullsecrets.exe", script)
			}
			r.files[name] = content
			sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
		}
	}
	r.files["checksums.txt"] = []byte(sums)
	return r
}

// without serves the release as v1.2.3, with one file absent or another one in its place.
func (r *fakeRelease) without(absent, replaced string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		name, ok := strings.CutPrefix(request.URL.Path, "/v1.2.3/")
		content, known := r.files[name]
		switch {
		case !ok || !known || name == absent:
			http.NotFound(w, request)
		case name == replaced:
			_, _ = w.Write([]byte("something else\n"))
		default:
			_, _ = w.Write(content)
		}
	})
}

func tarGz(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	archive := tar.NewWriter(compressed)
	harness.Must(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := archive.Write([]byte(content))
	harness.Must(t, err)
	harness.Must(t, archive.Close())
	harness.Must(t, compressed.Close())
	return b.Bytes()
}

func zipped(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: name}
	header.SetMode(0o755)
	w, err := archive.CreateHeader(header)
	harness.Must(t, err)
	_, err = w.Write([]byte(content))
	harness.Must(t, err)
	harness.Must(t, archive.Close())
	return b.Bytes()
}

// ourOwn is a folder with a script, for a program that only another system has.
func ourOwn(t *testing.T, name, script string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	harness.Must(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return folder
}
