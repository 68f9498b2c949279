package report

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// ContendedText says of an object that others revert again and again who that is, and how to end it.
func ContendedText(namespace string, o apply.Outcome) string {
	key := kube.KeyOf(namespace, o.Action)
	return fmt.Sprintf("%s %s was undone and repaired %d times (%s); to end this, %s",
		key.Kind, key.ObjectName, o.Repairs, apply.OtherManagers(o.Owners), remedy(key, o.Owners))
}

// BeforeOverwrite returns what logs what a write is about to replace, before it does.
func BeforeOverwrite(log zerolog.Logger) func(namespace string, a plan.Action) {
	return func(namespace string, a plan.Action) {
		log.Warn().Str("namespace", namespace).Str("kind", string(a.Kind)).Str("name", a.Name).Str("rule", a.Rule).Stringer("source", a.Source).
			Str("reason", string(a.Reason)).Strs("diff", bound.List(a.Diff, "lines")).Msg("replacing what somebody else wrote")
	}
}

// remedy is what ends contention: what to put into the other party's configuration.
func remedy(key kube.Key, owners []cluster.Owner) string {
	path := "/imagePullSecrets"
	if key.Kind == plan.KindSecret {
		path = "/data"
	}
	argo := fmt.Sprintf("Argo CD: spec.ignoreDifferences: [{kind: %s, name: %s, namespace: %s, jsonPointers: [%s]}] with syncOptions: [RespectIgnoreDifferences=true]",
		key.Kind, key.Name, key.Namespace, path)
	flux := fmt.Sprintf("Flux: spec.ignore: [{paths: [%s], target: {kind: %s, name: %s, namespace: %s}}]", path, key.Kind, key.Name, key.Namespace)
	for _, o := range owners {
		switch {
		case strings.Contains(o.Manager, "argocd"):
			return argo
		case strings.Contains(o.Manager, "kustomize-controller"), strings.Contains(o.Manager, "helm-controller"):
			return flux
		}
	}
	return argo + "; " + flux
}
