package helm

import (
	"io"
	"log"
	"log/slog"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	log.SetOutput(io.Discard) // Helm 3's warnings about values
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// values are what -f and --set give.
type values = map[string]any

// target names a release and where it is.
type target struct {
	kubeconfig, release, namespace string
	chart                          string // a folder
	kubeVersion                    string // what Template takes for the cluster's, if not the newest
}

// result is what a command of Helm leaves behind.
type result struct{ manifest, notes string }

// engine is one version of Helm.
type engine interface {
	Name() string
	// Template is helm template; it asks no cluster.
	Template(to target, given values) (result, error)
	// Lint is helm lint --strict.
	Lint(chart string, given values) []error
	Install(to target, given values) (result, error)
	// Upgrade is helm upgrade; reuse is --reuse-values.
	Upgrade(to target, given values, reuse bool) (result, error)
	Rollback(to target, version int) error
	Uninstall(to target) error
}

var engines = []engine{helm3{}, helm4{}}

// eachEngine runs a test under both.
func eachEngine(t *testing.T, test func(t *testing.T, h engine)) {
	t.Helper()
	for _, h := range engines {
		t.Run(h.Name(), func(t *testing.T) { test(t, h) })
	}
}

// newest is what helm template takes for the version of the cluster.
const newest = "v1.37.2"

const chartFolder = "../../charts/pullsecrets"
