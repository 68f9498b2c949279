package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whoever builds the image with the Dockerfile gets the one of the release: the same program, configuration and labels,
// but for the time. (BuildKit adds a PATH, which nothing in the image uses.)
func TestTheDockerfileMakesTheSameImage(t *testing.T) {
	text := get(t, "../..", "Dockerfile")
	version, commit := "v1.2.3", "0123"
	program := filepath.Join(t.TempDir(), "pullsecrets")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	image, err := newPlatformImage(program, platform{"linux", "arm64"}, labels(version, commit, time.Unix(0, 0)), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for instruction, want := range map[string]any{"ENTRYPOINT": config.Config.Entrypoint, "CMD": config.Config.Cmd} {
		var got []string
		if err := json.Unmarshal([]byte(argument(t, text, instruction)), &got); err != nil || !slices.Equal(got, want.([]string)) {
			t.Errorf("%s is %v, %v, and in the release %v", instruction, got, err, want)
		}
	}
	if got := argument(t, text, "USER"); got != config.Config.User {
		t.Errorf("the user is %s, and in the release %s", got, config.Config.User)
	}
	got := map[string]string{}
	for _, l := range regexp.MustCompile(`(org\.opencontainers\.image\.\w+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		got[l[1]] = strings.NewReplacer("${VERSION}", version, "${REVISION}", commit).Replace(l[2])
	}
	want := maps.Clone(config.Config.Labels)
	delete(want, "org.opencontainers.image.created")
	if !maps.Equal(got, want) {
		t.Errorf("the labels are %v, and in the release %v", got, want)
	}
	// And the program is linked in the same way.
	build := get(t, ".", "build.go")
	for _, flag := range []string{"CGO_ENABLED=0", "-trimpath", "-buildvcs=false", "-s -w -buildid= -X github.com/pullsecrets/pullsecrets/internal/cli.version="} {
		if !strings.Contains(text, flag) || !strings.Contains(build, flag) {
			t.Errorf("%s is not in both the Dockerfile and build.go", flag)
		}
	}
}

// argument is what stands after the last such instruction.
func argument(t *testing.T, dockerfile, instruction string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+instruction+` (.+)$`).FindAllStringSubmatch(dockerfile, -1)
	if len(found) == 0 {
		t.Fatalf("the Dockerfile has no %s", instruction)
	}
	return found[len(found)-1][1]
}
