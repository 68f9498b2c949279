package pulls

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each registry has one of these, and wants a password of its own.
var images = []string{"127.0.0.1:5001/private/one:1", "127.0.0.1:5002/private/two:1"}

// pod is one of the tests' pods, with a container for each image.
type pod struct {
	t               *testing.T
	namespace, name string
	images          []string
	names           []string // of pull secrets that it names itself, in place of its account's
	pull            string   // its imagePullPolicy; IfNotPresent when empty
}

// create creates it, and does not wait.
func (p pod) create() {
	p.t.Helper()
	text := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {namespace: %s, name: %s}\nspec:\n  automountServiceAccountToken: false\n", p.namespace, p.name)
	if len(p.names) > 0 {
		text += "  imagePullSecrets: [{name: " + strings.Join(p.names, "}, {name: ") + "}]\n"
	}
	if p.pull == "" {
		p.pull = "IfNotPresent"
	}
	text += "  containers:\n"
	for i, image := range p.images {
		text += fmt.Sprintf("  - {name: c%d, image: %q, imagePullPolicy: %s}\n", i, image, p.pull)
	}
	apply(p.t, text)
}

// delete deletes it and waits until it is gone.
func (p pod) delete() {
	p.t.Helper()
	kubectl(p.t, "-n", p.namespace, "delete", "pod", p.name, "--grace-period=1")
}

func (p pod) field(path string) string { return field(p.namespace, "pod/"+p.name, path) }

// runs waits until all of its containers run.
func (p pod) runs() {
	p.t.Helper()
	eventually(p.t, p.String()+" runs", p.isRunning)
}

func (p pod) isRunning() bool {
	return p.field("{.status.containerStatuses[*].ready}") == strings.TrimSuffix(strings.Repeat("true ", len(p.images)), " ")
}

// isRefused waits until the kubelet was refused an image of each container, and returns what it says of that.
func (p pod) isRefused() string {
	p.t.Helper()
	var said string
	eventually(p.t, p.String()+" is refused its images", func() bool {
		said = field(p.namespace, "events", `{range .items[?(@.involvedObject.name=="`+p.name+`")]}{.message}{"\n"}{end}`)
		for _, image := range p.images {
			if !strings.Contains(said, fmt.Sprintf("Failed to pull image %q", image)) {
				return false
			}
		}
		return strings.Contains(p.field("{.status.containerStatuses[*].state.waiting.reason}"), "ImagePull")
	})
	return said
}

// isExplained fails if pullsecrets explain says none of these texts of it.
func (p pod) isExplained(by ...string) {
	p.t.Helper()
	out, err := run(program, "explain", p.namespace, "pod/"+p.name)
	if err != nil || !slices.ContainsFunc(by, func(text string) bool { return strings.Contains(out, text) }) {
		p.t.Errorf("%s is not explained by %q: %v\n%s", p, by, err, out)
	}
}

func (p pod) String() string { return p.namespace + "/" + p.name }
