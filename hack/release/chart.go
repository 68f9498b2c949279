package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// packageChart packages the chart of a tree into a folder, as helm package does, and returns the file. The files'
// times are the commit's, so the package is always the same.
func packageChart(src, dir, version string) (string, error) {
	chart, err := loader.LoadDir(filepath.Join(src, "charts", "pullsecrets"))
	if err != nil {
		return "", err
	}
	if want := strings.TrimPrefix(version, "v"); chart.Metadata.Version != want || chart.Metadata.AppVersion != version {
		return "", fmt.Errorf("the chart is %s of %s, and the release is %s", chart.Metadata.Version, chart.Metadata.AppVersion, version)
	}
	return chartutil.Save(chart, dir)
}
