package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kubelet is of the control plane's version, in three places.
func TestTheVersionsAgree(t *testing.T) {
	for asked, r := range releases {
		plane := "../controlplane"
		if asked != "" {
			plane += "/versions/" + asked
		}
		for _, dir := range []string{r.dir, plane} {
			text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "\tk8s.io/kubernetes "+r.version+" ") {
				t.Errorf("%s does not have k8s.io/kubernetes %s", dir, r.version)
			}
		}
	}
}

func TestAVersionThatIsNotThereIsRefused(t *testing.T) {
	if _, err := releaseOf("1.3"); err == nil || !strings.Contains(err.Error(), `no version "1.3" here: name one of 1.35`) {
		t.Errorf("got %v", err)
	}
}
