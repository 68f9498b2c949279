package cluster

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// templates is where kinds have the template of the pods that they make.
var templates = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "Deployment"}:        {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}:       {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:         {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:        {"spec", "template"},
	{Group: "batch", Kind: "Job"}:              {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:          {"spec", "jobTemplate", "spec", "template"},
	{Group: "", Kind: "ReplicationController"}: {"spec", "template"},
}

// TemplatePath is where a kind has the template of the pods that it makes; ok is false for a kind that is not known to make any.
func TemplatePath(kind schema.GroupKind) (path []string, ok bool) {
	path, ok = templates[kind]
	return path, ok
}

// ImageUse is an image that a container of a pod, or a volume of it, is made of.
type ImageUse struct {
	Container string   // empty for a volume
	Volume    string   // empty for a container
	Image     string   // as it is written
	Mounts    []string // volumes that the container mounts
}

// ContainerLists are the fields of a pod's spec that list containers.
var ContainerLists = []string{"initContainers", "containers", "ephemeralContainers"}

// ImageUses are the images of a pod or of a pod's template: those of its containers, and of its volumes that are images, which are
// pulled with the pod's pull secrets too. What has none yet, for whoever fills it in, is left out.
func ImageUses(pod map[string]any) (uses []ImageUse) {
	spec, _ := pod["spec"].(map[string]any)
	for _, field := range ContainerLists {
		for _, c := range Mappings(spec[field]) {
			use := ImageUse{Container: text(c, "name"), Image: text(c, "image")}
			for _, mount := range Mappings(c["volumeMounts"]) {
				use.Mounts = append(use.Mounts, text(mount, "name"))
			}
			if use.Image != "" {
				uses = append(uses, use)
			}
		}
	}
	for _, v := range Mappings(spec["volumes"]) {
		if image := text(v, "image", "reference"); image != "" {
			uses = append(uses, ImageUse{Volume: text(v, "name"), Image: image})
		}
	}
	return uses
}

// ReportedVolume returns which volume of a pod a kubelet's message about a container is about; empty where it is about the
// container's own image. A failed image volume is told as the container that mounts it, with the volume's image quoted in the
// message. Source: k8s.io/kubernetes/pkg/kubelet/kuberuntime, getImageVolumes, and pkg/kubelet/images.
func ReportedVolume(uses []ImageUse, container, message string) string {
	of := slices.IndexFunc(uses, func(u ImageUse) bool { return u.Container == container && u.Volume == "" })
	if of < 0 {
		return ""
	}
	for _, u := range uses {
		if u.Volume != "" && slices.Contains(uses[of].Mounts, u.Volume) && u.Image != uses[of].Image && strings.Contains(message, `"`+u.Image+`"`) {
			return u.Volume
		}
	}
	return ""
}

// Mappings are the mappings of a list; nothing where it is none.
func Mappings(list any) (out []map[string]any) {
	items, _ := list.([]any)
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(object map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(object, path...)
	return s
}
