package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What somebody set for all of Go's commands does not change the bytes of a release.
func TestTheMachineDoesNotDecideTheBytes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "env", "GOFLAGS=-tags=other\nGOFIPS140=latest\nGOARM64=v9.0\nGOEXPERIMENT=jsonv2\nGOWORK=/tmp/go.work\nGOMODCACHE=/modules\n")
	t.Setenv("GOENV", filepath.Join(dir, "env"))
	t.Setenv("GOAMD64", "v4")
	env, err := buildEnvironment(t.Context(), platform{"linux", "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "env", "-json", "GOFLAGS", "GOFIPS140", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOWORK", "GOMODCACHE")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"GOFLAGS": "", "GOFIPS140": "off", "GOAMD64": "v1", "GOARM64": "v8.0", "GOEXPERIMENT": "", "GOWORK": "off",
		"GOMODCACHE": "/modules",
	}
	if !maps.Equal(got, want) {
		t.Errorf("Go would build with %v, not %v", got, want)
	}
}
