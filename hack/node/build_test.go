package main

import (
	"os"
	"strings"
	"testing"
)

// The kubelet is of the control plane's version, in three places.
func TestTheVersionsAgree(t *testing.T) {
	for _, file := range []string{"kubelet/go.mod", "../controlplane/go.mod"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\tk8s.io/kubernetes "+version+" ") {
			t.Errorf("%s does not have k8s.io/kubernetes %s", file, version)
		}
	}
}
