package admission

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// write deletes and applies what differs. While a prune is held, parameters are only added: without its parameter
// the next write of an account by somebody else would take the names away that are being held. It adds to refused the rules whose parameters cannot be written, and why.
func (a *Publisher) write(ctx context.Context, p *policy.Policy, wanted []*unstructured.Unstructured, live map[string]*cluster.AdmissionRule, refused map[string]string) (failed []status.Problem, stale bool) {
	held := a.Held()
	try := func(name, verb string, err error) {
		switch {
		case kube.Classify(err) == kube.Stale:
			stale = true
		case err != nil:
			if definite(err) {
				refused[name] = "its parameter cannot be written: " + kube.Redact(err)
			}
			failed = append(failed, status.Problem{Kind: admission.Kind, Name: name, Rule: name, Reason: Unsaved, Detail: "cannot " + verb + " it: " + kube.Redact(err)})
		default:
			a.Log.Info().Str("kind", admission.Kind).Str("name", name).Str("rule", name).Msg("admission parameter: " + verb)
		}
	}
	rest := maps.Clone(live)
	for _, u := range wanted {
		delete(rest, u.GetName())
	}
	a.forgetDeleted(live)
	var kept map[string]bool
	if !passed(a.attachment.moved) {
		kept = leaving(p, live, refused)
	}
	remove := func() {
		for _, name := range slices.Sorted(maps.Keys(rest)) {
			if one := rest[name]; one.Ours && !held && !a.isDeleted(one.UID) && !kept[name] {
				try(name, "delete", a.delete(ctx, one))
			}
		}
	}
	// A pod is given names once. So where pods are served, what goes on adding a name is there before what added it goes.
	pods := slices.ContainsFunc(wanted, func(u *unstructured.Unstructured) bool { return servesPods(u.Object["spec"]) })
	if !pods {
		remove()
	}
	for _, u := range gainingFirst(wanted, live) {
		before := live[u.GetName()]
		if before != nil && (held || equality.Semantic.DeepEqual(before.Spec, u.Object["spec"])) {
			continue
		}
		try(u.GetName(), "apply", a.apply(ctx, u, before))
	}
	if pods {
		remove()
	}
	return failed, stale
}

func (a *Publisher) delete(ctx context.Context, one *cluster.AdmissionRule) error {
	err := a.Client.Delete(ctx, kube.AdmissionRules, one)
	if err == nil {
		delete(a.behind, one.Name)
		a.deleted[one.UID] = time.Now()
	}
	return err
}

// apply writes a parameter over what there was before, which may be nothing.
func (a *Publisher) apply(ctx context.Context, u *unstructured.Unstructured, before *cluster.AdmissionRule) error {
	u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager})
	u.SetResourceVersion(kube.MustNotExist)
	if before != nil {
		u.SetUID(before.UID)
		u.SetResourceVersion(before.ResourceVersion)
	}
	applied, err := a.Client.Apply(ctx, kube.AdmissionRules, u, true)
	switch {
	case err != nil || !servesPods(u.Object["spec"]):
		return err
	case !servesPods(specOf(applied)):
		return errOlderComponent
	case applied.GetResourceVersion() != u.GetResourceVersion():
		a.behind[u.GetName()] = u.GetResourceVersion()
	}
	a.written[u.GetName()] = true
	return nil
}

// specOf returns the spec of a parameter that was written.
func specOf(o metav1.Object) any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.Object["spec"]
	}
	return nil
}

// errOlderComponent is for a definition of the parameters that drops the field attach.
var errOlderComponent = errors.New("the component in the cluster is of an earlier version, which knows no pods: apply that of this version")

// gainingFirst has parameters that add a name which they did not before go before those that may lose it to them. The API server
// sees writes in their order, so no pod comes in between.
func gainingFirst(wanted []*unstructured.Unstructured, live map[string]*cluster.AdmissionRule) []*unstructured.Unstructured {
	gains := func(u *unstructured.Unstructured) int {
		before := live[u.GetName()]
		for _, name := range cluster.NewAdmissionRule(u).Names {
			if before == nil || !slices.Contains(before.Names, name) {
				return 0
			}
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(wanted), func(x, y *unstructured.Unstructured) int { return gains(x) - gains(y) })
}

// isDeleted reports whether the deletion of a parameter was sent a short while ago. The watch tells of it a moment later,
// and Publish looks at the parameters several times in a moment.
func (a *Publisher) isDeleted(uid types.UID) bool {
	at, sent := a.deleted[uid]
	return sent && time.Since(at) < deleteAgain
}

// forgetDeleted forgets the deletions that the watch shows.
func (a *Publisher) forgetDeleted(live map[string]*cluster.AdmissionRule) {
	there := map[types.UID]bool{}
	for _, p := range live {
		there[p.UID] = true
	}
	maps.DeleteFunc(a.deleted, func(uid types.UID, _ time.Time) bool { return !there[uid] })
}
