package cluster

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is a pod as far as it matters for whether it waits for an image in vain.
type Pod struct {
	Meta
	Created     time.Time
	Phase       string
	Account     string   // its service account
	PullSecrets []string // imagePullSecrets; an entry without a name is ""
	Waits       string   // why a container waits for its image; empty where none does
	Container   string   // the first that waits
	Controller  *Controller
	Mirror      bool // it stands for a pod that a node runs from a file
	Excluded    bool // its annotation opts it out of all rules
	Kept        bool // its annotation forbids to evict it
}

// Controller is the object that makes a pod anew when it is gone, or does something else then.
type Controller struct {
	schema.GroupKind
	Name string
	UID  types.UID
}

// annotationMirror marks a mirror pod. Source: k8s.io/api/core/v1, MirrorPodAnnotationKey.
const annotationMirror = "kubernetes.io/config.mirror"

// imageReasons are why a container waits that could not pull its image. Source: k8s.io/kubernetes/pkg/kubelet/images.
var imageReasons = []string{"ErrImagePull", "ImagePullBackOff"}

// NewPod shrinks a v1 Pod.
func NewPod(u *unstructured.Unstructured) *Pod {
	annotations := u.GetAnnotations()
	p := &Pod{
		Meta: newMeta(u), Created: u.GetCreationTimestamp().Time, Controller: ControllerOf(u),
		Excluded: optsOut(annotations, AnnotationExclude), Kept: keepsPods(annotations),
	}
	_, p.Mirror = annotations[annotationMirror]
	p.Phase, _, _ = unstructured.NestedString(u.Object, "status", "phase")
	p.Account, _, _ = unstructured.NestedString(u.Object, "spec", "serviceAccountName")
	if p.Account = intern(p.Account); p.Account == "" {
		p.Account = "default"
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		name, _ := entry["name"].(string)
		p.PullSecrets = append(p.PullSecrets, intern(name))
	}
	p.Container, p.Waits = waiting(u)
	return p
}

// waiting finds the first container that waits for its image. That of somebody who debugs the pod does not count: a new pod
// would not have it.
func waiting(u *unstructured.Unstructured) (container, reason string) {
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		list, _, _ := unstructured.NestedSlice(u.Object, "status", field)
		for _, e := range list {
			status, _ := e.(map[string]any)
			reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason")
			if slices.Contains(imageReasons, reason) {
				name, _ := status["name"].(string)
				return name, reason
			}
		}
	}
	return "", ""
}

// ControllerOf is what makes an object anew when it is gone; nil for one of nobody.
func ControllerOf(u *unstructured.Unstructured) *Controller {
	ref := metav1.GetControllerOfNoCopy(u)
	if ref == nil {
		return nil
	}
	group, _ := schema.ParseGroupVersion(ref.APIVersion) // the API server validated it
	return &Controller{GroupKind: schema.GroupKind{Group: group.Group, Kind: ref.Kind}, Name: ref.Name, UID: ref.UID}
}
