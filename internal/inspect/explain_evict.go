package inspect

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/evict/decide"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// EvictExplanation says of a pod that waits for an image whether `pullsecrets evict` would evict it, where it runs. What that evicted
// before is not known here.
type EvictExplanation struct {
	Would  bool   `json:"would"`
	Reason string `json:"reason,omitempty"` // why it would not
	Text   string `json:"text"`
}

// evict explains a pod by the very decision that `evict` makes; nil where the pod waits for no image.
func (e *explainer) evict(u *unstructured.Unstructured) *EvictExplanation {
	pod := cluster.NewPod(u)
	switch {
	case pod.Waits == "":
		return nil
	case e.snapshot.statusDenied != nil:
		return &EvictExplanation{Text: "not known: the status ConfigMap would tell, and you may not read it"}
	case e.snapshot.accountsDenied != nil:
		return &EvictExplanation{Text: "not known: you may not list the service accounts of the namespace"}
	}
	in := decide.Input{
		Pod: pod, Namespace: e.snapshot.Namespace(e.namespace),
		Status: decide.Status{}.Read(e.snapshot.status, policy.Options{Namespace: e.at.Namespace, SourceNamespaces: e.at.SourceNamespaces}),
	}
	for _, account := range e.snapshot.accounts[e.namespace] {
		if account.Name == pod.Account {
			in.Account = account
		}
	}
	v := decide.Decide(in)
	return &EvictExplanation{Would: v.Evict(), Reason: string(v.Reason), Text: v.Text}
}
