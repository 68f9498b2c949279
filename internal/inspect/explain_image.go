package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// ImageExplanation says which pull secrets of a pod have an entry for the image of a container.
type ImageExplanation struct {
	Container string   `json:"container"`
	Image     string   `json:"image"`
	Secrets   []string `json:"secrets,omitempty"` // in the order of the pod's list
	Text      string   `json:"text"`
	// Kubelet is what the kubelet says of it.
	Kubelet *KubeletReport `json:"kubelet,omitempty"`
}

// containerKinds are the fields of a pod's spec, and of its status, that are about containers.
var containerKinds = []struct{ specs, statuses string }{
	{"initContainers", "initContainerStatuses"},
	{"containers", "containerStatuses"},
	{"ephemeralContainers", "ephemeralContainerStatuses"},
}

// images explains the images of a pod.
func (e *explainer) images(u *unstructured.Unstructured, list []string, copies []CopyExplanation, said map[string]KubeletReport) (out []ImageExplanation) {
	var missing, unread []string
	for _, name := range list {
		switch known := e.raw[types.NamespacedName{Namespace: e.namespace, Name: name}]; {
		case known != nil, name == "":
		case e.snapshot.copiesDenied[name] != nil:
			unread = append(unread, name)
		default:
			missing = append(missing, name)
		}
	}
	for _, kind := range containerKinds {
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", kind.specs)
		for _, c := range containers {
			container, _ := c.(map[string]any)
			name, _ := container["name"].(string)
			image, _ := container["image"].(string)
			i := ImageExplanation{Container: name, Image: image}
			i.Secrets, i.Text = e.image(image, list, missing, unread, copies)
			if report, ok := said[name]; ok {
				i.Kubelet = &report
			}
			out = append(out, i)
		}
	}
	return out
}

func (e *explainer) image(image string, list, missing, unread []string, copies []CopyExplanation) (secrets []string, text string) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil, "it is no reference of an image"
	}
	registry := reference.Domain(named)
	secrets = slices.DeleteFunc(slices.Clone(list), func(name string) bool { return !e.covers(name, named.Name()) })
	if len(secrets) > 0 {
		return secrets, "the pod's pull secret " + strings.Join(secrets, ", ") + " has an entry for it"
	}
	text = "no pull secret of the pod has an entry for " + registry
	if len(unread) > 0 {
		text = "no pull secret of the pod that you may read has an entry for " + registry
	}
	for _, c := range copies {
		if !slices.Contains(list, c.Name) && e.covers(c.Name, named.Name()) {
			text += fmt.Sprintf("; %s has one, which the pod does not name", c.Name)
		}
	}
	if len(missing) > 0 {
		text += "; these do not exist: " + strings.Join(missing, ", ")
	}
	if len(unread) > 0 { // one of them may have an entry
		return nil, text + "; these you may not read: " + strings.Join(unread, ", ")
	}
	return nil, text + "; it is pulled without a credential, unless the node has one"
}

// covers reports whether a secret of the namespace has an entry for images of a repository.
func (e *explainer) covers(secret, repository string) bool {
	s := e.snapshot.secrets[types.NamespacedName{Namespace: e.namespace, Name: secret}]
	return s != nil && s.Content.Covers(repository)
}
