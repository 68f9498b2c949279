package inspect

import (
	"slices"
	"strings"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// KubeletReport is what a kubelet says of the images of a container, or of the pod's pull secrets, in its own words.
type KubeletReport struct {
	Text  string `json:"text"`
	First string `json:"first,omitempty"` // when it said so first and last, RFC 3339; unknown where its Event is gone
	Last  string `json:"last,omitempty"`
}

// kubeletReports are what the kubelet says of a pod.
type kubeletReports struct {
	pod        []KubeletReport
	containers map[string]KubeletReport
	note       string // why it may not be all
}

// containerStatuses are the fields of a pod's status that list containers, those of somebody who debugs it last.
var containerStatuses = []string{"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}

// kubelet gathers what the kubelet says of a pod: what its containers wait for, from the status, and the last Event about
// the image of each. The status says how it is now, the Event since when.
func (e *explainer) kubelet(u *unstructured.Unstructured) kubeletReports {
	events, about, err := e.imageEvents(u)
	out := kubeletReports{pod: about, containers: map[string]KubeletReport{}}
	switch {
	case apierrors.IsForbidden(err):
		out.note = "you may not list its Events, so of what the kubelet says there is only what is in the pod's status"
	case err != nil:
		out.note = "its Events cannot be listed: " + err.Error()
	}
	for _, field := range containerStatuses {
		statuses, _, _ := unstructured.NestedSlice(u.Object, "status", field)
		for _, s := range statuses {
			status, _ := s.(map[string]any)
			name, _ := status["name"].(string)
			report := events[name]
			reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason")
			message, _, _ := unstructured.NestedString(status, "state", "waiting", "message")
			if reason != "" && reason != "ContainerCreating" && reason != "PodInitializing" {
				about := KubeletReport{Text: waitingText(reason, message, report.Text)}
				if ofImages(reason) { // so the Event is about the same
					about.First, about.Last = report.First, report.Last
				}
				report = about
			}
			events[name] = report
		}
	}
	for name, report := range events {
		if report.Text != "" {
			out.containers[name] = report
		}
	}
	return out
}

// waitingText words what a container waits for. While a kubelet pauses between two tries, those before 1.32 say that and
// not why, so the last Event does.
func waitingText(reason, message, event string) string {
	text := printable(reason + ": " + message)
	if reason == "ImagePullBackOff" && event != "" && !strings.Contains(message, "ErrImagePull") {
		text += "; " + event
	}
	return text
}

// ofImages reports whether a container that waits for a reason waits for its image. A pull secret that the kubelet cannot read is
// a reason in the words of the error. Source: pkg/kubelet/images and its ReasonCache.
func ofImages(reason string) bool {
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed", "ImageInspectError", "ErrImageNeverPull", "InvalidImageName":
		return true
	}
	return strings.Contains(reason, " ")
}

// shownReports is how many Events about a pod as a whole are told, the last ones.
const shownReports = 5

// imageEvents are the pod's Events about images, the last of each container, and those about the whole pod. An Event is
// kept for an hour only, so there may be none.
func (e *explainer) imageEvents(u *unstructured.Unstructured) (of map[string]KubeletReport, pod []KubeletReport, err error) {
	of = map[string]KubeletReport{}
	about := fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": u.GetName()}.AsSelector()
	err = e.lookup.each(kube.Events, u.GetNamespace(), about.String(), func(event *unstructured.Unstructured) error {
		uid, _, _ := unstructured.NestedString(event.Object, "involvedObject", "uid")
		reason, _, _ := unstructured.NestedString(event.Object, "reason")
		message, _, _ := unstructured.NestedString(event.Object, "message")
		if uid != string(u.GetUID()) || !aboutImages(reason, message) {
			return nil
		}
		report := KubeletReport{printable(message), eventTime(event, "firstTimestamp"), eventTime(event, "lastTimestamp")}
		path, _, _ := unstructured.NestedString(event.Object, "involvedObject", "fieldPath")
		container := containerOf(path)
		switch {
		case container == "":
			pod = append(pod, report)
		case report.Last >= of[container].Last:
			of[container] = report
		}
		return nil
	})
	slices.SortFunc(pod, func(a, b KubeletReport) int { return strings.Compare(a.Last, b.Last) })
	return of, pod[max(0, len(pod)-shownReports):], err
}

// aboutImages reports whether an Event of a kubelet is about the images of a pod. Source: pkg/kubelet/events and
// pkg/kubelet/images of Kubernetes.
func aboutImages(reason, message string) bool {
	switch reason {
	case "Pulled", "FailedToRetrieveImagePullSecret", "ErrImageNeverPull", "InspectFailed":
		return true
	}
	return reason == "Failed" && strings.HasPrefix(message, "Failed to pull image")
}

// containerOf is the container that the path of a field is in, as spec.initContainers{NAME} is; "" for the pod.
func containerOf(path string) string {
	_, name, _ := strings.Cut(path, "{")
	return strings.TrimSuffix(name, "}")
}

func eventTime(event *unstructured.Unstructured, field string) string {
	text, _, _ := unstructured.NestedString(event.Object, field)
	var t metav1.Time
	if err := t.UnmarshalQueryParameter(text); err != nil {
		return ""
	}
	return timeText(t)
}

// printable keeps a text to one line, to a terminal's letters and to a length: a registry, or whoever made a pod, decides it.
func printable(text string) string {
	return bound.Text(strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)), " "))
}
