package coverage

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Workload is what makes pods, or a pod that nothing makes anew.
type Workload struct{ Namespace, Kind, Name string }

// template is what pods are made of.
type template struct {
	account  string
	list     []string // imagePullSecrets, as they stand there
	excluded bool     // an annotation keeps the API server from adding to it
	uses     []use
}

// use is an image that a container, or a volume, is made of.
type use struct{ container, image string }

// pod is a pod as far as it matters for its images.
type pod struct {
	template
	name    string
	of      Workload // its controller; itself if it has none
	mirror  bool     // it stands for a pod that a node runs from a file
	waiting []string // containers and volumes that wait for their image
}

// newTemplate reads a pod, or the template of one.
func newTemplate(pod map[string]any) (t template) {
	annotations, _, _ := unstructured.NestedStringMap(pod, "metadata", "annotations")
	t.excluded = annotations[cluster.AnnotationExclude] == "true"
	spec, _ := pod["spec"].(map[string]any)
	if t.account, _ = spec["serviceAccountName"].(string); t.account == "" {
		t.account = "default"
	}
	for _, entry := range cluster.Mappings(spec["imagePullSecrets"]) {
		secret, _ := entry["name"].(string)
		t.list = append(t.list, secret)
	}
	for _, u := range cluster.ImageUses(pod) {
		what := u.Container
		if u.Volume != "" {
			what = volumeNamed(u.Volume)
		}
		t.uses = append(t.uses, use{what, u.Image})
	}
	return t
}

func volumeNamed(name string) string { return "volume " + name }

// staticPod is the kind of what a node runs from a file.
const staticPod = "StaticPod"

// newPod reads a pod. Of one that has ended, or is going, nothing is pulled any more: ok is false.
func newPod(u *unstructured.Unstructured) (p pod, ok bool) {
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	if phase == "Succeeded" || phase == "Failed" || u.GetDeletionTimestamp() != nil {
		return p, false
	}
	p = pod{template: newTemplate(u.Object), name: u.GetName(), of: controllerOf(u)}
	_, p.mirror = u.GetAnnotations()["kubernetes.io/config.mirror"]
	if p.mirror { // each node has one, called after the node
		node, _, _ := unstructured.NestedString(u.Object, "spec", "nodeName")
		p.of = Workload{u.GetNamespace(), staticPod, strings.TrimSuffix(u.GetName(), "-"+node)}
	}
	uses := cluster.ImageUses(u.Object)
	for _, field := range []string{"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"} {
		statuses, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", field)
		for _, status := range cluster.Mappings(statuses) {
			reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason")
			if reason == "ErrImagePull" || reason == "ImagePullBackOff" {
				what, _ := status["name"].(string)
				message, _, _ := unstructured.NestedString(status, "state", "waiting", "message")
				if volume := cluster.ReportedVolume(uses, what, message); volume != "" {
					what = volumeNamed(volume)
				}
				p.waiting = append(p.waiting, what)
			}
		}
	}
	return p, true
}

// controllerOf is what makes the object anew, or the object. The pods of a Deployment name a ReplicaSet that has the Deployment's
// name and the hash that its label says, so that one needs no ReplicaSet to know it.
func controllerOf(u *unstructured.Unstructured) Workload {
	ref := metav1.GetControllerOfNoCopy(u)
	if ref == nil {
		return Workload{u.GetNamespace(), u.GetKind(), u.GetName()}
	}
	if hash := u.GetLabels()["pod-template-hash"]; ref.Kind == "ReplicaSet" && hash != "" && u.GetKind() == "Pod" {
		if deployment, ok := strings.CutSuffix(ref.Name, "-"+hash); ok {
			return Workload{u.GetNamespace(), "Deployment", deployment}
		}
	}
	return Workload{u.GetNamespace(), ref.Kind, ref.Name}
}

// finished reports whether a Job has ended: it makes no more pods.
func finished(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "conditions")
	return slices.ContainsFunc(cluster.Mappings(conditions), func(c map[string]any) bool {
		return (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True"
	})
}
