package inspect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// viewer is what whoever runs the controller can give to teams, so that they are told all.
const viewer = "the role of kustomize/components/viewer permits it"

// policyInForce is the policy that the controller goes by: the last good one where the text is refused, missing, or may not be
// read. It is nil where whoever asks may not read enough to know; that there is none is an error.
func (e *explainer) policyInForce(documents map[string]string, opts policy.Options) (*policy.Policy, error) {
	if documents != nil {
		p, problems := policy.Parse(documents, opts)
		if p == nil {
			return nil, fmt.Errorf("the policy is not valid:\n%w", problems.Errors())
		}
		return p, nil
	}
	name := fmt.Sprintf("the policy ConfigMap %s/%s", e.at.Namespace, e.at.PolicyName)
	switch found := e.snapshot.policy; {
	case e.snapshot.policyDenied != nil:
		e.note("you may not read %s", name)
	case found == nil:
		e.note("there is no policy ConfigMap %s/%s", e.at.Namespace, e.at.PolicyName)
	default:
		p, problems := policy.Parse(policy.Documents(found.Data, found.BinaryData), opts)
		if p != nil {
			return p, nil
		}
		e.note("the policy was refused: %s", strings.ReplaceAll(problems.Errors().Error(), "\n", "; "))
	}
	if p := e.lastGood(opts); p != nil {
		e.note("the last good policy is in force")
		return p, nil
	}
	switch {
	case e.snapshot.statusDenied != nil:
		e.note("you may not read the status ConfigMap %s/%s: which policy is in force is not known here, and nothing is said of rules; %s", e.at.Namespace, e.at.StatusName, viewer)
		return nil, nil
	case e.snapshot.policyDenied != nil:
		e.note("the status has no policy either: nothing is said of rules")
		return nil, nil
	}
	return nil, errors.New(strings.Join(e.notes, "; ") + "; and there is no last good one: no policy is in force; " +
		"if the controller runs in another namespace, name it with -namespace")
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
