package inspect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// viewer is what whoever runs the controller can give to teams, so that they are told all.
const viewer = "the role of kustomize/components/viewer permits it"

// policyInForce is the policy that the controller goes by. It is nil where whoever asks may not read, or this program cannot
// judge, what tells; that there is none is an error, and said only where that is certain.
func (e *explainer) policyInForce(documents map[string]string, opts policy.Options) (*policy.Policy, error) {
	if documents != nil {
		p, problems := policy.Parse(documents, opts)
		if p == nil {
			return nil, fmt.Errorf("the policy is not valid:\n%w", problems.Errors())
		}
		return p, nil
	}
	opts.AnySource = true // which namespaces sources may be in, only the controller's own flags say
	if p := e.ownText(opts); p != nil {
		return p, nil
	}
	if p := e.lastGood(opts); p != nil {
		e.note("the last good policy is in force")
		return p, nil
	}
	switch known := e.snapshot.record(); {
	case e.snapshot.statusDenied != nil:
		e.note("you may not read the status ConfigMap %s/%s: which policy is in force is not known here, and nothing is said of rules; %s", e.at.Namespace, e.at.StatusName, viewer)
		return nil, nil
	case known.Status != "" || e.accepted():
		e.note("the controller goes by a policy that is not here to be read, from flags or of a later version: nothing is said of rules")
		return nil, nil
	case e.snapshot.policyDenied != nil:
		e.note("the status has no policy either: nothing is said of rules")
		return nil, nil
	}
	return nil, kube.Plain(strings.Join(e.notes, "; ") + "; and there is no last good one: no policy is in force; " +
		"if the controller runs in another namespace, name it with -namespace")
}

// ownText is the policy of the ConfigMap, if it can be read and the controller has not refused it.
func (e *explainer) ownText(opts policy.Options) *policy.Policy {
	name := fmt.Sprintf("the policy ConfigMap %s/%s", e.at.Namespace, e.at.PolicyName)
	found := e.snapshot.policy
	switch {
	case e.snapshot.policyDenied != nil:
		e.note("you may not read %s", name)
		return nil
	case found == nil:
		e.note("there is no policy ConfigMap %s/%s", e.at.Namespace, e.at.PolicyName)
		return nil
	}
	documents := policy.Documents(found.Data, found.BinaryData)
	p, problems := policy.Parse(documents, opts)
	judged := found.Annotations[cluster.AnnotationObserved]
	switch refused := found.Annotations[cluster.AnnotationStatus] == status.Invalid; {
	case judged == policy.Hash(documents) && refused:
		e.note("the policy was refused: %s", found.Annotations[cluster.AnnotationMessage])
		return nil
	case p == nil && e.accepted():
		e.note("the controller took the policy, and this pullsecrets cannot read it, so it may be the older of the two: %s", oneLine(problems))
		return nil
	case p == nil:
		e.note("the policy was refused: %s", oneLine(problems))
		return nil
	case judged != "" && judged != policy.Hash(documents) && e.lastGood(opts) != nil:
		e.note("the controller has not judged the policy as it is now")
		return nil
	}
	return p
}

// accepted reports whether the controller says on the policy ConfigMap that this very text is in force.
func (e *explainer) accepted() bool {
	found := e.snapshot.policy
	if found == nil {
		return false
	}
	said := found.Annotations[cluster.AnnotationStatus]
	return (said == status.Ready || said == status.Degraded) &&
		found.Annotations[cluster.AnnotationObserved] == policy.Hash(policy.Documents(found.Data, found.BinaryData))
}

func oneLine(problems policy.Problems) string {
	return bound.Text(strings.ReplaceAll(problems.Errors().Error(), "\n", "; "))
}

func (e *explainer) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// lastGood is the policy that the controller keeps in its status; nil if it may not be read, or there is none.
func (e *explainer) lastGood(opts policy.Options) *policy.Policy {
	if e.snapshot.status == nil {
		return nil
	}
	kept, err := status.UnpackPolicy(e.snapshot.status.BinaryData[status.KeyPolicy])
	if err != nil || kept == nil {
		return nil
	}
	p, _ := policy.Parse(kept, opts)
	return p
}

// readNamespace reads the namespace. Where that is forbidden its labels and annotations are not known, and the rest is told.
func (e *explainer) readNamespace() error {
	u, err := e.lookup.get(kube.Namespaces, types.NamespacedName{Name: e.namespace})
	switch {
	case apierrors.IsForbidden(err):
		e.labelsUnknown = true
		e.note("you may not read the namespace: whether it exists, is opted out or has the labels that a rule asks for is not known here")
		u = &unstructured.Unstructured{Object: map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": e.namespace}}}
	case err != nil:
		return fmt.Errorf("read the namespace: %w", err)
	}
	return e.snapshot.add(e.projector, u)
}

// whyNotNamespace says why a rule does not select the namespace, as far as its labels are known.
func (e *explainer) whyNotNamespace(rule *policy.Rule, ns *cluster.Namespace) string {
	if e.labelsUnknown && rule.Namespaces.ByLabel() && rule.Namespaces.WhyNotName(ns.Name) == "" {
		return "it may or may not, by labels that you may not read"
	}
	return rule.Namespaces.WhyNot(ns.Name, ns.Labels)
}

// marked finds the copies of the namespace by their label, where no policy tells their names.
func (e *explainer) marked() {
	err := e.lookup.each(kube.Secrets, e.namespace, "", func(u *unstructured.Unstructured) error {
		if u.GetLabels()[cluster.LabelManagedBy] == cluster.FieldManager {
			e.raw[types.NamespacedName{Namespace: e.namespace, Name: u.GetName()}] = u
			return e.snapshot.add(e.projector, u)
		}
		return nil
	})
	if err != nil && !apierrors.IsForbidden(err) {
		e.fail(fmt.Errorf("list secrets in namespace %s: %w", e.namespace, err))
	}
}

// asMarked tells of copies and service accounts what they say of themselves, where it is not known which policy is in force.
func (e *explainer) asMarked(out *Explanation) {
	for _, key := range slices.SortedFunc(maps.Keys(e.raw), func(a, b types.NamespacedName) int { return strings.Compare(a.Name, b.Name) }) {
		found := e.snapshot.secrets[key]
		out.Copies = append(out.Copies, CopyExplanation{
			Name: key.Name, Rule: found.Marks.Rule, Source: found.Marks.Source, Exists: true, Since: timeText(e.raw[key].GetCreationTimestamp()),
			Written: appliedAt(e.raw[key]), Owners: ownerTexts(found.Owners), Text: "it has the marks of a copy",
		})
	}
	for _, account := range e.snapshot.accounts[e.namespace] {
		a := AccountExplanation{Name: account.Name, Written: appliedAt(e.accounts[account.Name]), Owners: ownerTexts(account.Owners), list: account.PullSecrets}
		for _, name := range e.snapshot.installation.NotedOn(account) {
			a.Names = append(a.Names, NameExplanation{
				Name: name, Present: slices.Contains(account.PullSecrets, name), Text: "pullsecrets added it, as the account's annotation says",
			})
		}
		out.Accounts = append(out.Accounts, a)
	}
	slices.SortFunc(out.Accounts, func(a, b AccountExplanation) int { return strings.Compare(a.Name, b.Name) })
}
