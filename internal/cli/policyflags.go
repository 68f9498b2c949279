package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// policyFlags say where the policy is, and what its judgement depends on.
type policyFlags struct {
	file              string // empty for that of the cluster
	policy, namespace string // of the policy ConfigMap
	sourceNamespaces  string // comma-separated
}

// register registers -f too, and says what it means that it is not given.
func (f *policyFlags) register(fs *flag.FlagSet, whenEmpty string) {
	f.registerPlace(fs)
	fs.StringVar(&f.file, "f", "", "`FILE` that holds the policy, or a folder, or - for standard input"+whenEmpty)
}

// registerPlace registers what the controller itself is started with.
func (f *policyFlags) registerPlace(fs *flag.FlagSet) {
	f.registerMap(fs)
	fs.StringVar(&f.sourceNamespaces, "source-namespaces", "", "other `NAMESPACES` that sources may be in, comma-separated")
}

// registerMap registers which policy ConfigMap it is.
func (f *policyFlags) registerMap(fs *flag.FlagSet) {
	registerNamespace(fs, &f.namespace)
	fs.StringVar(&f.policy, "policy", "pullsecrets-policy", "`NAME` of the policy ConfigMap")
}

// registerNamespace registers -namespace, which a judgement depends on without a cluster too.
func registerNamespace(fs *flag.FlagSet, namespace *string) {
	own := os.Getenv("POD_NAMESPACE")
	if own == "" {
		own = "pullsecrets"
	}
	fs.StringVar(namespace, "namespace", own, "`NAMESPACE` of the policy, the status and, by default, the sources")
}

// check checks what flag itself cannot.
func (f *policyFlags) check() error {
	var errs []error
	for _, ns := range append(splitNames(f.sourceNamespaces), f.namespace) {
		if len(validation.IsDNS1123Label(ns)) > 0 {
			errs = append(errs, fmt.Errorf("%q is not the name of a namespace", ns))
		}
	}
	if len(validation.IsDNS1123Subdomain(f.policy)) > 0 {
		errs = append(errs, fmt.Errorf("-policy %q is not the name of a ConfigMap", f.policy))
	}
	if f.policy == statusName {
		errs = append(errs, fmt.Errorf("-policy %s: that ConfigMap holds the status", statusName))
	}
	return errors.Join(errs...)
}

// checkFile is check where the policy cannot be that of the cluster.
func (f *policyFlags) checkFile() error {
	if f.file == "" {
		return errors.Join(errNoFile, f.check())
	}
	return f.check()
}

var errNoFile = errors.New("name the policy with -f: a file, a folder, or - for standard input")

// read reads the policy of a file, and judges nothing.
func (f *policyFlags) read(file string, stdin io.Reader) (*policyfile.Source, error) {
	return policyfile.Read(policyfile.Query{File: file, Name: f.policy, Namespace: f.namespace}, stdin)
}

// valid reads and judges the policy of -f. Its warnings are written; its errors are returned.
func (f *policyFlags) valid(stdin io.Reader, stderr io.Writer) (*policyfile.Source, *policy.Policy, error) {
	source, err := f.read(f.file, stdin)
	if err != nil {
		return nil, nil, err
	}
	p, err := source.Valid(f.options(), stderr)
	return source, p, err
}

func (f *policyFlags) options() policy.Options {
	return policy.Options{Namespace: f.namespace, SourceNamespaces: splitNames(f.sourceNamespaces)}
}
