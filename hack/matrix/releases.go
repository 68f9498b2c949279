package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// releases are the versions that hack/controlplane builds, such as 1.34.4, newest first.
func releases() ([]string, error) {
	files, err := filepath.Glob("../controlplane/versions/*/go.mod")
	if err != nil {
		return nil, err
	}
	var versions []string
	required := regexp.MustCompile(`(?m)^(?:require)?\s*k8s\.io/kubernetes v(\d+\.\d+\.\d+)`)
	for _, file := range append(files, "../controlplane/go.mod") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m := required.FindSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%s names no version of k8s.io/kubernetes", file)
		}
		versions = append(versions, string(m[1]))
	}
	slices.SortFunc(versions, func(a, b string) int { return -compare(a, b) })
	return versions, nil
}

// choose finds the versions that are asked for, such as 1.34 or 1.34.4; all if none is.
func choose(known, asked []string) (chosen []string, err error) {
	if len(asked) == 0 {
		return known, nil
	}
	for _, a := range asked {
		i := slices.IndexFunc(known, func(v string) bool { return v == a || minor(v) == a })
		if i < 0 {
			return nil, fmt.Errorf("there is no version %q in hack/controlplane: name some of %s", a, strings.Join(known, ", "))
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}
