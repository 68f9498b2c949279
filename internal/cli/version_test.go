package cli

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/pullsecrets/pullsecrets"

// TestGoInstallKnowsItsVersion installs the module as a user does, from a module proxy that is a folder.
func TestGoInstallKnowsItsVersion(t *testing.T) {
	const version = "v0.7.3-rc.1"
	out, err := exec.Command(goInstall(t, version), "version").CombinedOutput()
	if want := "pullsecrets " + version + "\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// goInstall returns the program that go install makes of a version. The other modules come from the module cache, which
// has the layout of a proxy; a cache of its own keeps the invented version out of it.
func goInstall(t *testing.T, version string) string {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	writeModule(t, folder+"/proxy/"+module+"/@v/", version)
	install := exec.Command("go", "install", "-trimpath", module+"@"+version)
	install.Dir = folder
	install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-modcacherw", "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=", "GOWORK=off",
		"GOBIN="+folder, "GOMODCACHE="+folder+"/cache",
		"GOPROXY=file://"+folder+"/proxy,file://"+strings.TrimSpace(string(cache))+"/cache/download")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install: %v\n%s", err, out)
	}
	return folder + "/pullsecrets"
}

// writeModule writes what a module proxy has of a version: this tree, without tests.
func writeModule(t *testing.T, folder, version string) {
	t.Helper()
	const root = "../../"
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	add := func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w, err := archive.Create(module + "@" + version + "/" + filepath.ToSlash(strings.TrimPrefix(path, root)))
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	for _, file := range []string{"go.mod", "go.sum", "main.go"} {
		if err := add(root + file); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(root+"internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return add(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, folder+"list", []byte(version+"\n"))
	writeFile(t, folder+version+".info", []byte(`{"Version": "`+version+`"}`))
	writeFile(t, folder+version+".mod", []byte(readText(t, root+"go.mod")))
	writeFile(t, folder+version+".zip", content.Bytes())
}
