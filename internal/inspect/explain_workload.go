package inspect

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// WorkloadExplanation says what a pod that a workload makes now would have, and which of its pods lack that.
type WorkloadExplanation struct {
	Kind  string          `json:"kind"` // in lower case, as commands have it
	Name  string          `json:"name"`
	New   *PodExplanation `json:"newPod"`
	Pods  []WaitingPod    `json:"pods,omitempty"` // those that wait for an image first, and at most shownPods
	Total int             `json:"podCount"`
	Notes []string        `json:"notes,omitempty"`
}

// WaitingPod is a pod in a list. Waits is empty where it does not wait for an image.
type WaitingPod struct {
	Name      string   `json:"name"`
	Created   string   `json:"created,omitempty"` // RFC 3339
	Waits     string   `json:"waits,omitempty"`   // the kubelet's word: ErrImagePull or ImagePullBackOff
	Container string   `json:"container,omitempty"`
	Lacks     []string `json:"lacks,omitempty"` // pull secrets that a new pod of its workload would name
}

// shownPods is how many pods are listed.
const shownPods = 20

// workload explains what makes pods, and the first of its pods that waits for an image.
func (e *explainer) workload(out *Explanation, ns *cluster.Namespace, target Target) error {
	u, err := e.lookup.get(target.kind.resource, types.NamespacedName{Namespace: e.namespace, Name: target.name})
	if err != nil {
		return fmt.Errorf("read the %s: %w", target.kind.word, err)
	}
	w := &WorkloadExplanation{Kind: target.kind.word, Name: target.name, New: e.pod(out, ns, e.templateOf(u, target.kind), true)}
	out.Workload = w
	pods, denied, err := e.podsOf(target.kind, target.name)
	if err != nil {
		return err
	}
	if denied {
		w.Notes = append(w.Notes, "you may not list its pods, so nothing is said of them")
	}
	w.Total = len(pods)
	slices.SortStableFunc(pods, compareWaiting)
	for _, u := range pods[:min(len(pods), shownPods)] {
		pod := waitingPod(u)
		pod.Lacks = slices.DeleteFunc(slices.Clone(w.New.List), func(name string) bool { return slices.Contains(podList(u), name) })
		w.Pods = append(w.Pods, pod)
	}
	if len(pods) > 0 && waitingPod(pods[0]).Waits != "" {
		out.Pod = e.pod(out, ns, pods[0], false)
		out.Do = e.doAbout(ns, out, pods[0])
	}
	return nil
}

// templateOf returns a workload's template as a pod that was not created.
func (e *explainer) templateOf(u *unstructured.Unstructured, kind *targetKind) *unstructured.Unstructured {
	template, _, _ := unstructured.NestedMap(u.Object, kind.template()...)
	pod := &unstructured.Unstructured{Object: map[string]any{"kind": "Pod", "spec": template["spec"]}}
	metadata, _ := template["metadata"].(map[string]any)
	annotations, _, _ := unstructured.NestedStringMap(metadata, "annotations")
	pod.SetAnnotations(annotations)
	pod.SetNamespace(e.namespace)
	return pod
}

// podsOf finds the pods of a workload that are neither done nor being deleted. Those of a Deployment or CronJob are made by what
// it makes itself.
func (e *explainer) podsOf(kind *targetKind, name string) (pods []*unstructured.Unstructured, denied bool, err error) {
	makers := map[schema.GroupKind]map[string]bool{{Group: kind.resource.Group, Kind: kind.kind}: {name: true}}
	for between, of := range map[string]schema.GroupVersionResource{"Deployment": kube.ReplicaSets, "CronJob": kube.Jobs} {
		if between != kind.kind {
			continue
		}
		gk := schema.GroupKind{Group: of.Group, Kind: dumpKinds[of]}
		makers[gk] = map[string]bool{}
		err := e.lookup.each(of, e.namespace, "", func(u *unstructured.Unstructured) error {
			if by := cluster.ControllerOf(u); by != nil && by.Kind == kind.kind && by.Name == name {
				makers[gk][u.GetName()] = true
			}
			return nil
		})
		if err != nil {
			return nil, apierrors.IsForbidden(err), notForbidden(fmt.Sprintf("list the %s of namespace %s", of.Resource, e.namespace), err)
		}
	}
	err = e.lookup.each(kube.Pods, e.namespace, "", func(u *unstructured.Unstructured) error {
		by := cluster.ControllerOf(u)
		if by != nil && makers[by.GroupKind][by.Name] && isAlive(u) {
			pods = append(pods, u)
		}
		return nil
	})
	return pods, apierrors.IsForbidden(err), notForbidden("list the pods of namespace "+e.namespace, err)
}

func notForbidden(what string, err error) error {
	if err == nil || apierrors.IsForbidden(err) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isAlive(u *unstructured.Unstructured) bool {
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	return u.GetDeletionTimestamp() == nil && phase != "Succeeded" && phase != "Failed"
}

// compareWaiting has pods that wait for an image first, and of those the newest.
func compareWaiting(a, b *unstructured.Unstructured) int {
	one, other := waitingPod(a), waitingPod(b)
	switch {
	case (one.Waits == "") != (other.Waits == "") && one.Waits != "":
		return -1
	case (one.Waits == "") != (other.Waits == ""):
		return 1
	case one.Created != other.Created:
		return strings.Compare(other.Created, one.Created)
	}
	return strings.Compare(one.Name, other.Name)
}

// waitingPod is a pod in a list, with the first container that waits for its image. That of somebody who debugs the pod does not
// count: a new pod would not have it.
func waitingPod(u *unstructured.Unstructured) WaitingPod {
	pod := WaitingPod{Name: u.GetName(), Created: timeText(u.GetCreationTimestamp())}
	for _, field := range containerStatuses[:2] {
		statuses, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", field)
		for _, status := range cluster.Mappings(statuses) {
			if reason := text(status, "state", "waiting", "reason"); ofImages(reason) && pod.Waits == "" {
				pod.Waits, pod.Container = printable(reason), text(status, "name")
			}
		}
	}
	return pod
}

// waiting lists the pods of the namespace that wait for an image.
func (e *explainer) waiting(out *Explanation) error {
	var pods []*unstructured.Unstructured
	err := e.lookup.each(kube.Pods, e.namespace, "", func(u *unstructured.Unstructured) error {
		if isAlive(u) && waitingPod(u).Waits != "" {
			pods = append(pods, u)
		}
		return nil
	})
	if apierrors.IsForbidden(err) {
		if e.labelsUnknown && e.snapshot.accountsDenied != nil && len(out.Copies) == 0 {
			return fmt.Errorf("nothing of namespace %s may be read: %w", e.namespace, err)
		}
		out.Notes = append(out.Notes, "you may not list its pods, so it is not known here whether one waits for an image")
	}
	slices.SortStableFunc(pods, compareWaiting)
	for i, u := range pods {
		if i == shownPods {
			out.Notes = append(out.Notes, fmt.Sprintf("%d more pods wait for an image", len(pods)-i))
			break
		}
		out.Waiting = append(out.Waiting, waitingPod(u))
	}
	if len(pods) > 0 {
		out.Do = append(out.Do, Step{
			Why: "see why the first of them waits", Command: command("pullsecrets explain -n %s pod/%s", e.namespace, pods[0].GetName()),
		})
	}
	return notForbidden("list the pods of namespace "+e.namespace, err)
}
