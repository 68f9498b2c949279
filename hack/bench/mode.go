package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// mode is how pods get the names that rules give out.
type mode string

const (
	accounts  mode = "accounts"  // names are written to service accounts
	admission mode = "admission" // they are, and the API server keeps them there: the admission component is installed
	pods      mode = "pods"      // the API server gives them to pods, and only copies are written
)

var modes = []mode{accounts, admission, pods}

// modesOf reads a list of modes.
func modesOf(text string) (out []mode, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if !slices.Contains(modes, mode(part)) {
			return nil, fmt.Errorf("%q is none of accounts, admission and pods", part)
		}
		out = append(out, mode(part))
	}
	return out, nil
}

// guarded reports whether the admission component is installed.
func (m mode) guarded() bool { return m != accounts }

var (
	bindings   = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"}
	parameters = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}
)

// enter has what comes be measured in a mode: a policy of the API server does nothing without its binding.
func (l *lab) enter(m mode) error {
	if l.mode = m; l.bound == m.guarded() {
		return nil
	}
	l.bound = m.guarded()
	if l.bound {
		if err := l.install("crd", "policy", "pods-policy", "binding", "pods-binding"); err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // the API server has seen them
		return nil
	}
	for _, name := range []string{"pullsecrets", "pullsecrets-pods"} {
		if err := l.client.Resource(bindings).Delete(l.ctx, name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("remove the admission component: %w", err)
		}
	}
	err := l.client.Resource(parameters).Namespace(api.Home).DeleteCollection(l.ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	time.Sleep(time.Second)
	return err
}

// install applies parts of the admission component.
func (l *lab) install(parts ...string) error {
	args := []string{"--kubeconfig", l.kubeconfig, "apply", "--server-side"}
	for _, part := range parts {
		args = append(args, "-f", "kustomize/components/admission/"+part+".yaml")
	}
	if out, err := exec.CommandContext(l.ctx, "kubectl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("install the admission component: %w\n%s", err, out)
	}
	return nil
}
