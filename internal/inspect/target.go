package inspect

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// Target is what of a namespace is to be explained. The zero value is all of it.
type Target struct {
	kind *targetKind
	name string
}

func (t Target) String() string {
	if t.kind == nil {
		return ""
	}
	return t.kind.word + "/" + t.name
}

// targetKind is a kind that can be explained, by the words that kubectl knows it by.
type targetKind struct {
	word     string // as commands have it
	aliases  []string
	kind     string
	resource schema.GroupVersionResource
}

// template is where the template of its pods is; none for what makes none.
func (k *targetKind) template() []string {
	path, _ := cluster.TemplatePath(schema.GroupKind{Group: k.resource.Group, Kind: k.kind})
	return path
}

var (
	podKind     = &targetKind{"pod", []string{"po", "pods"}, "Pod", kube.Pods}
	accountKind = &targetKind{"serviceaccount", []string{"sa", "serviceaccounts"}, "ServiceAccount", kube.ServiceAccounts}

	targetKinds = []*targetKind{
		podKind, accountKind,
		{"deployment", []string{"deploy", "deployments", "deployment.apps", "deployments.apps"}, "Deployment", kube.Deployments},
		{"statefulset", []string{"sts", "statefulsets", "statefulset.apps", "statefulsets.apps"}, "StatefulSet", kube.StatefulSets},
		{"daemonset", []string{"ds", "daemonsets", "daemonset.apps", "daemonsets.apps"}, "DaemonSet", kube.DaemonSets},
		{"replicaset", []string{"rs", "replicasets", "replicaset.apps", "replicasets.apps"}, "ReplicaSet", kube.ReplicaSets},
		{"replicationcontroller", []string{"rc", "replicationcontrollers"}, "ReplicationController", kube.ReplicationControllers},
		{"job", []string{"jobs", "job.batch", "jobs.batch"}, "Job", kube.Jobs},
		{"cronjob", []string{"cj", "cronjobs", "cronjob.batch", "cronjobs.batch"}, "CronJob", kube.CronJobs},
	}
)

// kindOf finds a kind of the API among those that can be explained; nil for any other.
func kindOf(gk schema.GroupKind) *targetKind {
	for _, k := range targetKinds {
		if k.kind == gk.Kind && k.resource.Group == gk.Group {
			return k
		}
	}
	return nil
}

// TargetResources are the resources that can be explained, by each word for them, also those that are abbreviations.
func TargetResources() map[string]schema.GroupVersionResource {
	words := map[string]schema.GroupVersionResource{}
	for _, k := range targetKinds {
		for _, word := range append(k.aliases, k.word) {
			words[word] = k.resource
		}
	}
	return words
}

// TargetWords are the words for the kinds that can be explained, without abbreviations.
func TargetWords() (words []string) {
	for _, k := range targetKinds {
		words = append(words, k.word)
	}
	return words
}

// ParseTarget reads KIND/NAME; an empty text is all of the namespace.
func ParseTarget(text string) (Target, error) {
	if text == "" {
		return Target{}, nil
	}
	word, name, _ := strings.Cut(text, "/")
	for _, k := range targetKinds {
		if word = strings.ToLower(word); word != k.word && !slices.Contains(k.aliases, word) {
			continue
		}
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return Target{}, fmt.Errorf("%q: write the name after the slash, as in %s/web", text, k.word)
		}
		return Target{k, name}, nil
	}
	return Target{}, fmt.Errorf("%q: one of %s, with a name: pod/web", text, strings.Join(TargetWords(), ", "))
}
